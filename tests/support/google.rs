//! What Google Cloud Storage is to our client: requests of its XML API.
//!
//! No emulator takes the multipart uploads of that API. But they are those of S3, as are its other
//! requests, but for how they are signed: so here a proxy on loopback signs them anew for a real S3
//! server. What it cannot show is that Google answers as S3 does, and signed links.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::S3;

pub struct Google {
    pub s3: S3,
    endpoint: String,
    /// Ends the proxy.
    _stop: DropGuard,
}

/// More than any part that a test sends.
const MAX_BODY_BYTES: usize = 64 << 20;

/// Headers of a request that are passed on.
const PASSED_ON: [header::HeaderName; 2] = [header::RANGE, header::CONTENT_TYPE];

struct Signer {
    /// Of the S3 server.
    endpoint: String,
    client: reqwest::Client,
}

impl Google {
    /// None if the S3 server could not be set up here; then the test ends early, and that is told.
    pub async fn start() -> Option<Self> {
        let s3 = S3::start().await?;
        let signer = Signer { endpoint: s3.endpoint().to_owned(), client: reqwest::Client::new() };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("the port is known"));
        let router = Router::new().fallback(forward).with_state(Arc::new(signer));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        // On a thread of its own, so that it goes on while a test waits for a program.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("there is a runtime").block_on(async move {
                listener.set_nonblocking(true).expect("the listener can be set up");
                let listener = tokio::net::TcpListener::from_std(listener).expect("it listens");
                tokio::select! {
                    served = axum::serve(listener, router) => served.expect("the proxy serves"),
                    () = stopped => {}
                }
            });
        });
        Some(Self { s3, endpoint, _stop: stop.drop_guard() })
    }

    /// What a server's environment must hold to keep its blobs here.
    pub fn environment(&self) -> Vec<(String, String)> {
        let url = &self.s3.environment()[0].1;
        let account =
            r#"{"client_email":"a","private_key":"b","private_key_id":"c","disable_oauth":true}"#;
        let variables = [
            ("ORLOP__STORAGE__URL", &*url.replace("s3://", "gs://")),
            ("ORLOP__STORAGE__ENDPOINT", &self.endpoint),
            ("GOOGLE_SERVICE_ACCOUNT_KEY", account),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

async fn forward(State(signer): State<Arc<Signer>>, request: Request) -> Response {
    match signer.forward(request).await {
        Ok(answer) => answer,
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:?}")).into_response(),
    }
}

impl Signer {
    async fn forward(
        &self,
        request: Request,
    ) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
        let (parts, body) = request.into_parts();
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let query: Vec<(String, String)> = query.into_owned().collect();
        // The bucket is the first part of the path.
        let path = parts.uri.path().trim_start_matches('/');
        let (bucket, path) = path.split_once('/').unwrap_or((path, ""));
        let path = Path::from_url_path(path)?;
        let options = SignedUrlOptions::default().with_query(query);
        let lifetime = Duration::from_secs(60);
        let s3 = S3::client(&self.endpoint, bucket);
        let url = s3.signed_url_opts(parts.method.clone(), &path, lifetime, &options).await?;
        let mut sent = self.client.request(parts.method, url);
        for name in PASSED_ON {
            if let Some(value) = parts.headers.get(&name) {
                sent = sent.header(name, value);
            }
        }
        let answer = sent.body(to_bytes(body, MAX_BODY_BYTES).await?).send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.headers_mut().remove(header::TRANSFER_ENCODING);
        Ok(response)
    }
}
