//! Another registry, read over HTTP (distribution-spec, "Pull", "Content Discovery").

mod blob;
mod challenge;
mod request;
mod sign_in;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use reqwest::{Certificate, Client, Response, Url};
use serde::Deserialize;

use super::TransferError;
use super::source::{SourceManifest, SourceTag};
use crate::oci::{Algorithm, Digest, Hasher, ManifestKind, MediaType, RepositoryName, Tag};
use crate::registry::Incoming;
use request::Asked;

/// What a manifest may be; a registry that knows no index would answer with one of its children.
const MANIFEST_TYPES: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.artifact.manifest.v1+json",
);

/// Names or tags of one page.
const PAGE: u32 = 1000;

/// Bytes of a page, or of a list of referrers, at most.
const MAX_LIST_BYTES: u64 = 16 << 20;

/// What to sign in with at the other registry.
#[derive(Clone)]
pub enum Credentials {
    Password { name: String, password: String },
    RefreshToken(String),
}

/// A client of another registry. Cheap to clone.
#[derive(Clone)]
pub struct RemoteRegistry(Arc<Inner>);

struct Inner {
    client: Client,
    /// Scheme, host and port.
    origin: Url,
    credentials: Option<Credentials>,
    /// The `Authorization` that is good for a scope.
    authorizations: Mutex<HashMap<String, HeaderValue>>,
    /// Repositories where the list of referrers is not served.
    without_referrers: Mutex<HashSet<RepositoryName>>,
}

impl RemoteRegistry {
    /// `url` is `http://HOST[:PORT]` or `https://HOST[:PORT]`.
    ///
    /// # Errors
    /// [`TransferError`] if that is no URL of a registry.
    pub fn new(
        url: &str,
        credentials: Option<Credentials>,
        trusted: Option<Certificate>,
    ) -> Result<Self, TransferError> {
        let wrong = |reason: String| TransferError::Answer { url: url.to_owned(), reason };
        let origin = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(origin.scheme(), "http" | "https") || origin.path() != "/" {
            return Err(TransferError::Source(format!(
                "{url:?} is not the URL of a registry: use https://HOST or http://HOST"
            )));
        }
        let client = request::client(trusted)?;
        Ok(Self(Arc::new(Inner {
            client,
            origin,
            credentials,
            authorizations: Mutex::default(),
            without_referrers: Mutex::default(),
        })))
    }

    pub async fn repositories(&self) -> Result<Vec<String>, TransferError> {
        #[derive(Deserialize)]
        struct Catalog {
            repositories: Option<Vec<String>>,
        }
        let path = format!("/v2/_catalog?n={PAGE}");
        let pages = self.pages::<Catalog>(&path, "registry:catalog:*").await?;
        Ok(pages.into_iter().flat_map(|page| page.repositories.unwrap_or_default()).collect())
    }

    pub async fn tags(&self, repository: &RepositoryName) -> Result<Vec<SourceTag>, TransferError> {
        #[derive(Deserialize)]
        struct Tags {
            tags: Option<Vec<String>>,
        }
        let path = format!("/v2/{repository}/tags/list?n={PAGE}");
        let pages = match self.pages::<Tags>(&path, &pull(repository)).await {
            Err(TransferError::Missing(_)) => {
                return Err(TransferError::Missing(format!("repository {repository}")));
            }
            pages => pages?,
        };
        let names = pages.into_iter().flat_map(|page| page.tags.unwrap_or_default());
        Ok(names.map(|name| SourceTag { name, digest: None }).collect())
    }

    pub async fn resolve(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Digest, TransferError> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let scope = pull(repository);
        let asked = Asked::new(Method::HEAD, &path, &scope).accept(MANIFEST_TYPES);
        let answer = self.send(&asked).await?;
        if let Some(digest) = digest_header(&answer) {
            return Ok(digest);
        }
        // The header is optional; then the content tells.
        let asked = Asked::new(Method::GET, &path, &scope).accept(MANIFEST_TYPES);
        let content = self.read(self.send(&asked).await?, MAX_LIST_BYTES).await?;
        Ok(Hasher::digest(Algorithm::Sha256, &content))
    }

    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        max_bytes: u64,
    ) -> Result<SourceManifest, TransferError> {
        let path = format!("/v2/{repository}/manifests/{digest}");
        let scope = pull(repository);
        let asked = Asked::new(Method::GET, &path, &scope).accept(MANIFEST_TYPES);
        let answer = match self.send(&asked).await {
            Err(TransferError::Missing(_)) => {
                return Err(TransferError::Missing(format!("manifest {digest}")));
            }
            answer => answer?,
        };
        let content_type = answer.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let media_type = content_type.and_then(|text| MediaType::from_header(text).ok());
        // Some serve manifests as plain JSON; then the content itself must say what it is.
        let media_type = media_type.filter(|media_type| ManifestKind::of(media_type).is_some());
        let content = match self.read(answer, max_bytes).await {
            Err(TransferError::Answer { .. }) => {
                return Err(TransferError::ManifestTooLarge(max_bytes));
            }
            content => content?,
        };
        Ok(SourceManifest { content, media_type })
    }

    /// From the list of referrers, or from the tag that clients keep where there is none
    /// (distribution-spec, "Referrers Tag Schema").
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Digest>, TransferError> {
        let scope = pull(repository);
        if !self.is_without_referrers(repository) {
            let path = format!("/v2/{repository}/referrers/{digest}");
            match self.pages::<Index>(&path, &scope).await {
                Err(TransferError::Missing(_)) => self.note_without_referrers(repository),
                pages => {
                    let pages = pages?.into_iter();
                    return Ok(pages.flat_map(|page| page.digests()).collect());
                }
            }
        }
        let tag = format!("{}-{}", digest.algorithm().as_str(), digest.hex());
        let tag: String = tag.chars().take(128).collect();
        let path = format!("/v2/{repository}/manifests/{tag}");
        let asked = Asked::new(Method::GET, &path, &scope).accept(MANIFEST_TYPES);
        match self.send(&asked).await {
            Err(TransferError::Missing(_)) => Ok(Vec::new()),
            answer => {
                let content = self.read(answer?, MAX_LIST_BYTES).await?;
                // A tag of that name may be somebody's own.
                Ok(serde_json::from_slice(&content)
                    .map_or(Vec::new(), |index: Index| index.digests()))
            }
        }
    }

    pub async fn blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Incoming, TransferError> {
        blob::stream(self.clone(), repository, digest).await
    }

    /// All pages of a list; the `Link` of one leads to the next.
    async fn pages<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        scope: &str,
    ) -> Result<Vec<T>, TransferError> {
        let mut pages = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let answer = self.send(&Asked::new(Method::GET, &path, scope)).await?;
            next = self.next_page(&answer)?.filter(|next| *next != path);
            let url = answer.url().to_string();
            let content = self.read(answer, MAX_LIST_BYTES).await?;
            let page = serde_json::from_slice(&content)
                .map_err(|error| TransferError::Answer { url, reason: error.to_string() })?;
            pages.push(page);
        }
        Ok(pages)
    }

    /// Path and query of the next page, which is the same server's.
    fn next_page(&self, answer: &Response) -> Result<Option<String>, TransferError> {
        let link = answer.headers().get(header::LINK).and_then(|link| link.to_str().ok());
        let Some(link) = link.and_then(|link| link.trim().strip_prefix('<')?.split_once('>'))
        else {
            return Ok(None);
        };
        let wrong = |reason| TransferError::Answer { url: answer.url().to_string(), reason };
        let next = answer.url().join(link.0).map_err(|error| wrong(error.to_string()))?;
        if next.host_str() != self.0.origin.host_str() {
            return Err(wrong(format!("its next page is on another host, {next}")));
        }
        let query = next.query().map_or(String::new(), |query| format!("?{query}"));
        Ok(Some(format!("{}{query}", next.path())))
    }

    /// A whole answer of at most `max_bytes`.
    async fn read(&self, mut answer: Response, max_bytes: u64) -> Result<Bytes, TransferError> {
        let mut content = Vec::new();
        while let Some(bytes) = answer.chunk().await? {
            content.extend_from_slice(&bytes);
            if content.len() as u64 > max_bytes {
                let reason = format!("it has more than {max_bytes} bytes");
                return Err(TransferError::Answer { url: answer.url().to_string(), reason });
            }
        }
        Ok(content.into())
    }

    fn is_without_referrers(&self, repository: &RepositoryName) -> bool {
        self.0.without_referrers.lock().expect("nobody panics with it").contains(repository)
    }

    fn note_without_referrers(&self, repository: &RepositoryName) {
        let mut without = self.0.without_referrers.lock().expect("nobody panics with it");
        without.insert(repository.clone());
    }
}

#[derive(Deserialize)]
struct Index {
    manifests: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    digest: Digest,
}

impl Index {
    fn digests(self) -> Vec<Digest> {
        self.manifests.unwrap_or_default().into_iter().map(|entry| entry.digest).collect()
    }
}

fn pull(repository: &RepositoryName) -> String {
    format!("repository:{repository}:pull")
}

fn digest_header(answer: &Response) -> Option<Digest> {
    let value = answer.headers().get("docker-content-digest")?;
    Digest::parse(value.to_str().ok()?).ok()
}
