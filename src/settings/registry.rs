use serde::{Deserialize, Serialize};

use super::fields;

/// `[registry]`: what may be pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrySettings {
    /// Whether an index may name manifests that the repository does not hold.
    pub sparse_indexes: bool,
    /// Whether an image may name blobs that the repository does not hold. Such an image cannot be
    /// pulled whole.
    pub sparse_images: bool,
    #[serde(deserialize_with = "fields::between::<1, 67_108_864, _, _>")]
    pub max_manifest_bytes: usize,
    /// Seconds that an upload session lives after its last use.
    #[serde(deserialize_with = "fields::between::<1, 31_536_000, _, _>")]
    pub upload_expiry_seconds: u32,
    /// Seconds after which an upload may go on at another server, if the one that was receiving it
    /// says no more.
    #[serde(deserialize_with = "fields::between::<1, 3600, _, _>")]
    pub upload_lease_seconds: u32,
    /// Days that deleted tags and manifests can be restored.
    #[serde(deserialize_with = "fields::between::<0, 3650, _, _>")]
    pub deleted_retention_days: u32,
    /// Seconds for which pulls are counted in memory before the counts are kept; 0 counts none.
    #[serde(deserialize_with = "fields::between::<0, 3600, _, _>")]
    pub pull_count_seconds: u32,
    /// No limit if absent.
    #[serde(deserialize_with = "fields::optional_size")]
    pub max_blob_bytes: Option<u64>,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            sparse_indexes: true,
            sparse_images: false,
            max_manifest_bytes: 4 * 1024 * 1024,
            upload_expiry_seconds: 24 * 3600,
            upload_lease_seconds: 15,
            deleted_retention_days: 7,
            pull_count_seconds: 30,
            max_blob_bytes: None,
        }
    }
}
