//! How single settings are read: the type and the range in one step, with one message that says
//! what would be right.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use http::Uri;
use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tracing_subscriber::EnvFilter;

use super::LogFormat;
use crate::oci::RepositoryPattern;

/// A whole number from `MIN` to `MAX`.
pub fn between<'de, const MIN: i64, const MAX: i64, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<i64>,
    D: Deserializer<'de>,
{
    i64::deserialize(deserializer)
        .ok()
        .filter(|number| (MIN..=MAX).contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| D::Error::custom(format!("use a whole number from {MIN} to {MAX}")))
}

/// A number of bytes, of which there is no upper limit.
pub fn optional_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match u64::deserialize(deserializer) {
        Ok(size) if size > 0 => Ok(Some(size)),
        _ => Err(D::Error::custom("use a whole number of at least 1, or leave it out")),
    }
}

pub fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    text(deserializer).and_then(|text| text.parse().ok()).ok_or_else(|| {
        D::Error::custom("use IP:PORT, such as 127.0.0.1:5000, 0.0.0.0:5000 or [::]:5000")
    })
}

/// `http://HOST[:PORT]` or `https://HOST[:PORT]`; a slash at the end is taken off.
pub fn origin<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let right = "use http://HOST or https://HOST, with a port if it is not the usual one, and \
                 without a path";
    let url = text(deserializer).ok_or_else(|| D::Error::custom(right))?;
    let url = url.strip_suffix('/').unwrap_or(&url);
    let is_origin = url.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.path() == "/"
            && uri.query().is_none()
            && !url.ends_with('/')
    });
    if is_origin { Ok(Some(url.to_owned())) } else { Err(D::Error::custom(right)) }
}

/// Networks such as `10.0.0.0/8`, or single addresses.
pub fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let right = "use a list of addresses and networks, such as [\"10.0.0.0/8\"]";
    let texts = Vec::<String>::deserialize(deserializer).map_err(|_| D::Error::custom(right))?;
    let network = |text: &String| text.parse().or_else(|_| text.parse().map(IpAddr::into));
    let networks: Result<_, _> = texts.iter().map(network).collect();
    networks.map_err(|_| D::Error::custom(right))
}

pub fn file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    match text(deserializer) {
        Some(path) if !path.is_empty() => Ok(Some(path.into())),
        _ => Err(D::Error::custom("use the path of a file, or leave it out")),
    }
}

/// `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, `gs://BUCKET/PREFIX` or `file:///PATH`.
pub fn storage_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let url = text(deserializer).filter(|url| match url.split_once("://") {
        Some(("s3" | "az" | "gs", place)) => {
            !place.is_empty() && !place.starts_with('/') && !place.contains(['@', '?', '#', ':'])
        }
        Some(("file", path)) => path.starts_with('/'),
        _ => false,
    });
    let right = "use s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, gs://BUCKET/PREFIX or file:///PATH";
    url.map(Some).ok_or_else(|| D::Error::custom(right))
}

pub fn log_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LogFormat, D::Error> {
    match text(deserializer).as_deref() {
        Some("text") => Ok(LogFormat::Text),
        Some("json") => Ok(LogFormat::Json),
        _ => Err(D::Error::custom("use \"text\" or \"json\"")),
    }
}

pub fn log_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match text(deserializer) {
        Some(level) if !level.is_empty() && EnvFilter::try_new(&level).is_ok() => Ok(level),
        _ => Err(D::Error::custom(
            "use off, error, warn, info, debug or trace, also by part as in \"info,access=off\"",
        )),
    }
}

pub fn patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let patterns = Vec::<String>::deserialize(deserializer)
        .map_err(|_| D::Error::custom("use a list of patterns, such as [\"public/*\"]"))?;
    for pattern in &patterns {
        RepositoryPattern::parse(pattern).map_err(D::Error::custom)?;
    }
    Ok(patterns)
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Option<String> {
    String::deserialize(deserializer).ok()
}
