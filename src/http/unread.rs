//! Bodies that a handler did not read to their end.
//!
//! A client that still sends when the connection closes may never see the answer. So what is left
//! of a refused body is read and dropped, up to a limit, before the answer goes out.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::oneshot;

use crate::registry::{Incoming, IncomingError};

/// Bytes that are read at most from a body that nobody wants.
const MAX_BYTES: usize = 64 << 20;
const MAX_TIME: Duration = Duration::from_secs(20);

/// Splits a body into the stream for the handler, and what that leaves.
pub fn watch(body: Body) -> (Incoming, Unread) {
    let (sender, receiver) = oneshot::channel();
    let body = Some(body.into_data_stream());
    (Box::pin(Watched { body, sender: Some(sender) }), Unread(receiver))
}

struct Watched {
    /// None at its end.
    body: Option<BodyDataStream>,
    sender: Option<oneshot::Sender<BodyDataStream>>,
}

impl Stream for Watched {
    type Item = Result<Bytes, IncomingError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let next = std::task::ready!(body.poll_next_unpin(context));
        if !matches!(next, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(next.map(|result| result.map_err(Into::into)))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let (Some(body), Some(sender)) = (self.body.take(), self.sender.take()) {
            // If nobody waits for the rest, it is dropped.
            let _ = sender.send(body);
        }
    }
}

/// What a handler leaves of a body.
pub struct Unread(oneshot::Receiver<BodyDataStream>);

impl Unread {
    /// Reads the rest, if the stream was dropped before its end.
    pub async fn drain(mut self) {
        let Ok(mut rest) = self.0.try_recv() else { return };
        let mut room = MAX_BYTES;
        let drain = async {
            while let Some(Ok(bytes)) = rest.next().await {
                room = room.saturating_sub(bytes.len());
                if room == 0 {
                    break;
                }
            }
        };
        // Whether it ended or the time was up: the answer goes out now.
        let _ = tokio::time::timeout(MAX_TIME, drain).await;
    }
}
