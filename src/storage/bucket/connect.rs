use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
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

/// The client of the bucket that `url` names, and the prefix of our keys in it.
///
/// Credentials come from the usual environment: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, web
/// identity, the roles of containers and of machines.
pub fn connect(
    url: &str,
    settings: &StorageSettings,
) -> Result<(Arc<dyn Service>, Path), StorageError> {
    let wrong = |reason: String| StorageError::Url { url: url.to_owned(), reason };
    let Some(location) = url.strip_prefix("s3://") else {
        return Err(wrong("use s3://BUCKET/PREFIX or file:///PATH".into()));
    };
    let (bucket, prefix) = location.split_once('/').unwrap_or((location, ""));
    let prefix = Path::parse(prefix).map_err(|error| wrong(error.to_string()))?;
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_client_options(options())
        .with_retry(retries());
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    // TLS says already that what arrives is what was sent; without it each part is hashed for that.
    let mut is_plain = false;
    if let Some(endpoint) = &settings.endpoint {
        is_plain = endpoint.starts_with("http://");
        let endpoint = match endpoint.split_once("://") {
            Some((scheme, host)) if !settings.path_style => format!("{scheme}://{bucket}.{host}"),
            _ => endpoint.clone(),
        };
        builder = builder.with_endpoint(endpoint).with_allow_http(is_plain);
    }
    let service = builder.with_unsigned_payload(!is_plain).build()?;
    Ok((Arc::new(service), prefix))
}

fn options() -> ClientOptions {
    ClientOptions::new()
        .with_user_agent(http::HeaderValue::from_static(concat!(
            "orlop/",
            env!("CARGO_PKG_VERSION")
        )))
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
