//! No scope asks for more repositories than it names, and there are never too many for a token.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop::auth::Scope;
use orlop::oci::RepositoryPattern;

fuzz_target!(|text: &str| {
    let scopes = Scope::parse_all([text]);
    assert!(scopes.len() <= 50);
    for scope in scopes {
        if let Scope::Repository(name, _) = scope {
            assert!(text.contains(name.as_str()));
        }
    }
    if let Ok(pattern) = RepositoryPattern::parse(text) {
        assert_eq!(pattern.intersection(&pattern).map(|both| both.to_string()), Some(text.to_owned()));
    }
});
