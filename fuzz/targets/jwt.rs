//! No text is a token but those that were signed.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use orlop::auth::Auth;
use orlop::auth::federation;
use orlop::metadata::Database;
use orlop::settings::AuthSettings;
use tokio::runtime::Runtime;

struct Registry {
    runtime: Runtime,
    auth: Auth,
    kid: String,
    _folder: tempfile::TempDir,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let auth = runtime.block_on(async {
        let url = Database::sqlite_url(&folder.path().join("orlop.db"));
        let database = Database::open(&url, 1).await.expect("the database opens");
        Auth::open(database, &AuthSettings::default()).await.expect("the keys are made")
    });
    let keys = runtime.block_on(auth.public_keys()).expect("there is a key");
    Registry { runtime, auth, kid: keys[0].kid.clone(), _folder: folder }
});

fuzz_target!(|input: &str| {
    check(input);
    // Head, claims and signature stand in three lines; KID is the registry's key.
    let (head, rest) = input.split_once('\n').unwrap_or((input, ""));
    let (claims, signature) = rest.split_once('\n').unwrap_or((rest, ""));
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let head = head.replace("KID", &REGISTRY.kid);
    let message = format!("{}.{}", encode(&head), encode(claims));
    check(&format!("{message}.{}", encode(signature)));
    let own = format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{}"}}"#, REGISTRY.kid);
    let message = format!("{}.{}", encode(&own), encode(claims));
    check(&format!("{message}.{}", encode(signature)));
});

fn check(token: &str) {
    if federation::is_jwt(token) {
        let _ = federation::claimed(token);
    }
    let Ok(value) = HeaderValue::try_from(format!("Bearer {token}")) else { return };
    let remote = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Registry { runtime, auth, .. } = &*REGISTRY;
    assert!(runtime.block_on(auth.authenticate(Some(&value), remote, "registry.test")).is_err());
}
