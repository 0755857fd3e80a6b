use serde::{Deserialize, Serialize};

use crate::storage::StorageError;

/// Bytes of a part at least, but for the last one of an object. A rule of S3.
pub const SMALLEST_PART: u64 = 5 << 20;

/// Parts that are as small as can be, as an upload holds them in memory: the first 3.4 GiB.
const SMALL_PARTS: u64 = 700;

/// Parts of one size after those, before they grow by [`SMALLEST_PART`]. S3's 10,000 parts hold
/// 1 TiB then, and the last one has 220 MiB.
const PARTS_OF_ONE_SIZE: u64 = 220;

/// Where the bytes of a session are, as its row keeps it between two requests, which may come to
/// different replicas.
///
/// The bytes that do not fill a part are kept as an object of their own. In the row they would make
/// the database grow by what its log and its copies are not made for; as a part they would break
/// the rule that only the last one may be small. They are read back when the session goes on: once
/// a request, and less than one part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    /// None until the first part is full: small blobs are stored in one go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multipart: Option<Multipart>,
    /// In their order; the first has number 1 in the store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
}

/// An object that is being uploaded by parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Multipart {
    pub key: String,
    /// The store's own name of the upload.
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub etag: String,
    pub size: u64,
}

/// Bytes after the last part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    pub key: String,
    pub size: u64,
}

impl Handle {
    pub fn parse(text: &str) -> Result<Self, StorageError> {
        serde_json::from_str(text).map_err(|_| StorageError::Handle(text.to_owned()))
    }

    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("text and numbers serialize")
    }

    /// Bytes of the parts and the tail.
    pub fn size(&self) -> u64 {
        let tail = self.tail.as_ref().map_or(0, |tail| tail.size);
        self.parts.iter().map(|part| part.size).sum::<u64>() + tail
    }

    /// Bytes that the part is to have that comes after `more` beyond those here.
    pub fn next_part_size(&self, more: usize) -> u64 {
        part_size((self.parts.len() + more) as u64)
    }
}

/// Bytes of the part that has `before` parts before it.
fn part_size(before: u64) -> u64 {
    match before.checked_sub(SMALL_PARTS) {
        None => SMALLEST_PART,
        Some(more) => SMALLEST_PART * (2 + more / PARTS_OF_ONE_SIZE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_hold_1_tib() {
        let whole: u64 = (0..10_000).map(part_size).sum();
        assert!(whole >= 1 << 40, "{whole}");
        assert_eq!(part_size(0), SMALLEST_PART);
        assert!(part_size(9_999) <= 220 << 20, "S3 takes up to 5 GiB, but memory does not");
    }

    #[test]
    fn a_handle_survives_being_kept() {
        let handle = Handle {
            multipart: Some(Multipart { key: "blobs/uploaded/x".into(), id: "u-1".into() }),
            parts: vec![Part { etag: "\"e\"".into(), size: SMALLEST_PART }],
            tail: Some(Tail { key: "uploads/x/1".into(), size: 7 }),
        };
        assert_eq!(handle.size(), SMALLEST_PART + 7);
        assert_eq!(Handle::parse(&handle.to_text()).unwrap(), handle);
        assert_eq!(Handle::parse(&Handle::default().to_text()).unwrap(), Handle::default());
        assert!(Handle::parse("u-1").is_err());
    }
}
