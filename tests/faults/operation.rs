//! One thing that a client does, by HTTP.

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;

use super::random::Random;
use super::stock::Stock;
use super::support::Http;

const TAGS: [&str; 4] = ["a", "b", "c", "latest"];

/// Names of repositories, and places of contents in the stock.
#[derive(Clone, Debug)]
pub enum Operation {
    PushBlob {
        repository: String,
        blob: usize,
        way: Way,
    },
    MountBlob {
        repository: String,
        from: String,
        blob: usize,
    },
    DeleteBlob {
        repository: String,
        blob: usize,
    },
    /// Without a tag it is pushed by its digest.
    PushManifest {
        repository: String,
        manifest: usize,
        tags: Vec<&'static str>,
    },
    DeleteTag {
        repository: String,
        tag: &'static str,
    },
    DeleteManifest {
        repository: String,
        manifest: usize,
    },
    DeleteRepository {
        repository: String,
    },
    Restore {
        repository: String,
        manifest: usize,
        tag: Option<&'static str>,
        force: bool,
    },
    /// Or unlock.
    Lock {
        repository: String,
        item: Item,
        lock: Lock,
    },
}

/// What has a lock.
#[derive(Clone, Copy, Debug)]
pub enum Item {
    Repository,
    Manifest(usize),
    Tag(&'static str),
}

/// What it forbids. Without the right to write nothing is deleted either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    pub forbids_delete: bool,
    pub forbids_write: bool,
}

impl Lock {
    pub fn lets_delete(self) -> bool {
        !self.forbids_delete && !self.forbids_write
    }
}

/// How a blob is pushed.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Single,
    PostPut,
    Chunked,
}

impl Operation {
    pub fn random(random: &mut Random, stock: &Stock, repositories: &[String]) -> Self {
        let repository = random.pick(repositories).clone();
        let blob = random.below(stock.blobs.len());
        let manifest = random.below(stock.manifests.len());
        let tag = *random.pick(&TAGS);
        match random.below(115) {
            0..30 => {
                let way = *random.pick(&[Way::Single, Way::PostPut, Way::Chunked]);
                Self::PushBlob { repository, blob, way }
            }
            30..40 => Self::MountBlob { repository, from: random.pick(repositories).clone(), blob },
            40..47 => Self::DeleteBlob { repository, blob },
            47..75 => {
                let tags = (0..random.below(4)).map(|_| *random.pick(&TAGS)).collect();
                Self::PushManifest { repository, manifest, tags }
            }
            75..82 => Self::DeleteTag { repository, tag },
            82..88 => Self::DeleteManifest { repository, manifest },
            88..90 => Self::DeleteRepository { repository },
            90..105 => {
                let item = match random.below(6) {
                    0 => Item::Repository,
                    1..4 => Item::Manifest(manifest),
                    _ => Item::Tag(tag),
                };
                // Most of the time things are not locked, or little else would happen.
                let lock =
                    Lock { forbids_delete: random.once_in(4), forbids_write: random.once_in(6) };
                Self::Lock { repository, item, lock }
            }
            _ => {
                let tag = (!random.once_in(2)).then_some(tag);
                Self::Restore { repository, manifest, tag, force: random.once_in(3) }
            }
        }
    }

    /// The status of the answer that ended it, or none if the server went away before.
    pub async fn perform(&self, http: &Http, stock: &Stock) -> Option<u16> {
        match self {
            Self::PushBlob { repository, blob, way } => {
                let blob = &stock.blobs[*blob];
                push(http, repository, &blob.digest, &blob.content, *way).await
            }
            Self::MountBlob { repository, from, blob } => {
                let digest = &stock.blobs[*blob].digest;
                let path = format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={from}");
                status(http.request(Method::POST, &path)).await
            }
            Self::DeleteBlob { repository, blob } => {
                let path = format!("/v2/{repository}/blobs/{}", stock.blobs[*blob].digest);
                status(http.request(Method::DELETE, &path)).await
            }
            Self::PushManifest { repository, manifest, tags } => {
                let manifest = &stock.manifests[*manifest];
                let (reference, more) = match tags.split_first() {
                    Some((first, more)) => (*first, more),
                    None => (manifest.digest.as_str(), &[][..]),
                };
                let path = format!("/v2/{repository}/manifests/{reference}");
                let request = http.request(Method::PUT, &path);
                let more: Vec<_> = more.iter().map(|tag| ("tag", tag)).collect();
                let request = request.query(&more).header(CONTENT_TYPE, manifest.media_type);
                status(request.body(manifest.content.clone())).await
            }
            Self::DeleteTag { repository, tag } => {
                let path = format!("/v2/{repository}/manifests/{tag}");
                status(http.request(Method::DELETE, &path)).await
            }
            Self::DeleteManifest { repository, manifest } => {
                let digest = &stock.manifests[*manifest].digest;
                let path = format!("/v2/{repository}/manifests/{digest}");
                status(http.request(Method::DELETE, &path)).await
            }
            Self::DeleteRepository { repository } => {
                status(http.request(Method::DELETE, &format!("/acr/v1/{repository}"))).await
            }
            Self::Restore { repository, manifest, tag, force } => {
                let digest = &stock.manifests[*manifest].digest;
                let path =
                    format!("/acr/v1/_deleted/{repository}/_manifests/{digest}?force={force}");
                let body = tag.map_or(json!({}), |tag| json!({ "tag": tag }));
                status(http.request(Method::POST, &path).json(&body)).await
            }
            Self::Lock { repository, item, lock: Lock { forbids_delete, forbids_write } } => {
                let path = match item {
                    Item::Repository => format!("/acr/v1/{repository}"),
                    Item::Manifest(manifest) => {
                        let digest = &stock.manifests[*manifest].digest;
                        format!("/acr/v1/{repository}/_manifests/{digest}")
                    }
                    Item::Tag(tag) => format!("/acr/v1/{repository}/_tags/{tag}"),
                };
                let (delete, write) = (!forbids_delete, !forbids_write);
                let body = json!({ "deleteEnabled": delete, "writeEnabled": write });
                status(http.request(Method::PATCH, &path).json(&body)).await
            }
        }
    }
}

async fn push(
    http: &Http,
    repository: &str,
    digest: &str,
    content: &bytes::Bytes,
    way: Way,
) -> Option<u16> {
    let path = format!("/v2/{repository}/blobs/uploads/");
    if let Way::Single = way {
        let request = http.request(Method::POST, &path).query(&[("digest", digest)]);
        return status(request.body(content.clone())).await;
    }
    let opened = send(http.request(Method::POST, &path)).await?;
    let Some(location) = location(&opened) else { return Some(opened.status().as_u16()) };
    let mut rest = content.clone();
    if let Way::Chunked = way {
        while rest.len() > 1 {
            let chunk = rest.split_to(rest.len().div_ceil(2));
            let answer = status(http.request(Method::PATCH, &location).body(chunk)).await?;
            if answer != 202 {
                return Some(answer);
            }
        }
    }
    let closing = http.request(Method::PUT, &location).query(&[("digest", digest)]);
    status(closing.body(rest)).await
}

pub async fn status(request: RequestBuilder) -> Option<u16> {
    send(request).await.map(|answer| answer.status().as_u16())
}

pub async fn send(request: RequestBuilder) -> Option<Response> {
    request.send().await.ok()
}

pub fn location(answer: &Response) -> Option<String> {
    let accepted = answer.status() == reqwest::StatusCode::ACCEPTED;
    let location = answer.headers().get(LOCATION).filter(|_| accepted)?;
    location.to_str().ok().map(str::to_owned)
}
