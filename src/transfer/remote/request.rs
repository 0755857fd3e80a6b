//! One request: signed in when that is asked for, and tried again when trying may help.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::{Certificate, Client, Response};
use serde_json::Value;

use super::RemoteRegistry;
use super::challenge::Challenge;
use crate::transfer::TransferError;

/// Without an answer, or without a byte of one, for so long, a request has failed.
const SILENCE: Duration = Duration::from_secs(60);

/// How often a request is sent before its failure counts.
const ATTEMPTS: u32 = 6;

/// The longest wait between two of them, whatever the server asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Bytes of an error's answer that are read for its message.
const MAX_MESSAGE_BYTES: u64 = 64 << 10;

pub fn client(trusted: Option<Certificate>) -> Result<Client, TransferError> {
    let mut client = Client::builder()
        .user_agent(concat!("orlop/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(SILENCE);
    if let Some(certificate) = trusted {
        client = client.tls_certs_merge([certificate]);
    }
    Ok(client.build()?)
}

/// A request as it is to be sent, signed in or not.
pub struct Asked<'a> {
    method: Method,
    path: &'a str,
    scope: &'a str,
    headers: HeaderMap,
}

impl<'a> Asked<'a> {
    /// `scope` is what a token must be good for.
    pub fn new(method: Method, path: &'a str, scope: &'a str) -> Self {
        Self { method, path, scope, headers: HeaderMap::new() }
    }

    pub fn accept(mut self, types: HeaderValue) -> Self {
        self.headers.insert(header::ACCEPT, types);
        self
    }

    /// The bytes from `first` on.
    pub fn from(mut self, first: u64) -> Self {
        let range = HeaderValue::try_from(format!("bytes={first}-")).expect("digits are text");
        self.headers.insert(header::RANGE, range);
        self
    }
}

impl RemoteRegistry {
    /// The answer, which says success.
    ///
    /// # Errors
    /// [`TransferError::Missing`] for 404; others when trying again is of no use any more.
    pub(super) async fn send(&self, asked: &Asked<'_>) -> Result<Response, TransferError> {
        let mut attempt = 0;
        let mut has_signed_in = false;
        loop {
            attempt += 1;
            let answer = self.send_once(asked).await;
            let wait = match answer {
                Ok(answer) if answer.status().is_success() => return Ok(answer),
                Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED && !has_signed_in => {
                    has_signed_in = true;
                    self.sign_in(&Challenge::of(&answer)?, asked.scope).await?;
                    continue;
                }
                Ok(answer) if attempt < ATTEMPTS && is_passing(answer.status()) => {
                    wait_asked_for(&answer).unwrap_or_else(|| back_off(attempt))
                }
                Ok(answer) => return Err(refusal(answer).await),
                Err(error) if attempt < ATTEMPTS && !error.is_builder() => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "tried again");
                    back_off(attempt)
                }
                Err(error) => return Err(error.into()),
            };
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        }
    }

    async fn send_once(&self, asked: &Asked<'_>) -> reqwest::Result<Response> {
        let url = format!("{}{}", self.0.origin.as_str().trim_end_matches('/'), asked.path);
        let mut request = self.0.client.request(asked.method.clone(), url);
        request = request.headers(asked.headers.clone());
        if let Some(authorization) = self.authorization(asked.scope) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request.send().await
    }
}

/// Whether the same request may succeed a little later.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

fn wait_asked_for(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Doubles from a quarter of a second on, with a part that differs between requests.
fn back_off(attempt: u32) -> Duration {
    let millis = 250 << attempt.saturating_sub(1).min(8);
    Duration::from_millis(millis + rand::random_range(0..=millis / 2))
}

/// What a failed answer says.
async fn refusal(mut answer: Response) -> TransferError {
    let (url, status) = (answer.url().to_string(), answer.status());
    if status == StatusCode::NOT_FOUND {
        return TransferError::Missing(url);
    }
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = answer.chunk().await {
        body.extend_from_slice(&bytes);
        if body.len() as u64 > MAX_MESSAGE_BYTES {
            break;
        }
    }
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let error = &said["errors"][0];
    let message = error["message"].as_str().or(error["code"].as_str());
    let message = message.unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason"));
    TransferError::Refused { url, status: status.as_u16(), message: message.to_owned() }
}
