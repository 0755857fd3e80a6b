//! What clients of several servers see at once of tags, their locks and upload sessions is what some
//! order of their requests would show them, each at one moment between request and answer; also
//! while a server is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::linearizability::{Model, Operation, is_linearizable};
use super::operation;
use super::random::{Random, setting};
use super::support::http::{OCI_INDEX, expect};
use super::support::{Http, Options, Orlop, digest_of};

const SERVERS: usize = 3;
const CLIENTS: usize = 6;
/// Of each client on each object: few enough for the search.
const OPERATIONS: usize = 15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_locks_and_uploads_are_linearizable_over_several_servers() {
    let rounds = setting("ORLOP_TORTURE_HISTORIES", 3);
    let mut random = Random::start();
    let config = "[server]\npublic_url = \"http://registry.test\"\n\
                  [registry]\nupload_lease_seconds = 1\n";
    let options = Options { config: Some(config.into()), ..Options::default() };
    let Some(mut servers) = Orlop::replicas(SERVERS, options).await else { return };
    let indexes: Vec<_> = (0..3).map(index).collect();
    for content in &indexes {
        let http = servers[0].http();
        let pushed = http.put_manifest("a", &digest_of(content), OCI_INDEX, content.clone()).await;
        expect(pushed, StatusCode::CREATED).await;
    }
    let (mut answered, mut unanswered) = (0, 0);
    for round in 0..rounds {
        // In every third round a server is killed in the middle.
        let is_killed = round % 3 == 2;
        let tag = format!("tag-{round}");
        let https: Vec<_> = servers.iter().map(Orlop::http).collect();
        let session = https[0].start_upload("a").await;
        let tags = (0..CLIENTS).map(|client| {
            let (random, http) = (random.fork(), https[client % SERVERS].clone());
            tokio::spawn(on_tag(random, http, tag.clone(), indexes.clone()))
        });
        let tags: Vec<_> = tags.collect();
        let uploads = (0..CLIENTS).map(|client| {
            let (random, http) = (random.fork(), https[client % SERVERS].clone());
            tokio::spawn(on_upload(random, http, session.clone()))
        });
        let uploads: Vec<_> = uploads.collect();
        if is_killed {
            tokio::time::sleep(std::time::Duration::from_millis(random.below(200) as u64)).await;
            let killed = 1 + random.below(SERVERS - 1);
            servers[killed].kill().await;
            servers[killed].restart().await;
        }
        let tags: Vec<_> = joined(tags).await;
        let uploads: Vec<_> = joined(uploads).await;
        assert!(is_linearizable(Tag::default(), &tags), "round {round}: {tags:#?}");
        assert!(is_linearizable(Upload::default(), &uploads), "round {round}: {uploads:#?}");
        let outputs = tags.iter().map(|it| it.output.is_some());
        for is_answered in outputs.chain(uploads.iter().map(|it| it.output.is_some())) {
            *(if is_answered { &mut answered } else { &mut unanswered }) += 1;
        }
        assert_is_checked(tags);
    }
    println!("{rounds} histories each, {answered} operations, {unanswered} without an answer");
}

/// The check would notice if one read had seen something else.
fn assert_is_checked(mut history: Vec<Operation<OnTag, Seen>>) {
    let Some(read) = history.iter_mut().find(|it| it.output == Some(Seen::Index(None))) else {
        return;
    };
    read.output = Some(Seen::Index(Some(usize::MAX)));
    assert!(!is_linearizable(Tag::default(), &history));
}

async fn joined<T: Send + 'static>(clients: Vec<tokio::task::JoinHandle<Vec<T>>>) -> Vec<T> {
    let histories = join_all(clients).await.into_iter();
    histories.flat_map(|history| history.expect("the client's requests go well")).collect()
}

/// Does operations one after the other, until the server is gone.
async fn record<I: Clone, O, F: Future<Output = Option<O>>>(
    count: usize,
    mut choose: impl FnMut() -> I,
    perform: impl Fn(I) -> F,
) -> Vec<Operation<I, O>> {
    let mut history = Vec::new();
    for _ in 0..count {
        let input = choose();
        let called = nanoseconds();
        let output = perform(input.clone()).await;
        let is_over = output.is_none();
        let returned = if is_over { u64::MAX } else { nanoseconds() };
        history.push(Operation { input, output, called, returned });
        if is_over {
            break;
        }
    }
    history
}

fn nanoseconds() -> u64 {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).expect("tests are shorter than that")
}

fn index(n: usize) -> String {
    let annotations = json!({ "n": n.to_string() });
    json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": annotations,
    })
    .to_string()
}

/// A tag and its lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Tag {
    index: Option<usize>,
    is_locked: bool,
}

#[derive(Clone, Debug)]
enum OnTag {
    Push(usize),
    Delete,
    Pull,
    SetLock(bool),
}

#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Status(u16),
    Index(Option<usize>),
}

impl Model for Tag {
    type Input = OnTag;
    type Output = Seen;

    fn outcomes(&self, input: &OnTag) -> Vec<(Seen, Self)> {
        let tag = |index, is_locked| Self { index, is_locked };
        let (status, after) = match (input, self.index) {
            (OnTag::Pull, _) => return vec![(Seen::Index(self.index), self.clone())],
            (OnTag::Push(_), Some(_)) if self.is_locked => (405, self.clone()),
            (OnTag::Push(index), _) => (201, tag(Some(*index), self.is_locked)),
            (OnTag::Delete | OnTag::SetLock(_), None) => (404, self.clone()),
            (OnTag::Delete, Some(_)) if self.is_locked => (405, self.clone()),
            (OnTag::Delete, Some(_)) => (202, Self::default()),
            (OnTag::SetLock(is_locked), index) => (200, tag(index, *is_locked)),
        };
        vec![(Seen::Status(status), after)]
    }
}

async fn on_tag(
    mut random: Random,
    http: Http,
    tag: String,
    indexes: Vec<String>,
) -> Vec<Operation<OnTag, Seen>> {
    let choose = || match random.below(10) {
        0..3 => OnTag::Push(random.below(indexes.len())),
        3 => OnTag::Delete,
        4 => OnTag::SetLock(true),
        5 => OnTag::SetLock(false),
        _ => OnTag::Pull,
    };
    record(OPERATIONS, choose, |input| do_on_tag(http.clone(), tag.clone(), indexes.clone(), input))
        .await
}

async fn do_on_tag(http: Http, tag: String, indexes: Vec<String>, input: OnTag) -> Option<Seen> {
    let path = format!("/v2/a/manifests/{tag}");
    let request = match input {
        OnTag::Push(n) => http
            .request(Method::PUT, &path)
            .header("content-type", OCI_INDEX)
            .body(indexes[n].clone()),
        OnTag::Delete => http.request(Method::DELETE, &path),
        OnTag::Pull => http.request(Method::GET, &path),
        OnTag::SetLock(is_locked) => {
            let body = json!({ "writeEnabled": !is_locked, "deleteEnabled": !is_locked });
            http.request(Method::PATCH, &format!("/acr/v1/a/_tags/{tag}")).json(&body)
        }
    };
    let answer = operation::send(request).await?;
    let status = answer.status().as_u16();
    if !matches!(input, OnTag::Pull) {
        return Some(Seen::Status(status));
    }
    let content = answer.text().await.ok()?;
    let found = indexes.iter().position(|index| *index == content);
    assert_eq!(found.is_some(), status == 200, "{status}: {content}");
    Some(Seen::Index(found))
}

/// An upload session: bytes received, or none when it is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Upload(Option<usize>);

impl Default for Upload {
    fn default() -> Self {
        Self(Some(0))
    }
}

#[derive(Clone, Debug)]
enum OnUpload {
    /// From where to where.
    Append(usize, usize),
    Look,
    Cancel,
}

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Status(u16),
    Received(usize),
}

/// Another request was at it.
const BUSY: Answer = Answer::Status(409);

impl Model for Upload {
    type Input = OnUpload;
    type Output = Answer;

    fn outcomes(&self, input: &OnUpload) -> Vec<(Answer, Self)> {
        let Some(received) = self.0 else { return vec![(Answer::Status(404), self.clone())] };
        let done = match input {
            OnUpload::Look => return vec![(Answer::Received(received), self.clone())],
            OnUpload::Append(from, to) if *from == received => {
                (Answer::Received(*to), Self(Some(*to)))
            }
            OnUpload::Append(..) => (Answer::Status(416), self.clone()),
            OnUpload::Cancel => (Answer::Status(204), Self(None)),
        };
        vec![done, (BUSY, self.clone())]
    }
}

async fn on_upload(
    mut random: Random,
    http: Http,
    location: String,
) -> Vec<Operation<OnUpload, Answer>> {
    let believed = Arc::new(AtomicUsize::new(0));
    let choose = || match random.below(20) {
        0..12 => {
            let from = believed.load(Relaxed);
            OnUpload::Append(from, from + 2 + random.below(5000))
        }
        12..19 => OnUpload::Look,
        _ => OnUpload::Cancel,
    };
    let perform = |input| do_on_upload(http.clone(), location.clone(), believed.clone(), input);
    record(OPERATIONS, choose, perform).await
}

async fn do_on_upload(
    http: Http,
    location: String,
    believed: Arc<AtomicUsize>,
    input: OnUpload,
) -> Option<Answer> {
    let request = match input {
        OnUpload::Append(from, to) => http
            .request(Method::PATCH, &location)
            .header("content-range", format!("{from}-{}", to - 1))
            .body(vec![b'x'; to - from]),
        OnUpload::Look => http.request(Method::GET, &location),
        OnUpload::Cancel => http.request(Method::DELETE, &location),
    };
    let answer = operation::send(request).await?;
    let status = answer.status().as_u16();
    let Some(range) = answer.headers().get("range").filter(|_| status != 416) else {
        return Some(Answer::Status(status));
    };
    let last = range.to_str().ok()?.strip_prefix("0-")?;
    // Chunks have two bytes or more, so that 0-0 is the empty session.
    let received = last.parse().map_or(0, |last: usize| if last == 0 { 0 } else { last + 1 });
    believed.store(received, Relaxed);
    Some(Answer::Received(received))
}
