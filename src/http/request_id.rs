//! The id under which a request stands in the log and in its answer.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::{Builder, Uuid};

pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Where Azure's clients look for it.
pub const CORRELATION_HEADER: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");

const MAX_BYTES: usize = 64;

/// The id that the client gave, if it cannot spoil a log, else a new one.
pub fn of(headers: &HeaderMap) -> HeaderValue {
    match headers.get(HEADER) {
        Some(given) if is_sane(given.as_bytes()) => given.clone(),
        _ => new(),
    }
}

fn is_sane(id: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=MAX_BYTES).contains(&id.len()) && id.iter().all(is_plain)
}

/// A UUID of version 7. Its random part comes from the thread's generator, which asks the system
/// only now and then.
fn new() -> HeaderValue {
    let milliseconds = u64::try_from(chrono::Utc::now().timestamp_millis()).unwrap_or_default();
    let id = Builder::from_unix_timestamp_millis(milliseconds, &rand::random()).into_uuid();
    let mut text = Uuid::encode_buffer();
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut text)).expect("digits and dashes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(given: &str) -> HeaderValue {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(given).unwrap());
        of(&headers)
    }

    #[test]
    fn a_sane_id_is_kept() {
        for given in ["a", "A-b_c.9", &"x".repeat(64)] {
            assert_eq!(id_for(given), given);
        }
    }

    #[test]
    fn any_other_id_is_replaced() {
        for given in ["", "a b", "a\"b", "a/b", &"x".repeat(65)] {
            let id = id_for(given);
            assert_eq!(Uuid::parse_str(id.to_str().unwrap()).unwrap().get_version_num(), 7);
        }
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
