//! What repositories should hold after a sequence of operations, kept apart from the server's own
//! code, and what they are seen to hold.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::StatusCode;
use serde_json::Value;

use super::operation::{Item, Lock, Operation};
use super::stock::{Manifest, Stock};
use super::support::http::{expect, header, json_of};
use super::support::{Http, digest_of};

/// Some repositories, which nobody else changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    pub repositories: BTreeMap<String, Repository>,
    deleted: Deleted,
}

/// What becomes of what is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    CanBeRestored,
    IsGoneForGood,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    exists: bool,
    lock: Lock,
    /// Digests of what is visible.
    blobs: BTreeSet<String>,
    manifests: BTreeMap<String, Lock>,
    tags: BTreeMap<String, Tag>,
    /// What can be restored: digests, and names with the digests that they had.
    deleted_manifests: BTreeSet<String>,
    deleted_tags: BTreeSet<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    digest: String,
    lock: Lock,
}

impl Model {
    pub fn new(repositories: &[String], deleted: Deleted) -> Self {
        let empty = repositories.iter().map(|name| (name.clone(), Repository::default()));
        Self { repositories: empty.collect(), deleted }
    }

    /// What the server shows of these repositories.
    pub async fn observe(&self, http: &Http, stock: &Stock) -> Self {
        let mut seen = Self { repositories: BTreeMap::new(), deleted: self.deleted };
        for name in self.repositories.keys() {
            let repository = Repository::observe(http, stock, name).await;
            seen.repositories.insert(name.clone(), repository);
        }
        seen
    }

    /// Does to the model what the operation should do to the registry; gives the status that
    /// answers it.
    pub fn apply(&mut self, stock: &Stock, operation: &Operation) -> u16 {
        let status = self.answer(stock, operation).unwrap_or_else(|refusal| refusal);
        if self.deleted == Deleted::IsGoneForGood {
            for repository in self.repositories.values_mut() {
                repository.deleted_manifests.clear();
                repository.deleted_tags.clear();
            }
        }
        status
    }

    fn answer(&mut self, stock: &Stock, operation: &Operation) -> Result<u16, u16> {
        match operation {
            Operation::PushBlob { repository, blob, .. } => {
                self.of(repository).show_blob(&stock.blobs[*blob].digest)
            }
            Operation::MountBlob { repository, from, blob } => {
                let digest = &stock.blobs[*blob].digest;
                if self.of(from).blobs.contains(digest) {
                    self.of(repository).show_blob(digest)
                } else {
                    // An upload begins instead.
                    self.of(repository).check_write().map(|()| 202)
                }
            }
            Operation::DeleteBlob { repository, blob } => {
                self.of(repository).delete_blob(stock, &stock.blobs[*blob].digest)
            }
            Operation::PushManifest { repository, manifest, tags } => {
                self.of(repository).push_manifest(&stock.manifests[*manifest], tags)
            }
            Operation::DeleteTag { repository, tag } => self.of(repository).delete_tag(tag),
            Operation::DeleteManifest { repository, manifest } => {
                self.of(repository).delete_manifest(&stock.manifests[*manifest].digest)
            }
            Operation::DeleteRepository { repository } => self.of(repository).delete(),
            Operation::Restore { repository, manifest, tag, force } => {
                self.of(repository).restore(&stock.manifests[*manifest], *tag, *force)
            }
            Operation::Lock { repository, item, lock } => {
                self.of(repository).set_lock(stock, *item, *lock)
            }
        }
    }

    fn of(&mut self, repository: &str) -> &mut Repository {
        self.repositories.get_mut(repository).expect("operations name repositories of the model")
    }
}

impl Repository {
    fn check_exists(&self) -> Result<(), u16> {
        if self.exists { Ok(()) } else { Err(404) }
    }

    fn check_write(&self) -> Result<(), u16> {
        if self.lock.forbids_write { Err(405) } else { Ok(()) }
    }

    fn show_blob(&mut self, digest: &str) -> Result<u16, u16> {
        self.check_write()?;
        self.exists = true;
        self.blobs.insert(digest.to_owned());
        Ok(201)
    }

    fn delete_blob(&mut self, stock: &Stock, digest: &str) -> Result<u16, u16> {
        self.check_write()?;
        if !self.blobs.contains(digest) {
            return Err(404);
        }
        let mut manifests = self.manifests.keys().filter_map(|digest| stock.manifest(digest));
        if manifests.any(|manifest| manifest.blobs.iter().any(|blob| blob == digest)) {
            return Err(405);
        }
        self.blobs.remove(digest);
        Ok(202)
    }

    fn push_manifest(&mut self, manifest: &Manifest, tags: &[&str]) -> Result<u16, u16> {
        self.check_write()?;
        match self.manifests.get(&manifest.digest) {
            Some(lock) if lock.forbids_write => return Err(405),
            None if !manifest.blobs.iter().all(|blob| self.blobs.contains(blob)) => {
                return Err(400);
            }
            _ => {}
        }
        for tag in tags {
            self.check_move(tag)?;
        }
        self.exists = true;
        self.deleted_manifests.remove(&manifest.digest);
        self.manifests.entry(manifest.digest.clone()).or_default();
        for tag in tags {
            self.set_tag(tag, &manifest.digest);
        }
        Ok(201)
    }

    fn check_move(&self, tag: &str) -> Result<(), u16> {
        let is_locked = self.tags.get(tag).is_some_and(|tag| tag.lock.forbids_write);
        if is_locked { Err(405) } else { Ok(()) }
    }

    fn set_tag(&mut self, tag: &str, digest: &str) {
        let lock = self.tags.get(tag).map_or_else(Lock::default, |before| before.lock);
        self.tags.insert(tag.to_owned(), Tag { digest: digest.to_owned(), lock });
    }

    fn delete_tag(&mut self, tag: &str) -> Result<u16, u16> {
        self.check_write()?;
        let named = self.tags.get(tag).ok_or(404_u16)?;
        if !named.lock.lets_delete() {
            return Err(405);
        }
        self.deleted_tags.insert((tag.to_owned(), named.digest.clone()));
        self.tags.remove(tag);
        Ok(202)
    }

    fn delete_manifest(&mut self, digest: &str) -> Result<u16, u16> {
        self.check_write()?;
        let lock = self.manifests.get(digest).ok_or(404_u16)?;
        let mut tags = self.tags.values().filter(|tag| tag.digest == digest);
        if !lock.lets_delete() || tags.any(|tag| !tag.lock.lets_delete()) {
            return Err(405);
        }
        self.manifests.remove(digest);
        self.deleted_manifests.insert(digest.to_owned());
        let tags = self.tags.extract_if(.., |_, tag| tag.digest == digest);
        self.deleted_tags.extend(tags.map(|(name, tag)| (name, tag.digest)));
        Ok(202)
    }

    fn delete(&mut self) -> Result<u16, u16> {
        self.check_exists()?;
        let tags = self.tags.values().map(|tag| tag.lock);
        let mut locks = self.manifests.values().copied().chain(tags).chain([self.lock]);
        if locks.any(|lock| !lock.lets_delete()) {
            return Err(405);
        }
        self.exists = false;
        self.blobs.clear();
        self.deleted_manifests.extend(std::mem::take(&mut self.manifests).into_keys());
        let tags = std::mem::take(&mut self.tags).into_iter();
        self.deleted_tags.extend(tags.map(|(name, tag)| (name, tag.digest)));
        Ok(202)
    }

    fn restore(&mut self, manifest: &Manifest, tag: Option<&str>, force: bool) -> Result<u16, u16> {
        self.check_write()?;
        let digest = &manifest.digest;
        let is_deleted = self.deleted_manifests.contains(digest);
        if !is_deleted && (tag.is_none() || !self.manifests.contains_key(digest)) {
            return Err(404);
        }
        if manifest.subject.as_ref().is_some_and(|it| self.deleted_manifests.contains(it)) {
            return Err(409);
        }
        if let Some(tag) = tag {
            let deleted = (tag.to_owned(), digest.clone());
            if !self.deleted_tags.contains(&deleted) {
                return Err(404);
            }
            let named = self.tags.get(tag).filter(|named| named.digest != *digest);
            if named.is_some() && !force {
                return Err(409);
            }
            let overwritten = named.map(|named| (tag.to_owned(), named.digest.clone()));
            self.check_move(tag)?;
            self.deleted_tags.extend(overwritten);
            self.deleted_tags.remove(&deleted);
            self.set_tag(tag, digest);
        }
        self.exists = true;
        if is_deleted {
            self.deleted_manifests.remove(digest);
            self.manifests.insert(digest.clone(), Lock::default());
            self.blobs.extend(manifest.blobs.iter().cloned());
        }
        Ok(200)
    }

    fn set_lock(&mut self, stock: &Stock, item: Item, lock: Lock) -> Result<u16, u16> {
        self.check_exists()?;
        let locked = match item {
            Item::Repository => &mut self.lock,
            Item::Manifest(manifest) => {
                self.manifests.get_mut(&stock.manifests[manifest].digest).ok_or(404_u16)?
            }
            Item::Tag(tag) => &mut self.tags.get_mut(tag).ok_or(404_u16)?.lock,
        };
        *locked = lock;
        Ok(200)
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
                seen.tags.insert(tag, Tag { digest, lock: Lock::default() });
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
            seen.manifests.insert(digest, Lock::default());
        }
        seen.check_referrers(http, stock, name).await;
        if seen.exists {
            seen.observe_locks(http, name).await;
        }
        let path = format!("/acr/v1/_deleted/{name}");
        let manifests = list_of(http, &format!("{path}/_manifests"), "manifests").await;
        seen.deleted_manifests = texts(&manifests, |manifest| &manifest["digest"]).collect();
        let tags = list_of(http, &format!("{path}/_tags"), "tags").await;
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
            let referrers = self.manifests.keys().filter(|digest| {
                let manifest = stock.manifest(digest).expect("all manifests are of the stock");
                manifest.subject.as_ref() == Some(&subject.digest)
            });
            assert_eq!(found, referrers.cloned().collect(), "{path}");
        }
    }

    /// Reads them where Azure's API lists what is there, with the counts.
    async fn observe_locks(&mut self, http: &Http, name: &str) {
        let path = format!("/acr/v1/{name}");
        let shown = json_of(expect(http.get(&path).await, StatusCode::OK).await).await;
        let counts = (&shown["manifestCount"], &shown["tagCount"]);
        let expected = (&self.manifests.len().into(), &self.tags.len().into());
        assert_eq!(counts, expected, "{name}: {shown}");
        self.lock = lock_of(&shown);
        let list = list_of(http, &format!("{path}/_manifests"), "manifests").await;
        for (digest, lock) in locks(&list, "digest") {
            *self.manifests.get_mut(&digest).expect("a listed manifest is there") = lock;
        }
        let list = list_of(http, &format!("{path}/_tags"), "tags").await;
        for (tag, lock) in locks(&list, "name") {
            self.tags.get_mut(&tag).expect("a listed tag is there").lock = lock;
        }
    }
}

fn locks<'a>(list: &'a Value, key: &'a str) -> impl Iterator<Item = (String, Lock)> + 'a {
    let items = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    texts(list, move |item| &item[key]).zip(items.iter().map(lock_of))
}

fn lock_of(shown: &Value) -> Lock {
    let is_on = |attribute| {
        let shown = &shown["changeableAttributes"];
        shown[attribute].as_bool().unwrap_or_else(|| panic!("no {attribute}: {shown}"))
    };
    Lock { forbids_delete: !is_on("deleteEnabled"), forbids_write: !is_on("writeEnabled") }
}

async fn list_of(http: &Http, path: &str, name: &str) -> Value {
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
