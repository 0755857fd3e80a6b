use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::fields;

/// `[storage]`: where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageSettings {
    /// Folder of all data; made if it is missing.
    pub data_dir: PathBuf,
    /// Where blobs are: `s3://BUCKET/PREFIX` or `file:///PATH`. The data folder if absent.
    #[serde(deserialize_with = "fields::storage_url")]
    pub url: Option<String>,
    /// Of an S3 service that is not Amazon's.
    #[serde(deserialize_with = "fields::origin")]
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// Whether the bucket stands in the path of URLs, and not in the name of the host.
    pub path_style: bool,
    /// Bytes of memory that uploads to a bucket may take together for their parts.
    #[serde(deserialize_with = "fields::between::<16_777_216, 1_099_511_627_776, _, _>")]
    pub upload_memory_bytes: u64,
    /// Whether clients that pull a blob are sent to the bucket.
    pub redirect: bool,
    /// Seconds that a link to the bucket holds.
    #[serde(deserialize_with = "fields::between::<1, 604_800, _, _>")]
    pub redirect_expiry_seconds: u32,
}

impl StorageSettings {
    /// Another store than the registry's own: where its URL is, and its service if it is not the
    /// same one.
    #[must_use]
    pub fn elsewhere(&self, url: &str, endpoint: Option<&str>, region: Option<&str>) -> Self {
        Self {
            url: Some(url.to_owned()),
            endpoint: endpoint.map(str::to_owned).or_else(|| self.endpoint.clone()),
            region: region.map(str::to_owned).or_else(|| self.region.clone()),
            ..self.clone()
        }
    }
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            data_dir: "./data".into(),
            url: None,
            endpoint: None,
            region: None,
            path_style: true,
            upload_memory_bytes: 48 << 20,
            redirect: false,
            redirect_expiry_seconds: 1200,
        }
    }
}
