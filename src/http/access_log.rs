//! One line a request. Part `access` of the log, so `[log] level = "info,access=off"` leaves it out.
//!
//! Never with secrets: of the query only `digest` is told, and no header at all.

use tracing::Level;

use super::observe::Record;

const TARGET: &str = "access";

/// Longer paths are cut in the log.
const MAX_PATH_BYTES: usize = 1024;

pub fn write(record: &Record) {
    if !tracing::enabled!(target: TARGET, Level::INFO) {
        return;
    }
    let path = record.uri.path();
    tracing::info!(
        target: TARGET,
        parent: &record.span,
        method = record.method.as_str(),
        path = &path[..path.floor_char_boundary(MAX_PATH_BYTES)],
        digest = record.uri.query().and_then(digest),
        status = record.status().as_u16(),
        bytes = record.bytes_sent,
        duration_ms = milliseconds(record.started.elapsed()),
        remote = %record.client,
        user = record.user.as_ref().map(|user| user.0.as_str()),
        aborted = (!record.is_whole).then_some(true),
    );
}

fn digest(query: &str) -> Option<&str> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("digest="))?;
    Some(&value[..value.floor_char_boundary(MAX_PATH_BYTES)])
}

/// To the microsecond.
#[expect(clippy::cast_precision_loss, reason = "microseconds of a request fit a double")]
fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_digest_of_a_query_is_told() {
        assert_eq!(digest("a=b&digest=sha256:ab&password=hush"), Some("sha256:ab"));
        assert_eq!(digest("password=digest=hush"), None);
    }
}
