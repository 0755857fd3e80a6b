//! Management of identities, credentials, roles and scope maps.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, StatusCode, header};
use orlop::auth::{Action, Auth, RegistryAction};
use orlop::http::access::NEEDS;
use orlop::http::need::Need;
use orlop::settings::AuthSettings;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, POLL, REMOTE, Registry, SERVICE, basic, name};

#[tokio::test]
async fn a_service_principal_signs_in_with_its_id_and_secret() {
    let registry = Registry::start().await;
    let body = json!({"displayName": "ci"});
    let principal = registry.admin(Method::POST, "principals", body).await;
    let id = principal["name"].as_str().unwrap();
    let secret = principal["secrets"][0]["secret"].as_str().unwrap();
    assert!(uuid::Uuid::try_parse(id).is_ok());
    registry.assign(id, "AcrPush", "team/*").await;

    let caller = registry.caller(&basic(id, secret)).await.unwrap();
    assert!(caller.may(Action::ContentWrite, &name("team/app")));
    assert!(!caller.may(Action::ContentWrite, &name("other/app")));
    assert!(!caller.may(Action::ContentDelete, &name("team/app")));
    assert!(registry.caller(&basic("admin", secret)).await.is_err());
    assert!(registry.caller(&basic(id, PASSWORD)).await.is_err());

    let shown = registry.admin(Method::GET, &format!("principals/{id}"), Value::Null).await;
    assert_eq!(shown["displayName"], "ci");
    assert_eq!(shown["secrets"][0].get("secret"), None);
}

#[tokio::test]
async fn secrets_rotate_without_a_gap() {
    let registry = Registry::start().await;
    let principal = registry.admin(Method::POST, "principals", json!({})).await;
    let id = principal["name"].as_str().unwrap();
    let old = &principal["secrets"][0];
    let path = format!("principals/{id}/secrets");
    let new = registry.admin(Method::POST, &path, json!({"expiresInSeconds": 3600})).await;
    assert!(new["expiryTime"].is_string());
    let third = registry.api(Method::POST, &path, &basic("admin", PASSWORD), json!({})).await;
    assert_eq!(third.status, StatusCode::CONFLICT);

    let old_secret = basic(id, old["secret"].as_str().unwrap());
    let new_secret = basic(id, new["secret"].as_str().unwrap());
    for secret in [&old_secret, &new_secret] {
        assert!(registry.caller(secret).await.is_ok());
    }
    let path = format!("principals/{id}/secrets/{}", old["id"].as_str().unwrap());
    registry.admin(Method::DELETE, &path, Value::Null).await;
    assert!(registry.caller(&old_secret).await.is_err());
    assert!(registry.caller(&new_secret).await.is_ok());
}

#[tokio::test]
async fn an_expired_secret_is_as_wrong_as_any_other_and_makes_room() {
    let registry = Registry::start().await;
    let body = json!({"secretExpiresInSeconds": 0});
    let principal = registry.admin(Method::POST, "principals", body).await;
    let id = principal["name"].as_str().unwrap();
    let secret = principal["secrets"][0]["secret"].as_str().unwrap();
    assert!(registry.caller(&basic(id, secret)).await.is_err());
    let path = format!("principals/{id}/secrets");
    for _ in 0..2 {
        registry.admin(Method::POST, &path, json!({})).await;
    }
}

#[tokio::test]
async fn a_personal_token_has_the_rights_of_its_user_or_less() {
    let registry = Registry::start().await;
    registry.add_user("alice", "AcrPush", "team/*").await;
    let alice = basic("alice", PASSWORD);
    let rules =
        json!([{"repositories": "team/app", "actions": ["content/read", "content/delete"]}]);
    let body = json!({"label": "laptop", "rules": rules});
    let answer = registry.api(Method::POST, "users/alice/tokens", &alice, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let token = basic("alice", answer.text("secret"));

    let caller = registry.caller(&token).await.unwrap();
    assert!(caller.may(Action::ContentRead, &name("team/app")));
    assert!(!caller.may(Action::ContentRead, &name("team/other")));
    assert!(!caller.may(Action::ContentWrite, &name("team/app")));
    assert!(!caller.may(Action::ContentDelete, &name("team/app")));

    // It makes no tokens, and does not change the password.
    let answer = registry.api(Method::POST, "users/alice/tokens", &token, json!({})).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let body = json!({"password": "another password"});
    let answer = registry.api(Method::PUT, "users/alice/password", &token, body).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);

    let path = format!("users/alice/tokens/{}", answer_id(&registry, &alice).await);
    registry.api(Method::DELETE, &path, &alice, Value::Null).await;
    assert!(registry.caller(&token).await.is_err());
}

async fn answer_id(registry: &Registry, authorization: &str) -> String {
    let answer = registry.api(Method::GET, "users/alice/tokens", authorization, Value::Null).await;
    answer.body["tokens"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_admin_makes_no_tokens_in_the_name_of_others() {
    let registry = Registry::start().await;
    registry.add_user("alice", "AcrPush", "team/*").await;
    let admin = basic("admin", PASSWORD);
    let answer = registry.api(Method::POST, "users/alice/tokens", &admin, json!({})).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_scope_map_gives_what_its_rules_say_within_the_assigned_pattern() {
    let registry = Registry::start().await;
    registry.admin(Method::POST, "users", json!({"name": "bob", "password": PASSWORD})).await;
    let rules = json!([
        {"repositories": "team/*", "actions": ["content/read"]},
        {"repositories": "tools", "actions": ["metadata/write"]},
    ]);
    registry.admin(Method::PUT, "scope-maps/reader", json!({"rules": rules})).await;
    let body = json!({"identity": "bob", "scopeMap": "reader", "repositories": "team/a/*"});
    let assignment = registry.admin(Method::POST, "assignments", body).await;

    let bob = basic("bob", PASSWORD);
    let caller = registry.caller(&bob).await.unwrap();
    assert!(caller.may(Action::ContentRead, &name("team/a/app")));
    assert!(!caller.may(Action::ContentRead, &name("team/b")));
    assert!(!caller.may(Action::MetadataWrite, &name("tools")));

    let answer = registry
        .api(Method::DELETE, "scope-maps/reader", &basic("admin", PASSWORD), Value::Null)
        .await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let path = format!("assignments/{}", assignment["id"].as_str().unwrap());
    registry.admin(Method::DELETE, &path, Value::Null).await;
    assert!(!registry.caller(&bob).await.unwrap().may(Action::ContentRead, &name("team/a/app")));
    registry.admin(Method::DELETE, "scope-maps/reader", Value::Null).await;
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once() {
    let registry = Registry::start().await;
    registry.add_user("alice", "Owner", "*").await;
    let alice = basic("alice", PASSWORD);
    assert!(registry.caller(&alice).await.is_ok());
    registry.admin(Method::PATCH, "users/alice", json!({"enabled": false})).await;
    assert!(registry.caller(&alice).await.is_err());
    registry.admin(Method::PATCH, "users/alice", json!({"enabled": true})).await;
    assert!(registry.caller(&alice).await.is_ok());
}

#[tokio::test]
async fn the_last_owner_stays() {
    let registry = Registry::start().await;
    let admin = basic("admin", PASSWORD);
    let assignments = registry.admin(Method::GET, "assignments", Value::Null).await;
    let id = assignments["assignments"][0]["id"].as_str().unwrap();
    let refused = [
        (Method::DELETE, "users/admin".to_owned(), Value::Null),
        (Method::PATCH, "users/admin".to_owned(), json!({"enabled": false})),
        (Method::DELETE, format!("assignments/{id}"), Value::Null),
    ];
    for (method, path, body) in refused {
        let answer = registry.api(method, &path, &admin, body).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{path}");
    }
    // Handed over, it may go.
    registry.add_user("alice", "Owner", "*").await;
    registry.admin(Method::DELETE, "users/admin", Value::Null).await;
    let alice = registry.caller(&basic("alice", PASSWORD)).await.unwrap();
    assert!(alice.may_in_registry(RegistryAction::Admin));
}

#[tokio::test]
async fn a_user_changes_the_own_password() {
    let registry = Registry::start().await;
    registry.add_user("alice", "AcrPull", "*").await;
    let alice = basic("alice", PASSWORD);
    let body = json!({"password": "battery staple"});
    let answer = registry.api(Method::PUT, "users/alice/password", &alice, body.clone()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(registry.caller(&alice).await.is_err());
    assert!(registry.caller(&basic("alice", "battery staple")).await.is_ok());
    let answer = registry
        .api(Method::PUT, "users/admin/password", &basic("alice", "battery staple"), body)
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_not_valid_is_told_and_changes_nothing() {
    let registry = Registry::start().await;
    let admin = basic("admin", PASSWORD);
    let rule = |pattern: &str, action: &str| json!({"repositories": pattern, "actions": [action]});
    let cases = [
        (Method::POST, "users", json!({"name": "a:b"}), 400),
        (Method::POST, "users", json!({"name": "bob", "password": "short"}), 400),
        (Method::POST, "users", json!({"name": "admin"}), 409),
        (Method::POST, "users", json!({"name": "bob", "displayName": "a\nb"}), 400),
        (Method::POST, "principals", json!({"displayName": "a".repeat(201)}), 400),
        (Method::POST, "users/admin/tokens", json!({"label": "a".repeat(201)}), 400),
        (Method::POST, "users", json!({"name": "bob", "shoe": 1}), 422),
        (Method::GET, "users/bob", Value::Null, 404),
        (Method::PUT, "scope-maps/x", json!({"rules": []}), 400),
        (Method::PUT, "scope-maps/x", json!({"rules": [rule("Team", "content/read")]}), 400),
        (Method::PUT, "scope-maps/x", json!({"rules": [rule("team", "pull")]}), 400),
        (Method::PUT, "scope-maps/Owner", json!({"rules": [rule("*", "content/read")]}), 400),
        (Method::POST, "assignments", json!({"role": "Owner", "repositories": "*"}), 400),
        (
            Method::POST,
            "assignments",
            json!({"identity": "bob", "role": "Owner", "repositories": "*"}),
            404,
        ),
        (
            Method::POST,
            "assignments",
            json!({"identity": "admin", "role": "King", "repositories": "*"}),
            400,
        ),
        (Method::DELETE, "assignments/x", Value::Null, 404),
    ];
    for (method, path, body, status) in cases {
        let answer = registry.api(method, path, &admin, body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {body}: {}", answer.body);
        assert!(answer.body["errors"][0]["message"].is_string(), "{path} {body}");
    }
    let events = registry.admin(Method::GET, "audit-events", Value::Null).await;
    assert_eq!(events["events"], json!([]));
}

#[tokio::test]
async fn every_change_leaves_an_event_without_secrets() {
    let registry = Registry::start().await;
    registry.add_user("alice", "AcrPull", "team/*").await;
    let principal = registry.admin(Method::POST, "principals", json!({"displayName": "ci"})).await;
    let answer = registry.admin(Method::GET, "audit-events", Value::Null).await;
    let events = answer["events"].as_array().unwrap();
    let actions: Vec<_> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["principal.create", "role.assign", "user.create"]);
    for event in events {
        assert_eq!(event["actor"], "admin");
        assert!(event["address"].is_string() && event["time"].is_string());
    }
    assert_eq!(events[1]["target"], "alice");
    assert_eq!(events[1]["detail"]["role"], "AcrPull");
    let secret = principal["secrets"][0]["secret"].as_str().unwrap();
    let text = answer.to_string();
    assert!(!text.contains(secret) && !text.contains(PASSWORD));
}

#[tokio::test]
async fn a_password_of_an_htpasswd_file_is_kept_as_an_own_one_after_the_sign_in() {
    let registry = Registry::start().await;
    // htpasswd -nbB carol "correct horse"
    let hash = bcrypt::hash(PASSWORD, 5).unwrap().replace("$2b$", "$2y$");
    let body = json!({"name": "carol", "passwordHash": hash});
    registry.admin(Method::POST, "users", body).await;
    let kept = async || {
        let mut connection = registry.database.read().await.unwrap();
        let row = sqlx::query("SELECT hash FROM credentials ORDER BY id DESC LIMIT 1")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        sqlx::Row::get::<String, _>(&row, "hash")
    };
    assert_eq!(kept().await, hash);
    assert!(registry.caller(&basic("carol", "wrong password")).await.is_err());
    assert_eq!(kept().await, hash);
    for _ in 0..2 {
        registry.caller(&basic("carol", PASSWORD)).await.unwrap();
        assert!(kept().await.starts_with("$argon2id$"));
    }
    // What other programs of htpasswd write is too weak.
    let body = json!({"name": "dave", "passwordHash": "$apr1$ajgtLYbS$uJfWnzOZvaOs1ujT.Y5Qf0"});
    let answer = registry.api(Method::POST, "users", &basic("admin", PASSWORD), body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn signing_keys_rotate_with_an_overlap_or_at_once() {
    let registry = Registry::start().await;
    let query = "service=registry.test&scope=repository:a:pull";
    let token = async || {
        let answer = registry.get(query, Some(&basic("admin", PASSWORD))).await;
        answer.text("token").to_owned()
    };
    let old = token().await;
    let keys = registry.admin(Method::POST, "signing-keys", json!({})).await;
    assert_eq!(keys["signingKeys"].as_array().unwrap().len(), 2);
    assert_eq!(keys["signingKeys"][0].get("retirementTime"), None);
    assert!(keys["signingKeys"][1]["retirementTime"].is_string());
    let new = token().await;
    assert_ne!(old.split('.').next(), new.split('.').next());
    for token in [&old, &new] {
        assert!(registry.bearer(token).await.is_ok());
    }
    let keys = registry.admin(Method::POST, "signing-keys", json!({"atOnce": true})).await;
    assert_eq!(keys["signingKeys"].as_array().unwrap().len(), 1);
    for token in [&old, &new] {
        assert!(registry.bearer(token).await.is_err());
    }
    assert!(registry.bearer(&token().await).await.is_ok());
}

#[tokio::test]
async fn a_replica_learns_of_a_new_signing_key_from_its_first_token() {
    let registry = Registry::start().await;
    let replica = Auth::open(registry.database.clone(), &AuthSettings::default()).await.unwrap();
    registry.admin(Method::POST, "signing-keys", json!({})).await;
    let answer = registry.get("service=registry.test", Some(&basic("admin", PASSWORD))).await;
    let value = HeaderValue::from_str(&format!("Bearer {}", answer.text("token"))).unwrap();
    // It asks the database again at most each second.
    let deadline = Instant::now() + Duration::from_secs(30);
    while replica.authenticate(Some(&value), REMOTE, SERVICE).await.is_err() {
        assert!(Instant::now() < deadline, "the new key never became known");
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn a_guesser_is_made_to_wait_and_the_owner_is_not() {
    let registry = Registry::start().await;
    registry.add_user("alice", "AcrPull", "*").await;
    let alice = basic("alice", PASSWORD);
    for _ in 0..5 {
        let answer = registry.get("", Some(&basic("alice", "a wrong guess"))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    for password in ["a wrong guess", PASSWORD] {
        let answer = registry.get("", Some(&basic("alice", password))).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(answer.headers.contains_key(header::RETRY_AFTER));
    }
    // From where the owner is, and for the others.
    let value = HeaderValue::from_str(&alice).unwrap();
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    assert!(registry.auth.authenticate(Some(&value), elsewhere, SERVICE).await.is_ok());
    assert!(registry.caller(&basic("admin", PASSWORD)).await.is_ok());
    // Who signed in a short while ago works on, even behind the same address as the guesser.
    assert_eq!(registry.get("", Some(&alice)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_name_that_is_not_there_is_guarded_as_one_that_is() {
    let registry = Registry::start().await;
    for _ in 0..5 {
        let answer = registry.get("", Some(&basic("nobody", "a wrong guess"))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let answer = registry.get("", Some(&basic("nobody", "a wrong guess"))).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn each_route_lets_in_only_whom_the_table_says() {
    let registry = Registry::start().await;
    registry.add_user("alice", "Owner", "team/*").await;
    registry.add_user("bob", "AcrPull", "*").await;
    for (method, route, needed) in NEEDS {
        for (authorization, user, is_signed_in, is_admin) in [
            (String::new(), "alice", false, false),
            (basic("alice", "wrong password"), "alice", false, false),
            (basic("bob", PASSWORD), "alice", true, false),
            (basic("alice", PASSWORD), "alice", true, false),
            // Somebody who is not there, as the admin's requests would change who is.
            (basic("admin", PASSWORD), "nobody", true, true),
        ] {
            let is_self = authorization == basic("alice", PASSWORD);
            let is_allowed = match needed {
                Need::SignedIn => is_signed_in,
                Need::UserOrAdmin => is_self || is_admin,
                Need::InRegistry(RegistryAction::Admin) => is_admin,
                other => panic!("{method} {route} is of access and needs {other:?}"),
            };
            let path = route.trim_start_matches("/api/v1/").replace("{name}", user);
            let path = path.replace("{id}", "x").replace("{secret}", "x");
            let answer = registry.api(method.clone(), &path, &authorization, Value::Null).await;
            let refusals = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
            let is_refused = refusals.contains(&answer.status);
            assert_eq!(is_refused, !is_allowed, "{method} {path} {authorization} {}", answer.body);
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {route}");
        }
    }
}
