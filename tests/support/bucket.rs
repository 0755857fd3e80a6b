//! A bucket of the kind that this run of the tests is for: `ORLOP_TEST_STORAGE`, S3 by default.

use super::{Azurite, Google, S3};

pub enum Bucket {
    S3(S3),
    Azure(Azurite),
    Google(Google),
}

impl Bucket {
    /// None if its server could not be set up here; then the test ends early, and that is told.
    pub async fn start() -> Option<Self> {
        match std::env::var("ORLOP_TEST_STORAGE").as_deref() {
            Ok("azure") => Some(Self::Azure(Azurite::start().await?)),
            Ok("gcs") => Some(Self::Google(Google::start().await?)),
            Ok("disk" | "s3") | Err(_) => Some(Self::S3(S3::start().await?)),
            Ok(other) => panic!("ORLOP_TEST_STORAGE is {other:?}: use disk, s3, azure or gcs"),
        }
    }

    /// What a server's environment must hold to keep its blobs here.
    pub fn environment(&self) -> Vec<(String, String)> {
        match self {
            Self::S3(s3) => s3.environment(),
            Self::Azure(azurite) => azurite.environment(),
            Self::Google(google) => google.environment(),
        }
    }

    pub fn endpoint(&self) -> &str {
        match self {
            Self::S3(s3) => s3.endpoint(),
            Self::Azure(azurite) => azurite.endpoint(),
            Self::Google(google) => google.endpoint(),
        }
    }

    /// Whether it can sign links: Google's are signed with keys that only Google can check.
    pub fn signs_links(&self) -> bool {
        !matches!(self, Self::Google(_))
    }

    /// The keys of all objects, below the prefix.
    pub async fn keys(&self) -> Vec<String> {
        match self {
            Self::S3(s3) => s3.keys().await,
            Self::Azure(azurite) => azurite.keys().await,
            Self::Google(google) => google.s3.keys().await,
        }
    }

    /// How many uploads by parts are neither completed nor aborted.
    pub async fn multipart_uploads(&self) -> usize {
        match self {
            Self::S3(s3) => s3.multipart_uploads().await,
            Self::Azure(azurite) => azurite.multipart_uploads().await,
            Self::Google(google) => google.s3.multipart_uploads().await,
        }
    }

    pub async fn put(&self, key: &str, content: &'static str) {
        match self {
            Self::S3(s3) => s3.put(key, content).await,
            Self::Azure(azurite) => azurite.put(key, content).await,
            Self::Google(google) => google.s3.put(key, content).await,
        }
    }

    pub async fn remove(&self, key: &str) {
        match self {
            Self::S3(s3) => s3.remove(key).await,
            Self::Azure(azurite) => azurite.remove(key).await,
            Self::Google(google) => google.s3.remove(key).await,
        }
    }

    pub async fn stop(&mut self) {
        match self {
            Self::S3(s3) => s3.stop().await,
            Self::Azure(azurite) => azurite.stop().await,
            Self::Google(google) => google.s3.stop().await,
        }
    }

    pub async fn restart(&mut self) {
        match self {
            Self::S3(s3) => s3.restart().await,
            Self::Azure(azurite) => azurite.restart().await,
            Self::Google(google) => google.s3.restart().await,
        }
    }
}
