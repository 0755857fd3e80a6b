//! Any file is settings or refused, and settings come back from what is shown of them.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use orlop::settings::{Settings, Sources};

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::temp_dir().join(format!("orlop-fuzz-{}.toml", std::process::id()))
});

fuzz_target!(|text: &str| {
    let Some(settings) = load(text) else { return };
    if settings.metadata.url.is_some() {
        // It is a secret, and shown as one.
        return;
    }
    assert_eq!(load(&settings.to_toml()), Some(settings));
});

fn load(text: &str) -> Option<Settings> {
    std::fs::write(&*FILE, text).expect("the file can be written");
    let sources = Sources { file: Some(FILE.clone()), ..Sources::default() };
    match Settings::load(sources) {
        Ok(settings) => Some(settings),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}
