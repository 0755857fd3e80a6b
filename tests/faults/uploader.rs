//! A client whose uploads go on after the server was killed.

use bytes::Bytes;
use reqwest::{Method, StatusCode};

use super::operation;
use super::random::Random;
use super::support::http::{expect, header};
use super::support::{Http, digest_of};

/// What the end of the server may do to an unfinished upload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Uploads {
    /// It stands where its client was told.
    StandFast,
    /// It may stand where it stood before, or be gone: only `201` means durable.
    MayGoBack,
}

/// Uploads one blob after the other in chunks, goes on after a kill where the session stands, and
/// deletes some again.
pub struct Uploader {
    random: Random,
    uploads: Uploads,
    content: Bytes,
    session: Option<Session>,
    /// The content was pushed, and is to be deleted again.
    is_deleting: bool,
    /// It was deleted.
    is_deleted: bool,
    finished: usize,
    begun_anew: usize,
}

struct Session {
    location: String,
    acknowledged: usize,
    /// How far it came if the request that was going on at the kill was done.
    sent: usize,
    is_closing: bool,
}

impl Uploader {
    pub fn new(random: Random, uploads: Uploads) -> Self {
        Self {
            random,
            uploads,
            content: Bytes::new(),
            session: None,
            is_deleting: false,
            is_deleted: false,
            finished: 0,
            begun_anew: 0,
        }
    }

    pub fn tally(&self) -> String {
        format!("{} uploads went on, {} began anew", self.finished, self.begun_anew)
    }

    /// Until the server is gone.
    pub async fn work(mut self, http: Http) -> Self {
        loop {
            if self.step(&http).await.is_none() {
                return self;
            }
        }
    }

    /// One request; none if the server is gone.
    async fn step(&mut self, http: &Http) -> Option<()> {
        if self.is_deleting {
            let deletion = http.request(Method::DELETE, &self.blob());
            assert_eq!(operation::status(deletion).await?, 202);
            (self.is_deleting, self.is_deleted) = (false, true);
            return Some(());
        }
        let Some(session) = &mut self.session else {
            // Some content comes again, while it is being removed.
            if !self.is_deleted || self.random.once_in(2) {
                let length = 1 + self.random.below(1 << 20);
                self.content = self.random.bytes(length).into();
                self.is_deleted = false;
            }
            let opening = http.request(Method::POST, "/v2/uploader/blobs/uploads/");
            let location = operation::location(&operation::send(opening).await?);
            let location = location.expect("a session is opened");
            let start = Session { location, acknowledged: 0, sent: 0, is_closing: false };
            self.session = Some(start);
            return Some(());
        };
        let rest = self.content.slice(session.acknowledged..);
        session.is_closing = rest.is_empty() || self.random.once_in(6);
        if session.is_closing {
            let digest = digest_of(&self.content);
            session.sent = self.content.len();
            let closing = http.request(Method::PUT, &session.location);
            let closing = closing.query(&[("digest", digest)]).body(rest);
            assert_eq!(operation::status(closing).await?, 201);
            self.session = None;
            self.is_deleting = self.random.once_in(2);
            self.is_deleted = false;
        } else {
            let chunk = rest.slice(..1 + self.random.below(rest.len()));
            session.sent = session.acknowledged + chunk.len();
            let patch = http.request(Method::PATCH, &session.location).body(chunk);
            assert_eq!(operation::status(patch).await?, 202);
            session.acknowledged = session.sent;
        }
        Some(())
    }

    /// The session must stand where it was acknowledged to stand or where the cut request led,
    /// and go on from there to its end.
    pub async fn check(&mut self, http: &Http) {
        let blob = self.blob();
        if self.is_deleting {
            // The kill may have cut the deletion.
            if http.head(&blob).await.status() != StatusCode::NOT_FOUND {
                expect(http.delete(&blob).await, StatusCode::ACCEPTED).await;
            }
            (self.is_deleting, self.is_deleted) = (false, true);
        }
        let Some(session) = self.session.take() else {
            if self.is_deleted {
                expect(http.get(&blob).await, StatusCode::NOT_FOUND).await;
            }
            return;
        };
        let status = http.get(&session.location).await;
        if status.status() == StatusCode::NOT_FOUND {
            self.is_deleted = false;
            let may_be_gone = session.is_closing || self.uploads == Uploads::MayGoBack;
            assert!(may_be_gone, "an open session is gone");
            // Without the blob, it was cut between the bytes and the rows: the client begins anew.
            self.begun_anew += usize::from(http.get(&blob).await.status() != StatusCode::OK);
            return;
        }
        let status = expect(status, StatusCode::NO_CONTENT).await;
        let range = header(&status, "range");
        let last: usize = range.strip_prefix("0-").and_then(|last| last.parse().ok()).unwrap();
        let received = if last == 0 { session.acknowledged.min(1) } else { last + 1 };
        let may_go_back = self.uploads == Uploads::MayGoBack;
        if may_go_back && last == 0 {
            // It may hold nothing or one byte, which the protocol cannot tell apart.
            expect(http.delete(&session.location).await, StatusCode::NO_CONTENT).await;
            self.begun_anew += 1;
            return;
        }
        assert!(
            received == session.acknowledged
                || received == session.sent
                || (may_go_back && received < session.acknowledged),
            "the session has {received} bytes, not {} or {}",
            session.acknowledged,
            session.sent
        );
        expect(http.get(&blob).await, StatusCode::NOT_FOUND).await;
        let rest = self.content.slice(received..);
        let finished = http.finish_upload(&session.location, &digest_of(&self.content), rest).await;
        if may_go_back && finished.status() == StatusCode::NOT_FOUND {
            // Its bytes are gone, which is noticed only now.
            self.begun_anew += 1;
            return;
        }
        expect(finished, StatusCode::CREATED).await;
        let content = expect(http.get(&blob).await, StatusCode::OK).await.bytes().await.unwrap();
        assert_eq!(content, self.content);
        self.is_deleted = false;
        self.finished += 1;
    }

    fn blob(&self) -> String {
        format!("/v2/uploader/blobs/{}", digest_of(&self.content))
    }
}
