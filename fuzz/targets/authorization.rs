//! Basic credentials that are read hold what the header held, and their password never shows.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use orlop::auth::Password;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        check(&value);
    }
    let encoded = STANDARD.encode(bytes);
    check(&HeaderValue::try_from(format!("Basic {encoded}")).expect("Base64 is a header value"));
});

fn check(value: &HeaderValue) {
    let Ok(read) = Password::from_header(value) else { return };
    let encoded = STANDARD.encode(format!("{}:{}", read.name, read.password));
    assert!(value.to_str().expect("it was read").trim_end().ends_with(&encoded));
    let shown = Password { name: String::new(), password: "secret".into() };
    assert!(!format!("{shown:?}").contains("secret"));
}
