//! What an image runs on, as its config says (image-spec, config.md).

use serde::Deserialize;

use super::{Registry, RegistryError};
use crate::metadata;
use crate::oci::{Manifest, MediaType, RepositoryName};

/// Configs above this size, in bytes, are not looked into.
const MAX_CONFIG: u64 = 1 << 20;

#[derive(Default, Deserialize)]
pub(super) struct ImagePlatform {
    pub architecture: Option<String>,
    pub os: Option<String>,
}

impl Registry {
    /// Reads the platform from an image's config; empty if the config is of another type, is not
    /// there, or makes no sense: that is not the registry's to judge.
    pub(super) async fn image_platform(
        &self,
        repository: &RepositoryName,
        manifest: &Manifest,
    ) -> Result<ImagePlatform, RegistryError> {
        let Some(config) = &manifest.config else { return Ok(ImagePlatform::default()) };
        let is_image =
            matches!(config.media_type.as_str(), MediaType::OCI_CONFIG | MediaType::DOCKER_CONFIG);
        if !is_image || config.size > MAX_CONFIG {
            return Ok(ImagePlatform::default());
        }
        let mut connection = self.database.read().await?;
        let found = metadata::blobs::find(&mut connection, repository, &config.digest).await?;
        drop(connection);
        let sound = found.filter(|found| !found.is_damaged).map(|found| found.blob);
        let Some(blob) = sound.filter(|blob| blob.size <= MAX_CONFIG) else {
            return Ok(ImagePlatform::default());
        };
        let bytes = self.read_blob(&blob).await?.read_all().await?;
        let found: ImagePlatform = serde_json::from_slice(&bytes).unwrap_or_default();
        let plain = |text: &String| !text.contains(char::is_control);
        Ok(ImagePlatform {
            architecture: found.architecture.filter(plain),
            os: found.os.filter(plain),
        })
    }
}
