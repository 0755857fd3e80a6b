use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::Service;
use crate::settings::StorageSettings;
use crate::storage::StorageError;

/// Without an answer, or without a byte of one, for so long, a request has failed. In this time a
/// part must be through.
const SILENCE: Duration = Duration::from_secs(60);

/// From when on a failed request is not tried again, counted from its first attempt; a client that
/// waits for its answer is told that the store is away.
const PATIENCE: Duration = Duration::from_secs(15);

const ATTEMPTS: usize = 6;

/// Whose service a bucket is at; they differ in what becomes of an upload by parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon, and whoever speaks as they do.
    S3,
    Azure,
    Google,
}

/// A bucket as its settings name it.
pub struct Bucket {
    pub cloud: Cloud,
    pub service: Arc<dyn Service>,
    /// Of our keys.
    pub prefix: Path,
}

/// The client of the bucket that `url` names.
///
/// Credentials come from the usual environment of each cloud: keys, web identity, the roles of
/// containers and of machines.
pub fn connect(url: &str, settings: &StorageSettings) -> Result<Bucket, StorageError> {
    let wrong = |reason: String| StorageError::Url { url: url.to_owned(), reason };
    let (scheme, place) = url.split_once("://").unwrap_or_default();
    let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = Path::parse(prefix).map_err(|error| wrong(error.to_string()))?;
    let (cloud, service) = match scheme {
        "s3" => (Cloud::S3, s3(name, settings)?),
        "az" => (Cloud::Azure, azure(name, settings)?),
        "gs" => (Cloud::Google, google(name, settings)?),
        _ => {
            let right = "use s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, gs://BUCKET/PREFIX or \
                         file:///PATH";
            return Err(wrong(right.into()));
        }
    };
    Ok(Bucket { cloud, service, prefix })
}

fn s3(bucket: &str, settings: &StorageSettings) -> Result<Arc<dyn Service>, StorageError> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_client_options(options(settings))
        .with_retry(retries());
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        let endpoint = match endpoint.split_once("://") {
            Some((scheme, host)) if !settings.path_style => format!("{scheme}://{bucket}.{host}"),
            _ => endpoint.clone(),
        };
        builder = builder.with_endpoint(endpoint);
    }
    // TLS says already that what arrives is what was sent; without it each part is hashed for that.
    Ok(Arc::new(builder.with_unsigned_payload(!is_plain(settings)).build()?))
}

fn azure(container: &str, settings: &StorageSettings) -> Result<Arc<dyn Service>, StorageError> {
    let mut options = options(settings);
    // Azure's own emulator, which knows no encryption.
    if std::env::var("AZURE_STORAGE_USE_EMULATOR").is_ok_and(|value| value == "true") {
        options = options.with_allow_http(true);
    }
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_client_options(options)
        .with_retry(retries());
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    Ok(Arc::new(builder.build()?))
}

fn google(bucket: &str, settings: &StorageSettings) -> Result<Arc<dyn Service>, StorageError> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(options(settings))
        .with_retry(retries());
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    Ok(Arc::new(builder.build()?))
}

fn is_plain(settings: &StorageSettings) -> bool {
    settings.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"))
}

fn options(settings: &StorageSettings) -> ClientOptions {
    ClientOptions::new()
        .with_user_agent(http::HeaderValue::from_static(concat!(
            "orlop/",
            env!("CARGO_PKG_VERSION")
        )))
        .with_allow_http(is_plain(settings))
        .with_connect_timeout(Duration::from_secs(5))
        .with_timeout_disabled()
        .with_read_timeout(SILENCE)
}

fn retries() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(3),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: ATTEMPTS, retry_timeout: PATIENCE }
}
