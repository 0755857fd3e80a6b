//! The token endpoints.

use axum::body::Body;
use http::{HeaderValue, Request, StatusCode};
use orlop::auth::{Action, Auth, AuthError, Caller, RegistryAction};
use orlop::metadata::Database;
use orlop::settings::AuthSettings;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, REMOTE, Registry, SERVICE, basic, name};
use crate::support::TestDatabase;

#[tokio::test]
async fn the_first_start_makes_an_admin_and_later_ones_do_not() {
    let registry = Registry::start().await;
    assert!(registry.auth.bootstrap(Some("another".into())).await.unwrap().is_none());
    assert!(registry.caller(&basic("admin", "another")).await.is_err());
    let admin = registry.caller(&basic("admin", PASSWORD)).await.unwrap();
    assert_eq!(admin.name(), "admin");
    assert!(admin.may(Action::MetadataWrite, &name("any/repository")));
    assert!(admin.may_in_registry(RegistryAction::Admin));
}

#[tokio::test]
async fn a_generated_password_signs_in() {
    let folder = tempfile::tempdir().unwrap();
    let rows = TestDatabase::new(folder.path()).await;
    let database = Database::open(rows.url(), 4).await.unwrap();
    let auth = Auth::open(database, &AuthSettings::default()).await.unwrap();
    let admin = auth.bootstrap(None).await.unwrap().unwrap();
    assert!(admin.is_generated);
    let value = HeaderValue::from_str(&basic(&admin.name, &admin.password)).unwrap();
    assert!(auth.authenticate(Some(&value), REMOTE, SERVICE).await.is_ok());
}

#[tokio::test]
async fn docker_gets_a_token_with_basic_credentials() {
    let registry = Registry::start().await;
    let query = "service=registry.test&account=admin&client_id=docker\
                 &scope=repository:a/b:pull,push&scope=repository:c:pull%20registry:catalog:*";
    let answer = registry.get(query, Some(&basic("admin", PASSWORD))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.text("token"), answer.text("access_token"));
    assert_eq!(answer.body["expires_in"], 300);
    assert!(chrono::DateTime::parse_from_rfc3339(answer.text("issued_at")).is_ok());
    assert_eq!(answer.body.get("refresh_token"), None);
    assert_eq!(
        answer.claims()["access"],
        json!([
            {"type": "repository", "name": "a/b", "actions": ["pull", "push"]},
            {"type": "repository", "name": "c", "actions": ["pull"]},
            {"type": "registry", "name": "catalog", "actions": ["*"]},
        ])
    );

    let caller = registry.bearer(answer.text("token")).await.unwrap();
    assert_eq!(caller.name(), "admin");
    assert!(caller.may(Action::ContentWrite, &name("a/b")));
    assert!(!caller.may(Action::ContentWrite, &name("c")));
    assert!(!caller.may(Action::ContentDelete, &name("a/b")));
    assert!(caller.may_in_registry(RegistryAction::CatalogRead));
    assert!(!caller.may_in_registry(RegistryAction::Admin));
    assert!(registry.auth.could(&caller, Action::ContentDelete, &name("a/b")).await.unwrap());
}

#[tokio::test]
async fn a_refresh_token_gets_access_tokens_without_the_password() {
    let registry = Registry::start().await;
    let credentials = basic("admin", PASSWORD);
    let answer = registry.get("service=registry.test&offline_token=true", Some(&credentials)).await;
    let refresh_token = answer.text("refresh_token").to_owned();
    assert_eq!(answer.claims()["access"], json!([]));

    let form = [
        ("grant_type", "refresh_token"),
        ("service", SERVICE),
        ("client_id", "containerd-client"),
        ("scope", "repository:a:pull"),
        ("refresh_token", &refresh_token),
    ];
    let answer = registry.post("/oauth2/token", &form).await;
    assert_eq!(answer.status, StatusCode::OK);
    let caller = registry.bearer(answer.text("access_token")).await.unwrap();
    assert!(caller.may(Action::ContentRead, &name("a")));

    assert!(matches!(registry.bearer(&refresh_token).await, Err(AuthError::InvalidToken(_))));
    let as_password = basic("00000000-0000-0000-0000-000000000000", &refresh_token);
    assert_eq!(registry.caller(&as_password).await.unwrap().name(), "admin");
    assert!(registry.caller(&basic("admin", &refresh_token)).await.is_err());
}

#[tokio::test]
async fn containerd_and_azure_get_a_token_by_the_password_grant() {
    let registry = Registry::start().await;
    let form = [
        ("grant_type", "password"),
        ("service", SERVICE),
        ("username", "admin"),
        ("password", PASSWORD),
        ("scope", "repository:samples/artifact:metadata_read"),
        ("access_type", "offline"),
    ];
    let answer = registry.post("/oauth2/token", &form).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.claims()["access"][0]["actions"], json!(["metadata_read"]));
    assert!(answer.text("refresh_token").split('.').count() < 3);
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_itself() {
    let registry = Registry::start().await;
    let answer = registry.get("offline_token=true", Some(&basic("admin", PASSWORD))).await;
    let refresh_token = answer.text("refresh_token");
    let form =
        [("grant_type", "refresh_token"), ("service", SERVICE), ("refresh_token", refresh_token)];
    let answer = registry.post("/oauth2/exchange", &form).await;
    assert_eq!((answer.status, answer.text("refresh_token")), (StatusCode::OK, refresh_token));

    let form = [("grant_type", "refresh_token"), ("refresh_token", "orlop_rt_of_somebody_else")];
    assert_eq!(registry.post("/oauth2/exchange", &form).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_for_very_many_repositories_is_still_good() {
    let registry = Registry::start().await;
    let scopes = (10..110).map(|n| format!("repository:{}{n}:*", "a".repeat(250)));
    let scopes: Vec<_> = scopes.collect();
    let form = [
        ("grant_type", "password"),
        ("service", SERVICE),
        ("username", "admin"),
        ("password", PASSWORD),
        ("scope", &scopes.join(" ")),
    ];
    let answer = registry.post("/oauth2/token", &form).await;
    let caller = registry.bearer(answer.text("token")).await.unwrap();
    let first = name(scopes[0].split(':').nth(1).unwrap());
    assert!(caller.may(Action::ContentWrite, &first));
}

#[tokio::test]
async fn wrong_credentials_are_401_on_every_way_in() {
    let registry = Registry::start().await;
    for (user, password) in [("admin", "wrong"), ("nobody", PASSWORD), ("admin", ""), ("", "")] {
        let answer = registry.get("service=registry.test", Some(&basic(user, password))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{user}");
        assert_eq!(answer.body["errors"][0]["code"], "UNAUTHORIZED");
        let form = [("grant_type", "password"), ("username", user), ("password", password)];
        let answer = registry.post("/oauth2/token", &form).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{user}");
        assert!(registry.caller(&basic(user, password)).await.is_err());
    }
    for authorization in ["Basic", "Basic ***", "Digest x", "Bearer", "Bearer x.y.z"] {
        assert!(registry.caller(authorization).await.is_err(), "{authorization}");
    }
}

#[tokio::test]
async fn a_form_that_asks_for_something_else_is_400() {
    let registry = Registry::start().await;
    for form in
        [&[("grant_type", "client_credentials")][..], &[("grant_type", "refresh_token")], &[]]
    {
        let answer = registry.post("/oauth2/token", form).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{form:?}");
    }
}

#[tokio::test]
async fn nobody_gets_a_token_without_credentials_unless_something_is_public() {
    let registry = Registry::start().await;
    let answer = registry.get("scope=repository:public/app:pull", None).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let caller = registry.auth.authenticate(None, REMOTE, SERVICE).await.unwrap();
    assert!(caller.is_anonymous());
    assert!(caller.readable().is_empty());
}

#[tokio::test]
async fn anybody_pulls_from_public_repositories_and_no_more() {
    let settings =
        AuthSettings { anonymous_pull: vec!["public/*".into()], ..AuthSettings::default() };
    let registry = Registry::start_with(settings).await;
    let query = "service=registry.test&scope=repository:public/app:pull,push\
                 &scope=repository:private:pull";
    let answer = registry.get(query, None).await;
    assert_eq!(
        answer.claims()["access"],
        json!([{"type": "repository", "name": "public/app", "actions": ["pull"]}])
    );
    // Azure's SDK asks so.
    let form =
        [("grant_type", "password"), ("service", SERVICE), ("scope", "repository:public/app:pull")];
    assert_eq!(registry.post("/oauth2/token", &form).await.status, StatusCode::OK);

    let caller = registry.bearer(answer.text("token")).await.unwrap();
    assert!(caller.is_anonymous());
    for caller in [caller, registry.auth.authenticate(None, REMOTE, SERVICE).await.unwrap()] {
        assert!(caller.may(Action::ContentRead, &name("public/app")));
        assert!(!caller.may(Action::ContentWrite, &name("public/app")));
        assert!(!caller.may(Action::ContentRead, &name("private")));
    }
    assert!(registry.caller(&basic("anonymous", "")).await.is_err());
}

#[tokio::test]
async fn a_token_is_for_one_service() {
    let registry = Registry::start().await;
    let answer = registry.get("service=another.test", Some(&basic("admin", PASSWORD))).await;
    let token = answer.text("token");
    assert!(matches!(registry.bearer(token).await, Err(AuthError::InvalidToken(_))));
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    assert!(registry.auth.authenticate(Some(&value), REMOTE, "another.test").await.is_ok());
    // Remembering the token must not remember it for this one.
    assert!(matches!(registry.bearer(token).await, Err(AuthError::InvalidToken(_))));
}

#[tokio::test]
async fn a_new_password_ends_the_old_one_and_its_refresh_tokens() {
    let registry = Registry::start().await;
    let answer = registry.get("offline_token=true", Some(&basic("admin", PASSWORD))).await;
    let refresh_token = answer.text("refresh_token").to_owned();
    registry.execute("DELETE FROM credentials").await;
    assert!(registry.caller(&basic("admin", PASSWORD)).await.is_err());
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
    assert_eq!(registry.post("/oauth2/token", &form).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_a_catalog_token_lists_follows_the_roles_of_the_moment() {
    let registry = Registry::start().await;
    let query = "service=registry.test&scope=registry:catalog:*";
    let answer = registry.get(query, Some(&basic("admin", PASSWORD))).await;
    let token = answer.text("token");
    let patterns = |caller: Caller| -> Vec<String> {
        caller.readable().iter().map(ToString::to_string).collect()
    };
    assert_eq!(patterns(registry.bearer(token).await.unwrap()), ["*"]);
    registry.execute("UPDATE role_assignments SET pattern = 'team/*'").await;
    assert_eq!(patterns(registry.bearer(token).await.unwrap()), ["team/*"]);
    registry.execute("DELETE FROM role_assignments").await;
    let caller = registry.bearer(token).await.unwrap();
    assert!(!caller.may_in_registry(RegistryAction::CatalogRead));
}

#[tokio::test]
async fn a_restart_keeps_tokens_good_and_the_public_key_verifies_them() {
    let registry = Registry::start().await;
    let query = "service=registry.test&scope=repository:a:pull";
    let answer = registry.get(query, Some(&basic("admin", PASSWORD))).await;
    let token = answer.text("token");

    let request = Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap();
    let keys = registry.send(request).await.body;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert_eq!(keys["keys"][0].get("d"), None);
    let key: jsonwebtoken::jwk::Jwk = serde_json::from_value(keys["keys"][0].clone()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&[SERVICE]);
    let decoding = jsonwebtoken::DecodingKey::from_jwk(&key).unwrap();
    assert!(jsonwebtoken::decode::<Value>(token, &decoding, &validation).is_ok());

    let again = Auth::open(registry.database.clone(), &AuthSettings::default()).await.unwrap();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    let caller = again.authenticate(Some(&value), REMOTE, SERVICE).await.unwrap();
    assert!(caller.may(Action::ContentRead, &name("a")));
}
