use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::Service;
use super::profile::{Keys, Profile};
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
/// Credentials come from the usual environment of each cloud: keys, profiles, web identity, the roles
/// of containers and of machines.
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
    let profile = Profile::load(&variable)?;
    let endpoint = match (&settings.endpoint, first_variable(&ENDPOINTS)) {
        (Some(endpoint), _) => Some(endpoint.clone()),
        (None, Some(endpoint)) => Some(endpoint),
        (None, None) => profile.endpoint()?,
    };
    let is_plain = is_plain(endpoint.as_deref());
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_client_options(options(endpoint.as_deref()))
        .with_retry(retries());
    if let Some(keys) = profile_keys(&profile)? {
        builder = builder.with_access_key_id(keys.id).with_secret_access_key(keys.secret);
        if let Some(token) = keys.token {
            builder = builder.with_token(token);
        }
    }
    let region = || first_variable(&REGIONS).is_none().then(|| profile.region()).flatten();
    if let Some(region) = settings.region.clone().or_else(region) {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = endpoint {
        let endpoint = endpoint.trim_end_matches('/');
        let endpoint = match endpoint.split_once("://") {
            Some((scheme, host)) if !settings.path_style => format!("{scheme}://{bucket}.{host}"),
            _ => endpoint.to_owned(),
        };
        // The key that counts before all others.
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    // TLS says already that what arrives is what was sent; without it each part is hashed for that.
    Ok(Arc::new(builder.with_unsigned_payload(!is_plain).build()?))
}

const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// The keys of the profile, unless the environment has others that count before them. A profile that
/// nobody named comes after the identity that Kubernetes gives.
fn profile_keys(profile: &Profile) -> Result<Option<Keys>, StorageError> {
    let is_set = |name| variable(name).is_some();
    let has_keys = is_set("AWS_ACCESS_KEY_ID") || is_set("AWS_SECRET_ACCESS_KEY");
    let has_identity = is_set("AWS_WEB_IDENTITY_TOKEN_FILE") && is_set("AWS_ROLE_ARN");
    if has_keys || (has_identity && !profile.is_named) { Ok(None) } else { profile.keys() }
}

/// A variable of the environment that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn first_variable(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| variable(name))
}

fn azure(container: &str, settings: &StorageSettings) -> Result<Arc<dyn Service>, StorageError> {
    let mut options = options(settings.endpoint.as_deref());
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
        .with_client_options(options(settings.endpoint.as_deref()))
        .with_retry(retries());
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    Ok(Arc::new(builder.build()?))
}

fn is_plain(endpoint: Option<&str>) -> bool {
    endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"))
}

fn options(endpoint: Option<&str>) -> ClientOptions {
    ClientOptions::new()
        .with_user_agent(http::HeaderValue::from_static(concat!(
            "orlop/",
            env!("CARGO_PKG_VERSION")
        )))
        .with_allow_http(is_plain(endpoint))
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
