use serde::{Deserialize, Serialize};

use super::fields;

/// `[scrub]`: looking for damage in what is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScrubSettings {
    /// Hours from the end of one look to the next one of the server; 0 for none.
    #[serde(deserialize_with = "fields::between::<0, 87_600, _, _>")]
    pub interval_hours: u32,
    /// Bytes read in a second at most; 0 for no limit.
    #[serde(deserialize_with = "fields::between::<0, 1_099_511_627_776, _, _>")]
    pub bytes_per_second: u64,
    /// Another store, or the folder of a backup, with copies of blobs.
    #[serde(deserialize_with = "fields::storage_url")]
    pub copy: Option<String>,
    /// Of the S3 service of the copy; that of the storage if absent.
    #[serde(deserialize_with = "fields::origin")]
    pub copy_endpoint: Option<String>,
    pub copy_region: Option<String>,
    /// Seconds for which bytes without a row may be of an upload under way.
    #[serde(deserialize_with = "fields::between::<0, 31_536_000, _, _>")]
    pub grace_seconds: u32,
    /// Whether older ones are given to the collector.
    pub collect: bool,
}

impl ScrubSettings {
    /// Bytes read in a second at most, if there is a limit.
    pub fn limit(&self) -> Option<u64> {
        (self.bytes_per_second > 0).then_some(self.bytes_per_second)
    }
}

impl Default for ScrubSettings {
    fn default() -> Self {
        Self {
            interval_hours: 0,
            bytes_per_second: 20 << 20,
            copy: None,
            copy_endpoint: None,
            copy_region: None,
            grace_seconds: 24 * 3600,
            collect: false,
        }
    }
}
