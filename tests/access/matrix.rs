//! Every route and method of every API × every role × own and foreign repositories × ways to sign
//! in, from the tables that the server itself goes by.

use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use orlop::auth::{Action, RegistryAction, Role};
use orlop::http::management;
use orlop::http::need::Need;
use orlop::http::route::{NEEDS, RouteKind};
use orlop::settings::AuthSettings;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Answer, PASSWORD, Registry, SERVICE, basic};

const OWN: &str = "own/app";
const FOREIGN: &str = "foreign/app";
const PUBLIC: &str = "public/app";
pub const REPOSITORIES: [&str; 3] = [OWN, FOREIGN, PUBLIC];
pub const BLOB: &[u8] = b"{}";

/// Somebody who asks, and the role they have in `own/*`.
pub struct Who {
    pub name: &'static str,
    pub authorization: Option<String>,
    pub role: Option<Role>,
    pub is_signed_in: bool,
    /// By password rather than by a token.
    in_person: bool,
}

/// Somebody who never asks, and a name that nobody has.
pub const OTHER: &str = "somebody-else";
pub const ABSENT: &str = "nobody-at-all";

/// One request, and what it needs.
struct Case {
    method: Method,
    path: String,
    need: Need,
    /// The repository or user that the path is about, if it is about one.
    about: String,
    is_acr: bool,
}

impl Who {
    pub fn may(&self, need: Need, about: &str, path: &str) -> bool {
        let actions = self.role.map(Role::actions);
        match need {
            Need::SignedIn => self.is_signed_in,
            Need::UserOrAdmin => self.in_person && about == self.name,
            Need::InRegistry(RegistryAction::Admin) => false,
            // Something is public, so everybody may ask what there is. Clients that would sign in
            // if they were told to get there with a token only.
            Need::InRegistry(RegistryAction::CatalogRead) if self.authorization.is_none() => {
                path.starts_with("/api/")
            }
            Need::InRegistry(RegistryAction::CatalogRead) => {
                !self.is_signed_in || actions.is_some_and(|a| a.contains(Action::MetadataRead))
            }
            Need::EitherInRepository(one, other) => [one, other]
                .into_iter()
                .any(|action| self.may(Need::InRepository(action), about, path)),
            Need::InRepository(action) if about == PUBLIC => {
                !self.is_signed_in && Role::AcrPull.actions().contains(action)
            }
            Need::InRepository(action) => {
                about == OWN && actions.is_some_and(|actions| actions.contains(action))
            }
        }
    }
}

pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

pub fn manifest() -> Vec<u8> {
    let config = json!({
        "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(BLOB), "size": BLOB.len()
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [],
    });
    manifest.to_string().into_bytes()
}

/// Paths of a route that name content which is there once it was pushed.
fn paths(kind: RouteKind, repository: &str) -> Vec<String> {
    let blob = digest(BLOB);
    let image = digest(&manifest());
    let absent = digest(b"absent");
    match kind {
        RouteKind::Base => vec!["/v2/".into()],
        RouteKind::Catalog => vec!["/v2/_catalog".into()],
        RouteKind::Tags => vec![format!("/v2/{repository}/tags/list")],
        RouteKind::Manifest => ["1.0", "absent", &image, &absent]
            .map(|reference| format!("/v2/{repository}/manifests/{reference}"))
            .into(),
        RouteKind::Blob => {
            [blob, absent].map(|digest| format!("/v2/{repository}/blobs/{digest}")).into()
        }
        RouteKind::Uploads => vec![format!("/v2/{repository}/blobs/uploads/")],
        RouteKind::Upload => {
            vec![format!("/v2/{repository}/blobs/uploads/{}", uuid::Uuid::nil())]
        }
        RouteKind::Referrers => vec![format!("/v2/{repository}/referrers/{image}")],
        RouteKind::AcrCatalog => vec!["/acr/v1/_catalog".into()],
        RouteKind::AcrRepository => vec![format!("/acr/v1/{repository}")],
        RouteKind::AcrTags => vec![format!("/acr/v1/{repository}/_tags")],
        RouteKind::AcrTag => {
            ["1.0", "absent"].map(|tag| format!("/acr/v1/{repository}/_tags/{tag}")).into()
        }
        RouteKind::AcrManifests => vec![format!("/acr/v1/{repository}/_manifests")],
        RouteKind::AcrManifest => {
            [image, absent].map(|digest| format!("/acr/v1/{repository}/_manifests/{digest}")).into()
        }
        RouteKind::DeletedCatalog => vec!["/acr/v1/_deleted/_catalog".into()],
        RouteKind::DeletedTags => vec![format!("/acr/v1/_deleted/{repository}/_tags")],
        RouteKind::DeletedManifests => vec![format!("/acr/v1/_deleted/{repository}/_manifests")],
        RouteKind::DeletedManifest => [image, absent]
            .map(|digest| format!("/acr/v1/_deleted/{repository}/_manifests/{digest}"))
            .into(),
    }
}

/// Paths of a route of the management API, each with what it is about.
fn management_paths(route: &str, who: &Who) -> Vec<(String, String)> {
    let image = digest(&manifest());
    let absent = digest(b"absent");
    let filled = |name: &str, values: &[&str], paths: Vec<(String, String)>| {
        let place = format!("{{{name}}}");
        if !route.contains(&place) {
            return paths;
        }
        let with = |(path, about): &(String, String), value: &str| {
            let is_subject = matches!(name, "repository" | "name");
            let about = if is_subject { value.to_owned() } else { about.clone() };
            (path.replace(&place, &value.replace('/', "%2F")), about)
        };
        paths.iter().flat_map(|path| values.iter().map(|value| with(path, value))).collect()
    };
    let mut paths = vec![(route.to_owned(), String::new())];
    paths = filled("repository", &REPOSITORIES, paths);
    paths = filled("tag", &["1.0", "absent"], paths);
    paths = filled("reference", &["1.0", "absent", &image, &absent], paths);
    paths = filled("name", &[who.name, OTHER, ABSENT], paths);
    paths = filled("id", &["x"], paths);
    filled("secret", &["x"], paths)
}

fn cases(who: &Who) -> Vec<Case> {
    let mut cases = Vec::new();
    for (method, kind, need) in NEEDS {
        for repository in REPOSITORIES {
            cases.extend(paths(*kind, repository).into_iter().map(|path| Case {
                method: method.clone(),
                path,
                need: *need,
                about: repository.to_owned(),
                is_acr: kind.is_acr(),
            }));
        }
    }
    for (method, route, need) in management::TABLES.into_iter().flatten() {
        cases.extend(management_paths(route, who).into_iter().map(|(path, about)| Case {
            method: method.clone(),
            path,
            need: *need,
            about,
            is_acr: false,
        }));
    }
    cases
}

pub async fn push(registry: &Registry, repository: &str) {
    let admin = basic("admin", PASSWORD);
    let send = async |method: Method, path: String, kind: &str, body: Vec<u8>| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, SERVICE)
            .header(header::AUTHORIZATION, &admin)
            .header(header::CONTENT_TYPE, kind)
            .header(header::CONTENT_LENGTH, body.len())
            .body(Body::from(body));
        let answer = registry.send(request.unwrap()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    };
    let path = format!("/v2/{repository}/blobs/uploads/?digest={}", digest(BLOB));
    send(Method::POST, path, "application/octet-stream", BLOB.into()).await;
    let path = format!("/v2/{repository}/manifests/1.0");
    send(Method::PUT, path, "application/vnd.oci.image.manifest.v1+json", manifest()).await;
}

async fn ask(registry: &Registry, who: &Who, method: &Method, path: &str) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, SERVICE)
        .header(header::CONTENT_LENGTH, 0);
    if let Some(authorization) = &who.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    registry.send(request.body(Body::empty()).unwrap()).await
}

/// Everybody, with Basic credentials and with a token for all that they may have.
pub async fn everybody(registry: &Registry) -> Vec<Who> {
    let mut found = Vec::new();
    let roles = Role::ALL.map(Some).into_iter().chain([None]);
    for role in roles {
        let user = role.map_or("nobody-special", Role::as_str);
        registry.admin(Method::POST, "users", json!({"name": user, "password": PASSWORD})).await;
        if let Some(role) = role {
            registry.assign(user, role.as_str(), "own/*").await;
        }
        let password = basic(user, PASSWORD);
        let token = token(registry, Some(&password)).await;
        for (authorization, in_person) in [(password, true), (token, false)] {
            let authorization = Some(authorization);
            found.push(Who { name: user, authorization, role, is_signed_in: true, in_person });
        }
    }
    let token = token(registry, None).await;
    for authorization in [None, Some(token)] {
        let (name, in_person) = ("anonymous", false);
        found.push(Who { name, authorization, role: None, is_signed_in: false, in_person });
    }
    found
}

async fn token(registry: &Registry, authorization: Option<&str>) -> String {
    let scopes = REPOSITORIES.map(|name| format!("&scope=repository:{name}:*")).concat();
    let query = format!("service={SERVICE}&scope=registry:catalog:*{scopes}");
    format!("Bearer {}", registry.get(&query, authorization).await.text("token"))
}

#[tokio::test]
async fn each_route_serves_whom_the_table_says_and_tells_others_nothing() {
    let settings =
        AuthSettings { anonymous_pull: vec!["public/*".into()], ..AuthSettings::default() };
    let registry = Registry::start_with(settings).await;
    let everybody = everybody(&registry).await;
    let mut refused_of_nothing = Vec::new();
    for who in &everybody {
        refused_of_nothing.push(walk(&registry, who).await);
    }
    // What is refused may not tell that it is there now.
    let body = json!({"name": OTHER, "password": PASSWORD});
    registry.admin(Method::POST, "users", body).await;
    for (who, refused_of_nothing) in everybody.iter().zip(refused_of_nothing) {
        for repository in REPOSITORIES {
            push(&registry, repository).await;
        }
        let refused = walk(&registry, who).await;
        assert_eq!(refused, refused_of_nothing, "refusals must not depend on what is there");
    }
}

/// Asks everything, and answers the refusals. Nothing has a body, so users stay as they are.
async fn walk(registry: &Registry, who: &Who) -> Vec<(String, StatusCode, HeaderMap, Value)> {
    let mut refused = Vec::new();
    for Case { method, path, need, about, is_acr } in cases(who) {
        // Azure's clients take 401 for every missing right.
        let refusal = if who.is_signed_in && !is_acr {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::UNAUTHORIZED
        };
        let case = format!("{method} {path} as {:?}", who.role);
        let answer = ask(registry, who, &method, &path).await;
        let is_refused = answer.status == refusal;
        let may = who.may(need, &about, &path);
        assert_eq!(is_refused, !may, "{case}: {} {}", answer.status, answer.body);
        if is_refused {
            refused.push((case, answer.status, answer.headers, answer.body));
        }
    }
    refused
}

/// What the walk takes for granted, said a second time: the table itself is not wrong.
#[test]
fn nothing_is_changed_or_deleted_by_a_right_to_less() {
    for (method, kind, need) in NEEDS {
        let enough: &[Action] = match need {
            Need::InRepository(action) => &[*action],
            Need::EitherInRepository(one, two) => &[*one, *two],
            Need::SignedIn | Need::InRegistry(_) | Need::UserOrAdmin => &[],
        };
        let is_read = |action: &Action| Role::Reader.actions().contains(*action);
        if method.is_safe() {
            continue;
        }
        let case = format!("{method} {kind:?} needs {need:?}");
        assert!(!enough.is_empty() && !enough.iter().any(is_read), "{case}");
        if *method == Method::DELETE && *kind != RouteKind::Upload {
            assert!(!enough.contains(&Action::ContentWrite), "{case}");
        }
    }
    for (method, path, need) in orlop::http::access::NEEDS {
        let is_open = *need == Need::SignedIn;
        assert!(method.is_safe() || !is_open, "{method} {path}");
    }
}
