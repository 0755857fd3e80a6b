//! Requests as a test writes them: a thin layer over reqwest that knows the paths, the sign-in and the
//! usual ways to push. It returns whole answers; what they must be is the test's to say.

use std::path::Path;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::digest_of;

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    url: String,
    credentials: Credentials,
}

#[derive(Clone)]
enum Credentials {
    None,
    Basic { name: String, password: String },
    Bearer(String),
}

impl Http {
    /// A client of the server at `url`, trusting only the certificate in `trusted` if there is one.
    pub fn new(url: String, trusted: Option<&Path>) -> Self {
        let mut client = reqwest::Client::builder().no_proxy();
        if let Some(file) = trusted {
            let pem = std::fs::read(file).expect("cannot read the certificate");
            let certificate = reqwest::Certificate::from_pem(&pem).expect("the file is PEM");
            client = client.tls_certs_only([certificate]);
        }
        let client = client.build().expect("the options fit together");
        Self { client, url, credentials: Credentials::None }
    }

    /// The same client, sending Basic credentials with every request.
    pub fn signed_in_as(&self, name: &str, password: &str) -> Self {
        let credentials =
            Credentials::Basic { name: name.to_owned(), password: password.to_owned() };
        Self { credentials, ..self.clone() }
    }

    /// The same client, sending this bearer token with every request.
    pub fn with_token(&self, token: &str) -> Self {
        Self { credentials: Credentials::Bearer(token.to_owned()), ..self.clone() }
    }

    /// A request to a path of the server, or to a whole URL as a `Location` may hold one.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url =
            if path.starts_with('/') { format!("{}{path}", self.url) } else { path.to_owned() };
        let request = self.client.request(method, url);
        match &self.credentials {
            Credentials::None => request,
            Credentials::Basic { name, password } => request.basic_auth(name, Some(password)),
            Credentials::Bearer(token) => request.bearer_auth(token),
        }
    }

    pub async fn get(&self, path: &str) -> Response {
        send(self.request(Method::GET, path)).await
    }

    pub async fn head(&self, path: &str) -> Response {
        send(self.request(Method::HEAD, path)).await
    }

    pub async fn delete(&self, path: &str) -> Response {
        send(self.request(Method::DELETE, path)).await
    }

    /// The token that the server's own challenge leads to: asks `path` without credentials, reads the
    /// realm and service, and asks there for `scopes` with these credentials.
    pub async fn token(&self, path: &str, scopes: &[&str]) -> String {
        let refused = Self { credentials: Credentials::None, ..self.clone() }.get(path).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path} sends no challenge");
        let challenge = header(&refused, WWW_AUTHENTICATE.as_str());
        let realm = parameter(&challenge, "realm");
        let service = parameter(&challenge, "service");
        let mut query = vec![("service", service.as_str())];
        query.extend(scopes.iter().map(|scope| ("scope", *scope)));
        let answer = send(self.request(Method::GET, &realm).query(&query)).await;
        let body = json_of(expect(answer, StatusCode::OK).await).await;
        body["access_token"].as_str().expect("the answer holds access_token").to_owned()
    }

    /// Opens an upload session and returns its path.
    pub async fn start_upload(&self, repository: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = send(self.request(Method::POST, &path)).await;
        header(&expect(answer, StatusCode::ACCEPTED).await, LOCATION.as_str())
    }

    /// The closing PUT of an upload session, with the bytes that are still missing.
    pub async fn finish_upload(
        &self,
        location: &str,
        digest: &str,
        rest: impl Into<Body>,
    ) -> Response {
        send(self.request(Method::PUT, location).query(&[("digest", digest)]).body(rest)).await
    }

    /// Pushes a blob with POST and PUT, and returns its digest.
    pub async fn push_blob(&self, repository: &str, content: impl Into<Bytes>) -> String {
        let content = content.into();
        let digest = digest_of(&content);
        let location = self.start_upload(repository).await;
        let answer = self.finish_upload(&location, &digest, content).await;
        expect(answer, StatusCode::CREATED).await;
        digest
    }

    pub async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        content: impl Into<Bytes>,
    ) -> Response {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let request = self.request(Method::PUT, &path).header(CONTENT_TYPE, media_type);
        send(request.body(content.into())).await
    }

    /// Pushes an artifact of one layer and an empty config, and returns the manifest's digest.
    pub async fn push_artifact(&self, repository: &str, tag: &str, layer: &[u8]) -> String {
        let config = self.push_blob(repository, &b"{}"[..]).await;
        let digest = self.push_blob(repository, layer.to_vec()).await;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example.test",
            "config": {"mediaType": EMPTY, "digest": config, "size": 2},
            "layers": [{"mediaType": "text/plain", "digest": digest, "size": layer.len()}],
        });
        let content = manifest.to_string();
        let digest = digest_of(&content);
        let answer = self.put_manifest(repository, tag, OCI_MANIFEST, content).await;
        expect(answer, StatusCode::CREATED).await;
        digest
    }
}

pub async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("the server answers")
}

/// The answer, if it has this status; otherwise fails with the whole answer.
#[track_caller]
pub fn expect(answer: Response, status: StatusCode) -> impl Future<Output = Response> {
    let caller = std::panic::Location::caller();
    async move {
        if answer.status() == status {
            return answer;
        }
        let (found, url, headers) =
            (answer.status(), answer.url().clone(), answer.headers().clone());
        let body = answer.text().await.unwrap_or_else(|error| error.to_string());
        panic!("{caller}: {url} answered {found}, expected {status}\n{headers:#?}\n{body}")
    }
}

pub async fn json_of(answer: Response) -> Value {
    let text = answer.text().await.expect("the body arrives whole");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
}

/// The value of a header that must be there.
pub fn header(answer: &Response, name: &str) -> String {
    let value = answer.headers().get(name).unwrap_or_else(|| {
        panic!("{} has no {name}: {:#?}", answer.url(), answer.headers());
    });
    value.to_str().expect("the header is text").to_owned()
}

fn parameter(challenge: &str, name: &str) -> String {
    let value =
        challenge.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
    value.unwrap_or_else(|| panic!("no {name} in the challenge: {challenge}")).0.to_owned()
}
