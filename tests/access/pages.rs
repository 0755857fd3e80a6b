//! Every web page and form × everybody, from the table that the server itself goes by.

use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use orlop::http::need::Need;
use orlop::http::pages::{NEEDS, OPEN};
use orlop::settings::AuthSettings;
use serde_json::json;
use tower::ServiceExt as _;

use crate::harness::{PASSWORD, Registry, SERVICE, basic};
use crate::matrix::{ABSENT, BLOB, OTHER, REPOSITORIES, Who, digest, everybody, manifest, push};

struct Page {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Page {
    fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |value| value.to_str().unwrap())
    }

    fn is_refusal(&self, who: &Who) -> bool {
        if who.is_signed_in {
            self.status == StatusCode::FORBIDDEN
        } else {
            self.status == StatusCode::SEE_OTHER && self.location().starts_with("/sign-in")
        }
    }
}

async fn ask(
    registry: &Registry,
    authorization: Option<&str>,
    method: &Method,
    path: &str,
) -> Page {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, SERVICE)
        .header(header::ORIGIN, format!("http://{SERVICE}"));
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = registry.router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let is_endless = path.ends_with("events") && status.is_success();
    let bytes = match is_endless {
        true => Default::default(),
        false => response.into_body().collect().await.unwrap().to_bytes(),
    };
    Page { status, headers, text: String::from_utf8_lossy(&bytes).into_owned() }
}

/// The page with values in it that name what is there once it was pushed, and what never is.
fn paths(page: &str, about: &str) -> Vec<String> {
    let image = digest(&manifest());
    let fill = |tag: &str, reference: &str, blob: &str| {
        page.replace("{repository}", about)
            .replace("{tag}", tag)
            .replace("{reference}", reference)
            .replace("{digest}", blob)
            .replace("{name}", about)
            .replace("{id}", "none")
            .replace("{secret}", "none")
    };
    let absent = digest(b"absent");
    let mut paths = vec![
        fill("1.0", "1.0", &digest(BLOB)),
        fill("absent", &image, &absent),
        fill("absent", &absent, &absent),
    ];
    paths.dedup();
    paths
}

/// Asks everything, and answers the refusals. No form is filled in, so users stay as they are.
async fn walk(registry: &Registry, who: &Who) -> Vec<(String, StatusCode, String, String)> {
    let mut refused = Vec::new();
    for (method, page, need) in NEEDS {
        let users = [who.name, OTHER, ABSENT];
        let subjects: &[&str] = match page {
            _ if page.contains("{repository}") => &REPOSITORIES,
            _ if page.contains("{name}") => &users,
            _ => &["none"],
        };
        for about in subjects {
            for path in paths(page, about) {
                let case = format!("{method} {path} as {:?}", who.role);
                let answer = ask(registry, who.authorization.as_deref(), method, &path).await;
                let is_refused = answer.is_refusal(who);
                // A page asks nobody to sign in who may see something without, as this API.
                let may = who.may(*need, about, "/api/");
                assert_eq!(is_refused, !may, "{case}: {} {}", answer.status, answer.location());
                if is_refused {
                    let location = answer.location().to_owned();
                    refused.push((case, answer.status, location, answer.text));
                }
            }
        }
    }
    refused
}

#[tokio::test]
async fn each_page_is_shown_to_whom_the_table_says_and_tells_others_nothing() {
    let settings =
        AuthSettings { anonymous_pull: vec!["public/*".into()], ..AuthSettings::default() };
    let registry = Registry::start_with(settings).await;
    let everybody = everybody(&registry).await;
    let mut refused_of_nothing = Vec::new();
    for who in &everybody {
        refused_of_nothing.push(walk(&registry, who).await);
    }
    // What is refused may not tell that it is there now.
    registry.admin(Method::POST, "users", json!({"name": OTHER, "password": PASSWORD})).await;
    for (who, refused_of_nothing) in everybody.iter().zip(refused_of_nothing) {
        for repository in REPOSITORIES {
            push(&registry, repository).await;
        }
        let refused = walk(&registry, who).await;
        assert_eq!(refused, refused_of_nothing, "refusals must not depend on what is there");
    }
}

#[tokio::test]
async fn a_user_has_a_page_of_their_own_in_person_and_no_other() {
    let registry = Registry::start().await;
    for name in ["alice", "bob"] {
        registry.admin(Method::POST, "users", json!({"name": name, "password": PASSWORD})).await;
    }
    let in_person = basic("alice", PASSWORD);
    let label = json!({"label": "x"});
    let token = registry.api(Method::POST, "users/alice/tokens", &in_person, label).await;
    let token = basic("alice", token.body["secret"].as_str().unwrap());
    let status = async |authorization: &str, path: &str| {
        ask(&registry, Some(authorization), &Method::GET, path).await.status
    };
    assert_eq!(status(&in_person, "/users/alice").await, StatusCode::OK);
    assert_eq!(status(&in_person, "/users/bob").await, StatusCode::FORBIDDEN);
    assert_eq!(status(&token, "/users/alice").await, StatusCode::FORBIDDEN);
    assert_eq!(status(&basic("admin", PASSWORD), "/users/bob").await, StatusCode::OK);
}

#[test]
fn no_form_needs_a_right_to_less_than_to_change_something() {
    for (method, page, need) in NEEDS.iter().filter(|(method, ..)| !method.is_safe()) {
        // Checks the rights to both of its repositories itself.
        let is_promotion = *page == "/promote";
        let is_enough = match need {
            Need::UserOrAdmin => true,
            Need::SignedIn => is_promotion,
            Need::InRegistry(action) => *action == orlop::auth::RegistryAction::Admin,
            Need::InRepository(action) => !is_read(*action),
            Need::EitherInRepository(one, two) => !is_read(*one) && !is_read(*two),
        };
        assert!(is_enough, "{method} {page}");
    }
    assert!(OPEN.iter().all(|(_, page)| page.starts_with("/sign-")), "{OPEN:?}");
}

fn is_read(action: orlop::auth::Action) -> bool {
    orlop::auth::Role::Reader.actions().contains(action)
}
