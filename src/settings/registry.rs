use serde::Deserialize;

/// `[registry]`: what content is taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrySettings {
    /// Whether an index may list manifests that the repository does not have.
    pub sparse_indexes: bool,
    /// Whether an image may list blobs that the repository does not have. Such an image cannot be
    /// pulled whole.
    pub sparse_images: bool,
    /// Bytes of the largest manifest.
    pub max_manifest_bytes: u64,
    /// Bytes of the largest blob; without it there is no limit.
    pub max_blob_bytes: Option<u64>,
    /// Seconds after which an upload session to which nothing is added is removed.
    pub upload_expiry_seconds: u64,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            sparse_indexes: true,
            sparse_images: false,
            max_manifest_bytes: 4 << 20,
            max_blob_bytes: None,
            upload_expiry_seconds: 24 * 3600,
        }
    }
}
