//! A registry's access control on a router without a network and a database of each test's own.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use orlop::auth::{Auth, AuthError, Caller};
use orlop::http::App;
use orlop::metadata::Database;
use orlop::oci::RepositoryName;
use orlop::settings::{AuthSettings, Settings, StorageSettings};
use orlop::storage::BlobStore;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::support::TestDatabase;

pub const SERVICE: &str = "registry.test";
pub const PASSWORD: &str = "correct horse";
/// Between two looks at a condition.
pub const POLL: Duration = Duration::from_millis(20);
pub const REMOTE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub struct Registry {
    pub auth: Auth,
    pub router: Router,
    pub database: Database,
    _folder: TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Registry {
    pub async fn start() -> Self {
        // Issuers of the tests are on this machine.
        let private_issuers = vec!["127.0.0.0/8".parse().unwrap()];
        Self::start_with(AuthSettings { private_issuers, ..AuthSettings::default() }).await
    }

    pub async fn start_with(settings: AuthSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rows = TestDatabase::new(folder.path()).await;
        let database = Database::open(rows.url(), 4).await.unwrap();
        let settings = Settings { auth: settings, ..Settings::default() };
        let auth = Auth::open(database.clone(), &settings.auth).await.unwrap();
        auth.bootstrap(Some(PASSWORD.into())).await.unwrap().unwrap();
        let place =
            StorageSettings { data_dir: folder.path().join("blobs"), ..StorageSettings::default() };
        let store = BlobStore::open(&place).await.unwrap();
        let content = orlop::registry::Registry::new(database.clone(), store, &settings);
        let app = App { registry: content, auth: auth.clone(), settings: Arc::new(settings) };
        let router = orlop::http::router(app);
        Self { auth, router, database, _folder: folder }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    pub async fn get(&self, query: &str, authorization: Option<&str>) -> Answer {
        let mut request =
            Request::get(format!("/oauth2/token?{query}")).header(header::HOST, SERVICE);
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body = serde_urlencoded(form);
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body));
        self.send(request.unwrap()).await
    }

    /// A request to the management API.
    pub async fn api(
        &self,
        method: Method,
        path: &str,
        authorization: &str,
        body: Value,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/v1/{path}"));
        if !authorization.is_empty() {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let body = match body {
            Value::Null => Body::empty(),
            body => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
        };
        self.send(request.body(body).unwrap()).await
    }

    /// As [`Registry::api`] by the admin, who must succeed.
    pub async fn admin(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.api(method, path, &basic("admin", PASSWORD), body).await;
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.body);
        answer.body
    }

    /// Adds a user with [`PASSWORD`] and a role.
    pub async fn add_user(&self, name: &str, role: &str, repositories: &str) {
        let user = json!({"name": name, "password": PASSWORD});
        self.admin(Method::POST, "users", user).await;
        self.assign(name, role, repositories).await;
    }

    pub async fn assign(&self, identity: &str, role: &str, repositories: &str) {
        let body = json!({"identity": identity, "role": role, "repositories": repositories});
        self.admin(Method::POST, "assignments", body).await;
    }

    pub async fn caller(&self, authorization: &str) -> Result<Caller, AuthError> {
        let value = HeaderValue::from_str(authorization).unwrap();
        self.auth.authenticate(Some(&value), REMOTE, SERVICE).await
    }

    pub async fn bearer(&self, token: &str) -> Result<Caller, AuthError> {
        self.caller(&format!("Bearer {token}")).await
    }

    pub async fn execute(&self, sql: &'static str) {
        let mut transaction = self.database.begin().await.unwrap();
        sqlx::query(sql).execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

impl Answer {
    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.body))
    }

    pub fn claims(&self) -> Value {
        let payload = self.text("access_token").split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }
}

fn serde_urlencoded(form: &[(&str, &str)]) -> String {
    let encode =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pairs: Vec<_> = form.iter().map(|(k, v)| format!("{}={}", encode(k), encode(v))).collect();
    pairs.join("&")
}

pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

pub fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}
