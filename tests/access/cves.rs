//! What broke in other registries, each by the number under which it is known. Where a file of its
//! own is about the matter, it goes deeper: `attacks` (tokens), `visibility`, `matrix`.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, Registry, SERVICE, basic};
use crate::support::digest_of;
use crate::support::http::{OCI_INDEX, OCI_MANIFEST};

async fn ask(
    registry: &Registry,
    method: Method,
    path: &str,
    authorization: &str,
    content: (&str, &str),
) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, SERVICE)
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, content.0);
    registry.send(request.body(Body::from(content.1.to_owned())).unwrap()).await
}

async fn get(registry: &Registry, path: &str, authorization: &str) -> Answer {
    ask(registry, Method::GET, path, authorization, ("", "")).await
}

fn admin() -> String {
    basic("admin", PASSWORD)
}

async fn push_blob(registry: &Registry, repository: &str, content: &str) -> String {
    let digest = digest_of(content);
    let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
    let answer = ask(registry, Method::POST, &path, &admin(), ("", content)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    digest
}

fn index(text: &str) -> String {
    let annotations = json!({ "text": text });
    json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": annotations,
    })
    .to_string()
}

/// zot looked a blob up by its digest alone before it asked whether the caller may read it.
#[tokio::test]
async fn cve_2024_39897_a_known_digest_opens_no_blob_of_another_repository() {
    let registry = Registry::start().await;
    registry.add_user("mallory", "AcrPush", "mine/*").await;
    let secret = push_blob(&registry, "secret", "a secret layer").await;
    let mallory = basic("mallory", PASSWORD);
    // The repository is there, with another blob in it.
    let path = format!("/v2/mine/a/blobs/uploads/?digest={}", digest_of("own"));
    let pushed = ask(&registry, Method::POST, &path, &mallory, ("", "own")).await;
    assert_eq!(pushed.status, StatusCode::CREATED);
    for from in ["", "&from=secret", "&from=mine/a", "&from=mine/nowhere"] {
        let path = format!("/v2/mine/a/blobs/uploads/?mount={secret}{from}");
        let mounted = ask(&registry, Method::POST, &path, &mallory, ("", "")).await;
        // An upload session, as for a digest that nobody has.
        assert_eq!(mounted.status, StatusCode::ACCEPTED, "{from}");
    }
    for method in [Method::GET, Method::HEAD] {
        let path = format!("/v2/mine/a/blobs/{secret}");
        let found = ask(&registry, method, &path, &mallory, ("", "")).await;
        assert_eq!(found.status, StatusCode::NOT_FOUND);
    }
    let config = json!({"mediaType": "application/x", "digest": secret, "size": 14});
    let image = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [],
    });
    let content = (OCI_MANIFEST, image.to_string());
    let path = "/v2/mine/a/manifests/latest";
    let pushed = ask(&registry, Method::PUT, path, &mallory, (content.0, &content.1)).await;
    assert_eq!(pushed.status, StatusCode::BAD_REQUEST, "{}", pushed.body);
}

/// zot took a push of `latest` for an update where it was a creation.
#[tokio::test]
async fn cve_2026_31801_no_reference_changes_which_right_a_push_needs() {
    let registry = Registry::start().await;
    for (name, role) in [("puller", "AcrPull"), ("deleter", "AcrDelete"), ("reader", "Reader")] {
        registry.add_user(name, role, "*").await;
    }
    for is_there in [false, true] {
        for reference in ["latest", "v1", &digest_of(index("new"))] {
            let path = format!("/v2/a/manifests/{reference}");
            for name in ["puller", "deleter", "reader"] {
                let who = basic(name, PASSWORD);
                let content = index("new");
                let pushed = ask(&registry, Method::PUT, &path, &who, (OCI_INDEX, &content)).await;
                assert_eq!(pushed.status, StatusCode::FORBIDDEN, "{name} {reference} {is_there}");
            }
        }
        let old = index("old");
        for reference in ["latest", "v1"] {
            let path = format!("/v2/a/manifests/{reference}");
            let pushed = ask(&registry, Method::PUT, &path, &admin(), (OCI_INDEX, &old)).await;
            assert_eq!(pushed.status, StatusCode::CREATED);
        }
    }
    let tags = get(&registry, "/v2/a/tags/list", &admin()).await;
    assert_eq!(tags.body["tags"], json!(["latest", "v1"]));
}

/// distribution made a list of as many entries as `n` asked for.
#[tokio::test]
async fn cve_2023_2253_a_page_is_never_larger_than_what_there_is() {
    let registry = Registry::start().await;
    push_blob(&registry, "a", "text").await;
    let content = index("x");
    let path = "/v2/a/manifests/latest";
    ask(&registry, Method::PUT, path, &admin(), (OCI_INDEX, &content)).await;
    let lists = [
        "/v2/_catalog?",
        "/v2/a/tags/list?",
        "/acr/v1/_catalog?",
        "/acr/v1/a/_tags?",
        "/acr/v1/a/_manifests?",
        "/acr/v1/_deleted/_catalog?",
    ];
    for list in lists {
        for n in ["9223372036854775808", "18446744073709551615", "99999999999999999999999999"] {
            let answer = get(&registry, &format!("{list}n={n}"), &admin()).await;
            assert_eq!(answer.status, StatusCode::OK, "{list}{n}: {}", answer.body);
        }
        for n in ["-1", "-9223372036854775808", "1e9", "0x7fffffff", "NaN", "%00", "1%0A"] {
            let answer = get(&registry, &format!("{list}n={n}"), &admin()).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{list}{n}: {}", answer.body);
        }
    }
}

/// distribution trusted the key that the token itself brought along in `jwk`.
#[tokio::test]
async fn cve_2025_24976_a_key_in_the_token_does_not_vouch_for_it() {
    let registry = Registry::start().await;
    let good = registry.get("service=registry.test", Some(&admin())).await;
    let kid = registry.auth.public_keys().await.unwrap()[0].kid.clone();
    let foreign =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, foreign.as_ref()).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y});
    let head = json!({"alg": "ES256", "typ": "JWT", "kid": kid, "jwk": jwk});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(&head), encode(&good.claims()));
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    let forged = format!("Bearer {message}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_eq!(get(&registry, "/v2/", &forged).await.status, StatusCode::UNAUTHORIZED);
    let token = format!("Bearer {}", good.text("token"));
    assert_eq!(get(&registry, "/v2/", &token).await.status, StatusCode::OK);
}

/// The same bytes were an image to one reader and an index to another.
#[tokio::test]
async fn cve_2021_41190_no_manifest_is_two_things() {
    let registry = Registry::start().await;
    let config = push_blob(&registry, "a", "{}").await;
    let config = json!({"mediaType": "application/x", "digest": config, "size": 2});
    let both = json!({
        "schemaVersion": 2, "config": config, "layers": [], "manifests": [],
    });
    let image = json!({"schemaVersion": 2, "config": config, "layers": []});
    let index = json!({"schemaVersion": 2, "manifests": []});
    let named = |body: &Value, media_type: &str| {
        let mut body = body.clone();
        body["mediaType"] = json!(media_type);
        body
    };
    for (header, body) in [
        (OCI_MANIFEST, both.clone()),
        (OCI_INDEX, both.clone()),
        (OCI_MANIFEST, named(&both, OCI_MANIFEST)),
        (OCI_INDEX, named(&both, OCI_INDEX)),
        (OCI_INDEX, image.clone()),
        (OCI_MANIFEST, index.clone()),
        (OCI_MANIFEST, named(&image, OCI_INDEX)),
        (OCI_INDEX, named(&index, OCI_MANIFEST)),
    ] {
        let content = body.to_string();
        let path = format!("/v2/a/manifests/{}", digest_of(&content));
        let pushed = ask(&registry, Method::PUT, &path, &admin(), (header, &content)).await;
        assert_eq!(pushed.status, StatusCode::BAD_REQUEST, "{header}: {body}");
        assert_eq!(get(&registry, &path, &admin()).await.status, StatusCode::NOT_FOUND);
    }
    for (header, body) in [(OCI_MANIFEST, named(&image, OCI_MANIFEST)), (OCI_INDEX, index)] {
        let content = body.to_string();
        let path = format!("/v2/a/manifests/{}", digest_of(&content));
        let pushed = ask(&registry, Method::PUT, &path, &admin(), (header, &content)).await;
        assert_eq!(pushed.status, StatusCode::CREATED, "else this test tells nothing");
    }
}

/// zot kept the groups of a user's first sign-in for ever.
#[tokio::test]
async fn cve_2025_23208_a_right_that_is_taken_away_does_not_come_back_with_a_refresh() {
    let registry = Registry::start().await;
    registry.add_user("alice", "AcrPush", "team/*").await;
    let query = "service=registry.test&offline_token=true&scope=repository:team/app:pull,push";
    let signed_in = registry.get(query, Some(&basic("alice", PASSWORD))).await;
    let assignments = registry.admin(Method::GET, "assignments", Value::Null).await;
    let list = assignments["assignments"].as_array().unwrap();
    let of_alice = list.iter().find(|assignment| assignment["identity"] == "alice").unwrap();
    let path = format!("assignments/{}", of_alice["id"].as_str().unwrap());
    registry.admin(Method::DELETE, &path, Value::Null).await;
    let form = [
        ("grant_type", "refresh_token"),
        ("service", "registry.test"),
        ("scope", "repository:team/app:pull,push"),
        ("refresh_token", signed_in.text("refresh_token")),
    ];
    let refreshed = registry.post("/oauth2/token", &form).await;
    assert_eq!(refreshed.claims()["access"], json!([]));
    let token = format!("Bearer {}", refreshed.text("access_token"));
    let pulled = get(&registry, "/v2/team/app/tags/list", &token).await;
    assert_eq!(pulled.status, StatusCode::FORBIDDEN);
}

/// Whoever may name an issuer cannot make the server ask what only it can reach.
#[tokio::test]
async fn issuers_at_private_addresses_are_refused_unless_allowed() {
    let registry = Registry::start().await;
    let issuer = |url: &str| json!({"name": "x", "url": url, "audience": "orlop"});
    for url in [
        "https://169.254.169.254/latest",
        "https://10.0.0.1",
        "https://[::1]",
        "https://[fd00:ec2::254]",
        "https://[::ffff:10.0.0.1]",
        "https://2852039166",
        "https://0xa9fea9fe",
    ] {
        let answer = registry.api(Method::POST, "issuers", &admin(), issuer(url)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{url}: {}", answer.body);
        let message = answer.body.to_string();
        assert!(message.contains("auth.private_issuers"), "{message}");
    }
    // The settings of the tests allow this one.
    let answer = registry.api(Method::POST, "issuers", &admin(), issuer("https://127.0.0.1")).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
}
