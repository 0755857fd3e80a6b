//! What repositories should hold after a sequence of operations, kept apart from the server's own
//! code, and what they are seen to hold.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::StatusCode;
use serde_json::Value;

use super::operation::Operation;
use super::stock::{Manifest, Stock};
use super::support::http::{expect, header, json_of};
use super::support::{Http, digest_of};

/// Some repositories, which nobody else changes.
pub type Model = BTreeMap<String, Repository>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    exists: bool,
    /// Digests of what is visible.
    blobs: BTreeSet<String>,
    manifests: BTreeSet<String>,
    tags: BTreeMap<String, String>,
    /// What can be restored: digests, and names with the digests that they had.
    deleted_manifests: BTreeSet<String>,
    deleted_tags: BTreeSet<(String, String)>,
}

/// Does to the model what the operation should do to the registry; gives the status that answers
/// it.
pub fn apply(model: &mut Model, stock: &Stock, operation: &Operation) -> u16 {
    match operation {
        Operation::PushBlob { repository, blob, .. } => {
            of(model, repository).show_blob(&stock.blobs[*blob].digest);
            201
        }
        Operation::MountBlob { repository, from, blob } => {
            let digest = &stock.blobs[*blob].digest;
            if !of(model, from).blobs.contains(digest) {
                return 202;
            }
            of(model, repository).show_blob(digest);
            201
        }
        Operation::DeleteBlob { repository, blob } => {
            of(model, repository).delete_blob(stock, &stock.blobs[*blob].digest)
        }
        Operation::PushManifest { repository, manifest, tags } => {
            of(model, repository).push_manifest(&stock.manifests[*manifest], tags)
        }
        Operation::DeleteTag { repository, tag } => of(model, repository).delete_tag(tag),
        Operation::DeleteManifest { repository, manifest } => {
            of(model, repository).delete_manifest(&stock.manifests[*manifest].digest)
        }
        Operation::DeleteRepository { repository } => of(model, repository).delete(),
        Operation::Restore { repository, manifest, tag, force } => {
            of(model, repository).restore(&stock.manifests[*manifest], *tag, *force)
        }
    }
}

fn of<'a>(model: &'a mut Model, repository: &str) -> &'a mut Repository {
    model.get_mut(repository).expect("operations name repositories of the model")
}

impl Repository {
    fn show_blob(&mut self, digest: &str) {
        self.exists = true;
        self.blobs.insert(digest.to_owned());
    }

    fn delete_blob(&mut self, stock: &Stock, digest: &str) -> u16 {
        if !self.blobs.contains(digest) {
            return 404;
        }
        let mut manifests = self.manifests.iter().filter_map(|digest| stock.manifest(digest));
        if manifests.any(|manifest| manifest.blobs.iter().any(|blob| blob == digest)) {
            return 405;
        }
        self.blobs.remove(digest);
        202
    }

    fn push_manifest(&mut self, manifest: &Manifest, tags: &[&str]) -> u16 {
        if !manifest.blobs.iter().all(|blob| self.blobs.contains(blob)) {
            return 400;
        }
        self.exists = true;
        self.deleted_manifests.remove(&manifest.digest);
        self.manifests.insert(manifest.digest.clone());
        for tag in tags {
            self.tags.insert((*tag).to_owned(), manifest.digest.clone());
        }
        201
    }

    fn delete_tag(&mut self, tag: &str) -> u16 {
        let Some(digest) = self.tags.remove(tag) else { return 404 };
        self.deleted_tags.insert((tag.to_owned(), digest));
        202
    }

    fn delete_manifest(&mut self, digest: &str) -> u16 {
        if !self.manifests.remove(digest) {
            return 404;
        }
        self.deleted_manifests.insert(digest.to_owned());
        let tags = self.tags.extract_if(.., |_, named| named == digest);
        self.deleted_tags.extend(tags);
        202
    }

    fn delete(&mut self) -> u16 {
        if !self.exists {
            return 404;
        }
        self.exists = false;
        self.blobs.clear();
        self.deleted_manifests.append(&mut self.manifests);
        self.deleted_tags.extend(std::mem::take(&mut self.tags));
        202
    }

    fn restore(&mut self, manifest: &Manifest, tag: Option<&str>, force: bool) -> u16 {
        let digest = &manifest.digest;
        let is_deleted = self.deleted_manifests.contains(digest);
        if !is_deleted && (tag.is_none() || !self.manifests.contains(digest)) {
            return 404;
        }
        if manifest.subject.as_ref().is_some_and(|it| self.deleted_manifests.contains(it)) {
            return 409;
        }
        if let Some(tag) = tag {
            let deleted = (tag.to_owned(), digest.clone());
            if !self.deleted_tags.contains(&deleted) {
                return 404;
            }
            if let Some(named) = self.tags.get(tag).filter(|named| *named != digest) {
                if !force {
                    return 409;
                }
                self.deleted_tags.insert((tag.to_owned(), named.clone()));
            }
            self.deleted_tags.remove(&deleted);
            self.tags.insert(tag.to_owned(), digest.clone());
        }
        self.exists = true;
        if is_deleted {
            self.deleted_manifests.remove(digest);
            self.manifests.insert(digest.clone());
            self.blobs.extend(manifest.blobs.iter().cloned());
        }
        200
    }

    /// Reads all that the server shows of a repository. Everything that comes must hash to its
    /// digest, and lists must agree with what can be pulled.
    pub async fn observe(http: &Http, stock: &Stock, name: &str) -> Self {
        let mut seen = Self::default();
        let list = http.get(&format!("/v2/{name}/tags/list")).await;
        seen.exists = list.status() != StatusCode::NOT_FOUND;
        if seen.exists {
            let list = json_of(expect(list, StatusCode::OK).await).await;
            for tag in texts(&list["tags"], |tag| tag) {
                let digest = pull_manifest(http, name, &tag).await.expect("a listed tag is there");
                seen.tags.insert(tag, digest);
            }
        }
        for blob in &stock.blobs {
            if pull_blob(http, name, &blob.digest).await {
                seen.blobs.insert(blob.digest.clone());
            }
        }
        for manifest in &stock.manifests {
            let Some(digest) = pull_manifest(http, name, &manifest.digest).await else { continue };
            for blob in &manifest.blobs {
                assert!(seen.blobs.contains(blob), "{name}: {digest} is there without {blob}");
            }
            seen.manifests.insert(digest);
        }
        seen.check_referrers(http, stock, name).await;
        seen.check_counts(http, name).await;
        let path = format!("/acr/v1/_deleted/{name}");
        let manifests = list_of_deleted(http, &format!("{path}/_manifests"), "manifests").await;
        seen.deleted_manifests = texts(&manifests, |manifest| &manifest["digest"]).collect();
        let tags = list_of_deleted(http, &format!("{path}/_tags"), "tags").await;
        let (names, digests) =
            (texts(&tags, |tag| &tag["tag"]), texts(&tags, |tag| &tag["digest"]));
        seen.deleted_tags = names.zip(digests).collect();
        seen
    }

    async fn check_referrers(&self, http: &Http, stock: &Stock, name: &str) {
        for subject in &stock.manifests {
            let path = format!("/v2/{name}/referrers/{}", subject.digest);
            let index = json_of(expect(http.get(&path).await, StatusCode::OK).await).await;
            let found: BTreeSet<_> = texts(&index["manifests"], |item| &item["digest"]).collect();
            let referrers = self.manifests.iter().filter(|digest| {
                let manifest = stock.manifest(digest).expect("all manifests are of the stock");
                manifest.subject.as_ref() == Some(&subject.digest)
            });
            assert_eq!(found, referrers.cloned().collect(), "{path}");
        }
    }

    async fn check_counts(&self, http: &Http, name: &str) {
        if self.exists {
            let shown = json_of(http.get(&format!("/acr/v1/{name}")).await).await;
            let counts = (&shown["manifestCount"], &shown["tagCount"]);
            let expected = (&self.manifests.len().into(), &self.tags.len().into());
            assert_eq!(counts, expected, "{name}: {shown}");
        }
    }
}

async fn list_of_deleted(http: &Http, path: &str, name: &str) -> Value {
    let answer = http.get(path).await;
    if answer.status() == StatusCode::NOT_FOUND {
        return Value::Array(Vec::new());
    }
    json_of(expect(answer, StatusCode::OK).await).await[name].take()
}

fn texts<'a>(
    list: &'a Value,
    text: impl Fn(&'a Value) -> &'a Value + 'a,
) -> impl Iterator<Item = String> + 'a {
    let items = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    items.iter().map(move |item| text(item).as_str().expect("the list holds texts").to_owned())
}

/// Whether a blob is there; if so, as what it should be.
async fn pull_blob(http: &Http, repository: &str, digest: &str) -> bool {
    let path = format!("/v2/{repository}/blobs/{digest}");
    let answer = http.get(&path).await;
    if answer.status() == StatusCode::NOT_FOUND {
        return false;
    }
    let content = expect(answer, StatusCode::OK).await.bytes().await.expect("it comes whole");
    assert_eq!(digest_of(content), digest, "{path}");
    true
}

/// The digest of a manifest, if it is there.
async fn pull_manifest(http: &Http, repository: &str, reference: &str) -> Option<String> {
    let path = format!("/v2/{repository}/manifests/{reference}");
    let answer = http.get(&path).await;
    if answer.status() == StatusCode::NOT_FOUND {
        return None;
    }
    let answer = expect(answer, StatusCode::OK).await;
    let digest = header(&answer, "docker-content-digest");
    let content = answer.bytes().await.expect("it comes whole");
    assert_eq!(digest_of(content), digest, "{path}");
    Some(digest)
}
