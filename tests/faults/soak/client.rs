//! One client of the soak. It has repositories of its own, does one thing after the other, and repeats
//! what failed until it is acknowledged, so that it knows at any time what must be there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{Answer, World};
use crate::random::Random;
use crate::support::digest_of;
use crate::support::http::OCI_MANIFEST;

const SERVERS: usize = 3;
const TAGS: [&str; 5] = ["a", "b", "c", "d", "latest"];

/// Manifests that a repository holds before some are deleted.
const FULL: usize = 12;

#[derive(Clone)]
pub struct Content {
    pub digest: String,
    pub bytes: Bytes,
}

impl Content {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { digest: digest_of(&bytes), bytes: bytes.into() }
    }
}

struct Manifest {
    content: String,
    blobs: Vec<Content>,
    subject: Option<String>,
}

/// What must be there.
#[derive(Default)]
struct Repository {
    manifests: BTreeMap<String, Manifest>,
    tags: BTreeMap<&'static str, String>,
}

impl Repository {
    fn needs(&self, digest: &str) -> bool {
        self.manifests.values().flat_map(|manifest| &manifest.blobs).any(|it| it.digest == digest)
    }

    /// Forgets a manifest, with its tags and all that refers to it, which nobody may rely on now.
    fn forget(&mut self, digest: &str) {
        self.manifests.remove(digest);
        self.tags.retain(|_, named| named != digest);
        let orphans = self.manifests.iter().filter(|(_, it)| it.subject.as_deref() == Some(digest));
        for orphan in orphans.map(|(orphan, _)| orphan.clone()).collect::<Vec<_>>() {
            self.forget(&orphan);
        }
    }
}

/// A blob of which a push was acknowledged.
struct PushedBlob {
    content: Content,
    /// Until then it must be there, whether a manifest needs it or not.
    safe_until: Instant,
}

pub struct Client {
    world: Arc<World>,
    random: Random,
    /// Contents that other clients push as well; the last is large.
    shared: Arc<Vec<Content>>,
    repositories: BTreeMap<String, Repository>,
    /// Of all clients.
    names: Vec<String>,
    grace: Duration,
    number: u64,
}

impl Client {
    pub fn new(
        place: usize,
        world: &Arc<World>,
        random: Random,
        shared: &Arc<Vec<Content>>,
        clients: usize,
        grace: Duration,
    ) -> Self {
        let name = |client: usize, n: usize| format!("client{client}/r{n}");
        Self {
            world: Arc::clone(world),
            random,
            shared: Arc::clone(shared),
            repositories: (0..2).map(|n| (name(place, n), Repository::default())).collect(),
            names: (0..clients).flat_map(|client| [name(client, 0), name(client, 1)]).collect(),
            grace,
            number: 0,
        }
    }

    /// One operation, or a few that belong together.
    pub async fn step(&mut self) {
        let names: Vec<_> = self.repositories.keys().cloned().collect();
        let name = self.random.pick(&names).clone();
        let is_full = self.repositories[&name].manifests.len() >= FULL;
        match self.random.below(100) {
            0..26 => self.push_artifact(&name, None).await,
            26..38 => self.attach(&name).await,
            38..58 => self.pull_some(&name).await,
            58..66 => self.mount(&name).await,
            66..72 => self.push_and_leave(&name).await,
            72..78 => self.untag(&name).await,
            78..80 => self.delete_repository(&name).await,
            80..88 if !is_full => self.push_artifact(&name, None).await,
            _ => self.delete_manifest(&name).await,
        }
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<(&str, Bytes)>,
    ) -> Option<Answer> {
        let place = self.random.below(SERVERS);
        self.world
            .ask(place, |http| {
                let mut request = http.request(method, path);
                if let Some((media_type, bytes)) = body {
                    request = request.header(CONTENT_TYPE, media_type).body(bytes);
                }
                request
            })
            .await
    }

    /// Asks until there is an answer of `expected`; of `repeated` also if the request may have been
    /// done before.
    async fn insist(
        &mut self,
        method: Method,
        path: &str,
        body: Option<(&str, Bytes)>,
        expected: StatusCode,
        repeated: StatusCode,
    ) -> Answer {
        let mut is_repeated = false;
        loop {
            match self.ask(method.clone(), path, body.clone()).await {
                Some(answer) if answer.status == expected => return answer,
                Some(answer) if is_repeated && answer.status == repeated => return answer,
                Some(answer) => {
                    let text = String::from_utf8_lossy(&answer.body);
                    panic!("{method} {path} is answered {}: {text}", answer.status)
                }
                None => is_repeated = true,
            }
        }
    }

    fn shared(&mut self) -> Content {
        let (large, others) = self.shared.split_last().expect("there are some");
        if self.random.once_in(50) { large.clone() } else { self.random.pick(others).clone() }
    }

    fn content(&mut self) -> Content {
        if self.random.once_in(2) {
            return self.shared();
        }
        let length = 1 + self.random.below(4000);
        Content::new(self.random.bytes(length))
    }

    /// Pushes a blob in one of the ways there are.
    async fn push_blob(&mut self, name: &str, content: &Content) -> PushedBlob {
        let way = self.random.below(3);
        loop {
            let started = Instant::now();
            let answer = self.try_to_push(name, content, way).await;
            let status = answer.as_ref().map(|answer| answer.status);
            if status == Some(StatusCode::CREATED) {
                self.world.count("blobs pushed");
                let safe_until = started + self.grace;
                return PushedBlob { content: content.clone(), safe_until };
            }
            // A session may be lost or taken, if a server died or an answer was lost.
            if let Some(answer) = answer {
                let text = String::from_utf8_lossy(&answer.body);
                let status = answer.status;
                assert!(self.world.was_faulty(started), "without any fault: {status} {text}");
                self.world.count("(pushes begun anew)");
            }
        }
    }

    /// Asks whether a blob has to be pushed.
    async fn find_blob(&mut self, name: &str, content: &Content) -> Option<PushedBlob> {
        let started = Instant::now();
        let path = format!("/v2/{name}/blobs/{}", content.digest);
        let answer = self.ask(Method::HEAD, &path, None).await?;
        (answer.status == StatusCode::OK).then(|| {
            self.world.count("blobs found");
            PushedBlob { content: content.clone(), safe_until: started + self.grace / 2 }
        })
    }

    /// The answer that ended the push.
    async fn try_to_push(&mut self, name: &str, content: &Content, way: usize) -> Option<Answer> {
        const BYTES: &str = "application/octet-stream";
        let (digest, bytes) = (&content.digest, content.bytes.clone());
        let path = format!("/v2/{name}/blobs/uploads/");
        if way == 0 {
            let path = format!("{path}?digest={digest}");
            return self.ask(Method::POST, &path, Some((BYTES, bytes))).await;
        }
        let opened = self.ask(Method::POST, &path, None).await?;
        if opened.status != StatusCode::ACCEPTED {
            return Some(opened);
        }
        let location = path_of(&opened);
        let mut rest = bytes;
        while way == 2 && rest.len() > 1 && !self.random.once_in(2) {
            let part = rest.split_to(rest.len().div_ceil(2));
            let answer = self.ask(Method::PATCH, &location, Some((BYTES, part))).await?;
            if answer.status != StatusCode::ACCEPTED {
                return Some(answer);
            }
        }
        let separator = if location.contains('?') { '&' } else { '?' };
        let path = format!("{location}{separator}digest={digest}");
        self.ask(Method::PUT, &path, Some((BYTES, rest))).await
    }

    /// Pulls a blob that must be there, at whatever server.
    async fn pull_blob(&mut self, name: &str, content: &Content) {
        let path = format!("/v2/{name}/blobs/{}", content.digest);
        let answer = self.insist(Method::GET, &path, None, StatusCode::OK, StatusCode::OK).await;
        assert!(answer.body == content.bytes, "{path} gives other bytes");
    }

    /// Pulls a blob that must be there until a time, after which nobody knows.
    async fn pull_young(&mut self, name: &str, pushed: &PushedBlob) {
        let path = format!("/v2/{name}/blobs/{}", pushed.content.digest);
        loop {
            let Some(answer) = self.ask(Method::GET, &path, None).await else { continue };
            if answer.status == StatusCode::OK {
                assert!(answer.body == pushed.content.bytes, "{path} gives other bytes");
            } else {
                let is_late = Instant::now() > pushed.safe_until;
                assert!(is_late, "LOST: {path} is answered {} within its grace", answer.status);
                self.world.count("(blobs gone after their grace)");
            }
            return;
        }
    }

    async fn push_artifact(&mut self, name: &str, subject: Option<String>) {
        self.number += 1;
        let contents: Vec<_> = (0..=self.random.below(3)).map(|_| self.content()).collect();
        let mut body = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example.soak",
            "config": descriptor(&contents[0]),
            "layers": contents[1..].iter().map(descriptor).collect::<Vec<_>>(),
            "annotations": {"number": format!("{name} {}", self.number)},
        });
        if let Some(subject) = &subject {
            let size = self.repositories[name].manifests[subject].content.len();
            body["subject"] = json!({"mediaType": OCI_MANIFEST, "digest": subject, "size": size});
        }
        let content = body.to_string();
        let digest = digest_of(&content);
        let tag = subject.is_none().then(|| *self.random.pick(&TAGS));
        let reference = tag.unwrap_or(&digest).to_owned();
        let path = format!("/v2/{name}/manifests/{reference}");
        loop {
            let mut pushed = Vec::new();
            for blob in &contents {
                // As clients do that find it there.
                if self.repositories[name].needs(&blob.digest) && self.random.once_in(2) {
                    continue;
                }
                let found =
                    if self.random.once_in(2) { self.find_blob(name, blob).await } else { None };
                match found {
                    Some(found) => pushed.push(found),
                    None => pushed.push(self.push_blob(name, blob).await),
                }
            }
            let answer = loop {
                let bytes = Bytes::from(content.clone());
                let answer = self.ask(Method::PUT, &path, Some((OCI_MANIFEST, bytes))).await;
                if let Some(answer) = answer {
                    break answer;
                }
            };
            if answer.status == StatusCode::CREATED {
                break;
            }
            let is_late = pushed.iter().any(|blob| Instant::now() > blob.safe_until);
            let text = String::from_utf8_lossy(&answer.body);
            assert!(
                is_late && answer.status == StatusCode::BAD_REQUEST,
                "LOST: {path} is answered {} within the grace of its blobs: {text}",
                answer.status
            );
            self.world.count("(manifests too late for their blobs)");
        }
        self.world.count(if subject.is_some() { "referrers attached" } else { "manifests pushed" });
        let repository = self.repositories.get_mut(name).expect("it is one of ours");
        repository.manifests.insert(digest.clone(), Manifest { content, blobs: contents, subject });
        if let Some(tag) = tag {
            repository.tags.insert(tag, digest.clone());
        }
        if self.random.once_in(4) {
            self.pull_manifest(name, &reference, &digest).await;
        }
    }

    /// Attaches something to a manifest, and finds it there.
    async fn attach(&mut self, name: &str) {
        let Some(subject) = self.some_manifest(name) else { return };
        self.push_artifact(name, Some(subject.clone())).await;
        if self.random.once_in(3) {
            self.check_referrers(name, &subject).await;
        }
    }

    async fn check_referrers(&mut self, name: &str, subject: &str) {
        let path = format!("/v2/{name}/referrers/{subject}");
        let answer = self.insist(Method::GET, &path, None, StatusCode::OK, StatusCode::OK).await;
        let list: Value = serde_json::from_slice(&answer.body).expect("it is JSON");
        let listed = list["manifests"].as_array().expect("it is a list").iter();
        let listed: BTreeSet<_> = listed.map(|it| it["digest"].as_str().expect("text")).collect();
        let manifests = &self.repositories[name].manifests;
        let ours = manifests.iter().filter(|(_, it)| it.subject.as_deref() == Some(subject));
        let ours: BTreeSet<_> = ours.map(|(digest, _)| digest.as_str()).collect();
        assert_eq!(listed, ours, "LOST: {path}");
        self.world.count("referrers listed");
    }

    fn some_manifest(&mut self, name: &str) -> Option<String> {
        let digests: Vec<_> = self.repositories[name].manifests.keys().cloned().collect();
        (!digests.is_empty()).then(|| self.random.pick(&digests).clone())
    }

    async fn pull_some(&mut self, name: &str) {
        let tags: Vec<_> =
            self.repositories[name].tags.iter().map(|(tag, it)| (*tag, it.clone())).collect();
        if !tags.is_empty() && self.random.once_in(2) {
            let (tag, digest) = self.random.pick(&tags).clone();
            self.pull_manifest(name, tag, &digest).await;
        } else if let Some(digest) = self.some_manifest(name) {
            self.pull_manifest(name, &digest, &digest).await;
        }
    }

    /// Pulls a manifest with all that it is made of.
    async fn pull_manifest(&mut self, name: &str, reference: &str, digest: &str) {
        let path = format!("/v2/{name}/manifests/{reference}");
        let answer = self.insist(Method::GET, &path, None, StatusCode::OK, StatusCode::OK).await;
        let manifest = &self.repositories[name].manifests[digest];
        assert!(answer.body == manifest.content, "LOST: {path} gives another manifest");
        for blob in manifest.blobs.clone() {
            self.pull_blob(name, &blob).await;
        }
        self.world.count("manifests pulled whole");
    }

    /// Mounts a blob of any repository, whoever uses it.
    async fn mount(&mut self, name: &str) {
        let content = self.shared();
        let names = self.names.clone();
        let from = self.random.pick(&names).clone();
        let path = format!("/v2/{name}/blobs/uploads/?mount={}&from={from}", content.digest);
        let started = Instant::now();
        let Some(answer) = self.ask(Method::POST, &path, None).await else { return };
        let is_there = self.repositories.get(&from).is_some_and(|it| it.needs(&content.digest));
        match answer.status {
            StatusCode::CREATED => {
                self.world.count("blobs mounted");
                let pushed = PushedBlob { content, safe_until: started + self.grace };
                self.pull_young(name, &pushed).await;
            }
            StatusCode::ACCEPTED if !is_there => self.world.count("(mounts of what is not there)"),
            status => panic!("LOST: {path} is answered {status}"),
        }
    }

    /// Pushes what no manifest will need, or not even that.
    async fn push_and_leave(&mut self, name: &str) {
        if self.random.once_in(3) {
            let path = format!("/v2/{name}/blobs/uploads/");
            let Some(opened) = self.ask(Method::POST, &path, None).await else { return };
            if opened.status == StatusCode::ACCEPTED {
                let body = Some(("application/octet-stream", Bytes::from_static(b"abandoned")));
                self.ask(Method::PATCH, &path_of(&opened), body).await;
                self.world.count("uploads abandoned");
            }
            return;
        }
        let content = self.content();
        let pushed = self.push_blob(name, &content).await;
        self.pull_young(name, &pushed).await;
    }

    async fn untag(&mut self, name: &str) {
        let tags: Vec<_> = self.repositories[name].tags.keys().copied().collect();
        if tags.is_empty() {
            return;
        }
        let tag = *self.random.pick(&tags);
        let path = format!("/v2/{name}/manifests/{tag}");
        let (done, gone) = (StatusCode::ACCEPTED, StatusCode::NOT_FOUND);
        self.insist(Method::DELETE, &path, None, done, gone).await;
        self.insist(Method::GET, &path, None, gone, gone).await;
        self.repositories.get_mut(name).expect("it is one of ours").tags.remove(tag);
        self.world.count("tags deleted");
    }

    async fn delete_manifest(&mut self, name: &str) {
        let Some(digest) = self.some_manifest(name) else { return };
        let path = format!("/v2/{name}/manifests/{digest}");
        let (done, gone) = (StatusCode::ACCEPTED, StatusCode::NOT_FOUND);
        self.insist(Method::DELETE, &path, None, done, gone).await;
        self.insist(Method::GET, &path, None, gone, gone).await;
        self.repositories.get_mut(name).expect("it is one of ours").forget(&digest);
        self.world.count("manifests deleted");
    }

    async fn delete_repository(&mut self, name: &str) {
        if self.repositories[name].manifests.is_empty() {
            return;
        }
        let path = format!("/acr/v1/{name}");
        let (done, gone) = (StatusCode::ACCEPTED, StatusCode::NOT_FOUND);
        self.insist(Method::DELETE, &path, None, done, gone).await;
        *self.repositories.get_mut(name).expect("it is one of ours") = Repository::default();
        self.world.count("repositories deleted");
    }

    /// Pulls all that must be there; how many manifests that were.
    pub async fn check(&mut self) -> usize {
        let mut checked = 0;
        let names: Vec<_> = self.repositories.keys().cloned().collect();
        for name in names {
            let digests: Vec<_> = self.repositories[&name].manifests.keys().cloned().collect();
            for digest in digests {
                self.pull_manifest(&name, &digest, &digest).await;
                self.check_referrers(&name, &digest).await;
                checked += 1;
            }
            let tags = self.repositories[&name].tags.clone();
            for (tag, digest) in tags {
                self.pull_manifest(&name, tag, &digest).await;
            }
        }
        checked
    }
}

fn descriptor(content: &Content) -> Value {
    let size = content.bytes.len();
    json!({"mediaType": "application/octet-stream", "digest": content.digest, "size": size})
}

/// The path of an upload, as the next request goes to another server.
fn path_of(answer: &Answer) -> String {
    let location = answer.headers[LOCATION].to_str().expect("it is text");
    location[location.find("/v2/").expect("it is a path of the API")..].to_owned()
}
