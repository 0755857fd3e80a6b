//! Sign-in by the ID tokens of a real OpenID provider.

use std::time::{Duration, Instant};

use axum::body::Body;
use http::{HeaderValue, Method, Request, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use orlop::auth::{Action, AuthError};
use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, POLL, Registry, SERVICE, basic, name};
use crate::support::oidc_provider::{AUDIENCE, CALLBACK, CLIENT_SECRET, OidcProvider, seconds};

const MAIN: &str = r#"repository == "org/app" && ref == "refs/heads/main""#;

/// A registry that trusts the provider, with no rules yet.
async fn start(provider: &OidcProvider) -> Registry {
    let registry = Registry::start().await;
    let issuer = json!({
        "name": "ci",
        "url": provider.issuer,
        "audience": AUDIENCE,
        "groupsClaim": "groups",
        "clientId": AUDIENCE,
        "clientSecret": CLIENT_SECRET,
    });
    registry.admin(Method::POST, "issuers", issuer).await;
    registry
}

async fn add_rule(registry: &Registry, condition: &str, role: &str, repositories: &str) {
    let rule = json!({"condition": condition, "role": role, "repositories": repositories});
    registry.admin(Method::POST, "issuers/ci/rules", rule).await;
}

fn on_main() -> Value {
    json!({"repository": "org/app", "ref": "refs/heads/main"})
}

async fn exchange(registry: &Registry, token: &str) -> Answer {
    let form = [("grant_type", "access_token"), ("service", SERVICE), ("access_token", token)];
    registry.post("/oauth2/exchange", &form).await
}

async fn refresh(registry: &Registry, refresh_token: &str, scope: &str) -> Answer {
    let form = [
        ("grant_type", "refresh_token"),
        ("service", SERVICE),
        ("scope", scope),
        ("refresh_token", refresh_token),
    ];
    registry.post("/oauth2/token", &form).await
}

#[tokio::test]
async fn a_ci_job_pushes_without_a_secret() {
    let Some(provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    add_rule(&registry, MAIN, "AcrPush", "org/app").await;
    let token = provider.id_token(on_main());

    // As the password of docker login and oras login, whatever the name.
    let caller = registry.caller(&basic("ci", &token)).await.unwrap();
    assert_eq!(caller.name(), "ci:repo:org/app:ref:refs/heads/main");
    assert!(caller.may(Action::ContentWrite, &name("org/app")));
    assert!(!caller.may(Action::ContentRead, &name("org/other")));

    // At the exchange, as Azure's clients and RFC 8693 ask it.
    let answer = exchange(&registry, &token).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let refreshed =
        refresh(&registry, answer.text("refresh_token"), "repository:org/app:pull,push").await;
    let access = json!([{"type": "repository", "name": "org/app", "actions": ["pull", "push"]}]);
    assert_eq!(refreshed.claims()["access"], access);
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("subject_token", &token),
    ];
    assert_eq!(registry.post("/oauth2/exchange", &form).await.status, StatusCode::OK);

    let query = "service=registry.test&scope=repository:org/app:pull,push";
    let issued = registry.get(query, Some(&basic("ci", &token))).await;
    let caller = registry.bearer(issued.text("token")).await.unwrap();
    assert!(caller.may(Action::ContentWrite, &name("org/app")));
    let could = registry.auth.could(&caller, Action::ContentDelete, &name("org/app")).await;
    assert!(!could.unwrap());
}

#[tokio::test]
async fn claims_that_no_rule_stands_for_sign_nobody_in() {
    let Some(provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    let token = provider.id_token(on_main());
    assert_eq!(exchange(&registry, &token).await.status, StatusCode::UNAUTHORIZED);
    add_rule(&registry, MAIN, "AcrPush", "org/app").await;
    for claims in [
        json!({"repository": "org/app", "ref": "refs/heads/other"}),
        json!({"repository": "evil/app", "ref": "refs/heads/main"}),
        json!({"ref": "refs/heads/main"}),
        json!({}),
    ] {
        let answer = exchange(&registry, &provider.id_token(claims.clone())).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{claims}");
    }
    assert_eq!(exchange(&registry, &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_rule_may_stand_for_a_service_principal() {
    let Some(provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    let principal = registry.admin(Method::POST, "principals", json!({})).await;
    let id = principal["name"].as_str().unwrap();
    registry.assign(id, "AcrPush", "team/*").await;
    let rule = json!({"condition": MAIN, "identity": id});
    registry.admin(Method::POST, "issuers/ci/rules", rule).await;

    let token = provider.id_token(on_main());
    let caller = registry.caller(&basic("any", &token)).await.unwrap();
    assert_eq!(caller.name(), id);
    assert!(caller.may(Action::ContentWrite, &name("team/app")));
    assert!(!caller.may(Action::ContentWrite, &name("org/app")));
    registry.admin(Method::PATCH, &format!("principals/{id}"), json!({"enabled": false})).await;
    assert!(registry.caller(&basic("any", &token)).await.is_err());
}

#[tokio::test]
async fn groups_of_an_issuer_get_roles() {
    let Some(provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    let body = json!({"group": "ci:developers", "role": "AcrPull", "repositories": "team/*"});
    registry.admin(Method::POST, "assignments", body).await;
    let token = provider.id_token(json!({"groups": ["developers", "others"]}));
    let caller = registry.caller(&basic("any", &token)).await.unwrap();
    assert!(caller.may(Action::ContentRead, &name("team/app")));
    let stranger = provider.id_token(json!({"sub": "stranger", "groups": ["others"]}));
    assert!(registry.caller(&basic("any", &stranger)).await.is_err());
}

#[tokio::test]
async fn tokens_that_are_not_for_here_are_refused() {
    let Some(provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    add_rule(&registry, MAIN, "AcrPush", "org/app").await;
    let with = |claim: &str, value: Value| {
        let mut claims = on_main();
        claims[claim] = value;
        provider.id_token(claims)
    };
    let (long_ago, soon) = (seconds() - 3600, seconds() + 3600);
    for (what, token) in [
        ("wrong issuer", with("iss", json!("https://token.actions.example.com"))),
        ("no issuer", with("iss", Value::Null)),
        ("issuer with a slash", with("iss", json!(format!("{}/", provider.issuer)))),
        ("wrong audience", with("aud", json!("https://another.example.com"))),
        ("no audience", with("aud", Value::Null)),
        ("expired", with("exp", json!(long_ago))),
        ("no expiry", with("exp", Value::Null)),
        ("not yet", with("nbf", json!(soon))),
        ("no subject", with("sub", Value::Null)),
        ("empty subject", with("sub", json!(""))),
        ("strange subject", with("sub", json!("a\nb"))),
    ] {
        let answer = exchange(&registry, &token).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}: {}", answer.body);
        assert!(registry.caller(&basic("any", &token)).await.is_err(), "{what}");
    }
    assert_eq!(exchange(&registry, &provider.id_token(on_main())).await.status, StatusCode::OK);
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let Some(provider) = OidcProvider::start().await else { return };
    let Some(other) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    add_rule(&registry, MAIN, "AcrPush", "org/app").await;
    let good = provider.id_token(on_main());
    let parts: Vec<_> = good.split('.').collect();

    let mut foreign = on_main();
    foreign["iss"] = json!(provider.issuer);
    let named = Header { kid: Some(provider.kid.clone()), ..Header::new(Algorithm::RS256) };
    let strange = Header { kid: Some("another".into()), ..Header::new(Algorithm::RS256) };
    let symmetric = Header { kid: Some(provider.kid.clone()), ..Header::new(Algorithm::HS256) };
    let secret = EncodingKey::from_secret(provider.key.as_bytes());
    let none = base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        json!({"alg": "none", "kid": provider.kid}).to_string(),
    );
    for (what, token) in [
        ("another's signature", other.sign(named, foreign.clone())),
        ("unknown kid", other.sign(strange, foreign)),
        (
            "the key as a secret",
            jsonwebtoken::encode(&symmetric, &provider.claims(on_main()), &secret).unwrap(),
        ),
        ("no signature", format!("{none}.{}.", parts[1])),
        ("cut signature", format!("{}.{}.{}", parts[0], parts[1], &parts[2][..40])),
        ("another's token", other.id_token(on_main())),
    ] {
        let answer = exchange(&registry, &token).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}: {}", answer.body);
    }
    assert_eq!(exchange(&registry, &good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_shown_again_after_its_time_is_refused() {
    let Some(provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    add_rule(&registry, MAIN, "AcrPush", "org/app").await;
    // Within the clocks' difference that is put up with, and so good for two more seconds.
    let mut claims = on_main();
    claims["exp"] = json!(seconds() - 28);
    let token = provider.id_token(claims);
    assert_eq!(exchange(&registry, &token).await.status, StatusCode::OK);
    let deadline = Instant::now() + Duration::from_secs(60);
    while exchange(&registry, &token).await.status == StatusCode::OK {
        assert!(Instant::now() < deadline, "the token is good for ever");
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn what_was_issued_ends_with_its_rule() {
    let Some(provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    add_rule(&registry, MAIN, "AcrPush", "org/app").await;
    let answer = exchange(&registry, &provider.id_token(on_main())).await;
    let refresh_token = answer.text("refresh_token");
    let scope = "repository:org/app:pull";
    assert_eq!(refresh(&registry, refresh_token, scope).await.status, StatusCode::OK);
    let issuer = registry.admin(Method::GET, "issuers/ci", Value::Null).await;
    let id = issuer["rules"][0]["id"].as_str().unwrap();
    registry.admin(Method::DELETE, &format!("issuers/ci/rules/{id}"), Value::Null).await;
    assert_eq!(refresh(&registry, refresh_token, scope).await.status, StatusCode::UNAUTHORIZED);
    registry.admin(Method::DELETE, "issuers/ci", Value::Null).await;
    assert_eq!(refresh(&registry, refresh_token, scope).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn new_keys_of_an_issuer_become_known_and_old_ones_end() {
    let Some(mut provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    add_rule(&registry, MAIN, "AcrPush", "org/app").await;
    let old = provider.id_token(on_main());
    assert_eq!(exchange(&registry, &old).await.status, StatusCode::OK);
    provider.rotate().await;
    let new = provider.id_token(on_main());
    // The issuer is asked again after a while, so that unknown keys are no way to burden it.
    let deadline = Instant::now() + Duration::from_secs(60);
    while exchange(&registry, &new).await.status != StatusCode::OK {
        assert!(Instant::now() < deadline, "the new key never became known");
        tokio::time::sleep(POLL).await;
    }
    assert_eq!(exchange(&registry, &old).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_issuer_that_is_away_is_told_and_its_known_keys_go_on() {
    let Some(mut provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    add_rule(&registry, MAIN, "AcrPush", "org/app").await;
    provider.set_down(true).await;
    let token = provider.id_token(on_main());
    let answer = exchange(&registry, &token).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    assert!(matches!(
        registry.caller(&basic("any", &token)).await,
        Err(AuthError::IssuerAway { .. })
    ));
    // Others sign in as ever.
    assert!(registry.caller(&basic("admin", PASSWORD)).await.is_ok());

    provider.set_down(false).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while exchange(&registry, &token).await.status != StatusCode::OK {
        assert!(Instant::now() < deadline, "the issuer was never asked again");
        tokio::time::sleep(POLL).await;
    }
    provider.set_down(true).await;
    let mut another = on_main();
    another["sub"] = json!("another");
    assert_eq!(exchange(&registry, &provider.id_token(another)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn issuers_and_rules_are_checked_before_they_are_kept() {
    let registry = Registry::start().await;
    let issuer = |url: &str| json!({"name": "x", "url": url, "audience": "orlop"});
    let admin = basic("admin", PASSWORD);
    for url in ["http://issuer.example.com", "ftp://x", ""] {
        let answer = registry.api(Method::POST, "issuers", &admin, issuer(url)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{url}");
    }
    let made = registry.admin(Method::POST, "issuers", issuer("https://issuer.example.com")).await;
    assert_eq!(made.get("clientSecret"), None);
    for rule in [
        json!({"condition": "repository", "role": "AcrPull", "repositories": "*"}),
        json!({"condition": MAIN, "role": "King", "repositories": "*"}),
        json!({"condition": MAIN, "role": "AcrPull"}),
        json!({"condition": MAIN}),
        json!({"condition": MAIN, "role": "AcrPull", "repositories": "*", "identity": "admin"}),
    ] {
        let answer = registry.api(Method::POST, "issuers/x/rules", &admin, rule.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{rule}");
    }
}

/// A browser that keeps the cookies of the provider and of the registry apart.
struct Browser<'a> {
    registry: &'a Registry,
    cookies: Vec<String>,
    client: reqwest::Client,
    provider_cookies: Vec<String>,
}

impl<'a> Browser<'a> {
    fn new(registry: &'a Registry) -> Self {
        let policy = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().redirect(policy).no_proxy().build().unwrap();
        Self { registry, cookies: Vec::new(), client, provider_cookies: Vec::new() }
    }

    /// A request to the registry with its cookies.
    async fn ask(&mut self, method: Method, path: &str, origin: Option<&str>) -> Answer {
        self.send(method, path, origin, Value::Null).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        origin: Option<&str>,
        body: Value,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, SERVICE)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, self.cookies.join("; "));
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let answer = self.registry.send(request.body(body).unwrap()).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
            self.cookies.push(cookie.split(';').next().unwrap().to_owned());
        }
        answer
    }

    /// Signs in at the provider as somebody, and answers the URL that it sends back to.
    async fn sign_in_at_provider(&mut self, location: &str, claims: &Value) -> String {
        let mut url = reqwest::Url::parse(location).unwrap();
        url.query_pairs_mut().append_pair("login_hint", &claims.to_string());
        for _ in 0..10 {
            let cookies = self.provider_cookies.join("; ");
            let request = self.client.get(url.clone()).header(header::COOKIE, cookies);
            let response = request.send().await.unwrap();
            for cookie in response.headers().get_all(header::SET_COOKIE) {
                let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
                let key = cookie.split('=').next().unwrap().to_owned();
                self.provider_cookies.retain(|kept| !kept.starts_with(&format!("{key}=")));
                self.provider_cookies.push(cookie);
            }
            let status = response.status();
            let location = response.headers().get(header::LOCATION).cloned();
            let Some(location) = location else {
                panic!("{status} at {url}: {}", response.text().await.unwrap())
            };
            url = url.join(location.to_str().unwrap()).unwrap();
            if url.as_str().starts_with(CALLBACK) {
                return format!("{}?{}", url.path(), url.query().unwrap());
            }
        }
        panic!("the provider sends around in circles");
    }
}

#[tokio::test]
async fn a_person_signs_in_with_a_browser() {
    let Some(provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    add_rule(&registry, r#"sub == "alice""#, "Owner", "*").await;
    let mut browser = Browser::new(&registry);
    let answer = browser.ask(Method::GET, "/oauth2/sign-in?issuer=ci&return_to=/x", None).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let location = answer.headers[header::LOCATION].to_str().unwrap();
    assert!(location.contains("code_challenge_method=S256"), "{location}");
    let callback = browser.sign_in_at_provider(location, &json!({"sub": "alice"})).await;

    // In another browser the link does nothing, and is not used up. Not even if that one left too.
    let mut another = Browser::new(&registry);
    for _ in 0..2 {
        let answer = another.ask(Method::GET, &callback, None).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        another.ask(Method::GET, "/oauth2/sign-in?issuer=ci", None).await;
    }
    // What it carries is no access token.
    let pending = browser.cookies[0].strip_prefix("orlop_sign_in=").unwrap();
    for service in [SERVICE, "orlop browser sign-in"] {
        let value = HeaderValue::from_str(&format!("Bearer {pending}")).unwrap();
        let remote = crate::harness::REMOTE;
        assert!(registry.auth.authenticate(Some(&value), remote, service).await.is_err());
    }

    let answer = browser.ask(Method::GET, &callback, None).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert_eq!(answer.headers[header::LOCATION], "/x");
    let me = browser.ask(Method::GET, "/api/v1/me", None).await;
    assert_eq!(me.body["name"], "ci:alice");
    assert_eq!(me.body["admin"], true);

    // Nor does it work twice.
    let answer = browser.ask(Method::GET, &callback, None).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);

    // Another site's page changes nothing with it.
    for origin in [None, Some("http://evil.test")] {
        let answer = browser.ask(Method::DELETE, "/api/v1/users/nobody", origin).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin:?}");
    }
    let own = Some("http://registry.test");
    let answer = browser.ask(Method::DELETE, "/api/v1/users/nobody", own).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);

    // A session is no password and no refresh token.
    let session = browser.cookies.iter().find_map(|c| c.strip_prefix("orlop_session=")).unwrap();
    assert!(registry.caller(&basic("ci:alice", session)).await.is_err());
    let null = "00000000-0000-0000-0000-000000000000";
    assert!(registry.caller(&basic(null, session)).await.is_err());

    let kept = browser.cookies.clone();
    let answer = browser.ask(Method::POST, "/oauth2/sign-out", own).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    browser.cookies = kept;
    let answer = browser.ask(Method::GET, "/api/v1/me", None).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_person_who_signed_in_with_a_browser_makes_a_token_for_clients() {
    let Some(provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    registry.add_user("alice", "AcrPush", "team/*").await;
    let rule = json!({"condition": r#"sub == "alice""#, "identity": "alice"});
    registry.admin(Method::POST, "issuers/ci/rules", rule).await;
    let mut browser = Browser::new(&registry);
    let answer = browser.ask(Method::GET, "/oauth2/sign-in?issuer=ci", None).await;
    let location = answer.headers[header::LOCATION].to_str().unwrap().to_owned();
    let callback = browser.sign_in_at_provider(&location, &json!({"sub": "alice"})).await;
    browser.ask(Method::GET, &callback, None).await;

    let own = Some("http://registry.test");
    let made = browser.send(Method::POST, "/api/v1/users/alice/tokens", own, json!({})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let caller = registry.caller(&basic("alice", made.text("secret"))).await.unwrap();
    assert!(caller.may(Action::ContentWrite, &name("team/app")));
    let made = browser.send(Method::POST, "/api/v1/users/admin/tokens", own, json!({})).await;
    assert_eq!(made.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_person_whom_no_rule_stands_for_gets_no_session() {
    let Some(provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    add_rule(&registry, r#"sub == "alice""#, "Owner", "*").await;
    let mut browser = Browser::new(&registry);
    let answer = browser.ask(Method::GET, "/oauth2/sign-in?issuer=ci", None).await;
    let location = answer.headers[header::LOCATION].to_str().unwrap().to_owned();
    let callback = browser.sign_in_at_provider(&location, &json!({"sub": "mallory"})).await;
    let answer = browser.ask(Method::GET, &callback, None).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(!browser.cookies.iter().any(|cookie| cookie.starts_with("orlop_session=")));
}

#[tokio::test]
async fn a_browser_is_sent_nowhere_but_to_known_issuers_and_back() {
    let Some(provider) = OidcProvider::start().await else { return };
    let registry = start(&provider).await;
    let mut browser = Browser::new(&registry);
    for query in ["issuer=another", "issuer=ci&return_to=//evil.test", "issuer=ci&return_to=x"] {
        let path = format!("/oauth2/sign-in?{query}");
        assert_eq!(browser.ask(Method::GET, &path, None).await.status, StatusCode::NOT_FOUND);
    }
    for query in ["", "?state=x&code=y", "?state=&code=", "?error=access_denied"] {
        let path = format!("/oauth2/callback{query}");
        let status = browser.ask(Method::GET, &path, None).await.status;
        assert!(status.is_client_error(), "{query}: {status}");
    }
}
