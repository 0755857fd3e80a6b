//! A registry without a network, on a database of a size.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, header};
use http_body_util::BodyExt as _;
use orlop::auth::Auth;
use orlop::http::App;
use orlop::metadata::Database;
use orlop::settings::{Settings, StorageSettings};
use orlop::storage::BlobStore;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::fill::{Size, fill};

const PASSWORD: &str = "a-password-for-the-benchmark";

pub struct Registry {
    pub database: Database,
    router: Router,
    authorization: String,
    _folder: TempDir,
}

impl Registry {
    /// On the database at `url`, which is empty; on an SQLite file if there is none.
    pub async fn new(url: Option<String>, size: Size) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let url = url.unwrap_or_else(|| Database::sqlite_url(&folder.path().join("orlop.db")));
        let database = Database::open(&url, 4).await.expect("the database is there");
        let settings = Settings::default();
        let auth = Auth::open(database.clone(), &settings.auth).await.expect("a key can be made");
        auth.bootstrap(Some(PASSWORD.into())).await.expect("there is no user yet");
        fill(&database, size).await;
        let place =
            StorageSettings { data_dir: folder.path().join("blobs"), ..StorageSettings::default() };
        let store = BlobStore::open(&place).await.expect("a folder can be made");
        let registry = orlop::registry::Registry::new(database.clone(), store, &settings);
        let app = App { registry, auth, settings: Arc::new(settings) };
        let password = STANDARD.encode(format!("admin:{PASSWORD}"));
        let authorization = format!("Basic {password}");
        Self { database, router: orlop::http::router(app), authorization, _folder: folder }
    }

    /// What is at a path.
    pub async fn get(&self, path: &str) -> Value {
        let request = Request::get(path)
            .header(header::HOST, "registry.test")
            .header(header::AUTHORIZATION, &self.authorization)
            .body(Body::empty());
        let request = request.expect("a path");
        let response = self.router.clone().oneshot(request).await.expect("it always answers");
        let status = response.status();
        let body = response.into_body().collect().await.expect("the answer is whole").to_bytes();
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("the answer is JSON")
    }

    /// The texts of a row.
    pub async fn row(&self, sql: String) -> Vec<String> {
        use sqlx::Row as _;
        let mut connection = self.database.read().await.expect("the database is there");
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *connection).await;
        let row = row.expect("there is a row");
        (0..row.len()).map(|column| row.get(column)).collect()
    }
}
