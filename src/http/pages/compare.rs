//! Two tags side by side: what of the one is not in the other.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::artifact::{Config, platform_name, referrers};
use super::document::{self, Package, sbom as sbom_in};
use super::error::PageError;
use super::extract::{Parameters, Path};
use super::kind::Kind;
use super::page::{Visit, page};
use super::{assets, format};
use crate::http::App;
use crate::oci::{Descriptor, Reference, RepositoryName};
use crate::registry::{Inspection, Paging, Registry, RegistryError};

/// Tags that are proposed.
const PROPOSED: u64 = 100;

/// Rows of each list.
const SHOWN: usize = 150;

/// Characters of a value.
const VALUE_SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage<'a> {
    visit: &'a Visit,
    name: &'a RepositoryName,
    query: &'a Query,
    tags: Vec<String>,
    comparison: Option<Comparison>,
}

struct Comparison {
    a: Side,
    b: Side,
    platforms: Vec<String>,
    platform: String,
    layers: Vec<Change<String>>,
    settings: Vec<Change<(String, String)>>,
    /// None if not both have an SBOM that can be read.
    packages: Option<Vec<Change<(String, String)>>>,
    /// Bytes that somebody who has `a` pulls for `b`.
    to_pull: u64,
}

struct Side {
    digest: String,
    kind: Kind,
    size: u64,
    created_at: i64,
}

/// Something that the one has, or the other, or both with different values.
struct Change<T> {
    what: T,
    before: Option<String>,
    after: Option<String>,
}

impl<T> Change<T> {
    fn mark(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Query {
    a: String,
    b: String,
    platform: String,
}

pub async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<RepositoryName>,
    Parameters(query): Parameters<Query>,
) -> Result<Response, PageError> {
    let paging = Paging {
        order: crate::metadata::Order::NewestFirst,
        n: Some(PROPOSED),
        ..Paging::default()
    };
    let tags = app.registry.tag_records(&name, None, &paging).await?;
    let tags = tags.items.into_iter().map(|tag| tag.name.to_string()).collect();
    let comparison = if query.a.is_empty() || query.b.is_empty() {
        None
    } else {
        Some(compare(&app.registry, &name, &query).await?)
    };
    page(&ComparePage { visit: &visit, name: &name, query: &query, tags, comparison })
}

async fn compare(
    registry: &Registry,
    name: &RepositoryName,
    query: &Query,
) -> Result<Comparison, PageError> {
    let a = registry.inspect(name, &Reference::parse(query.a.trim())?, true).await?;
    let b = registry.inspect(name, &Reference::parse(query.b.trim())?, true).await?;
    let platforms = common_platforms(&a, &b);
    let platform = if platforms.contains(&query.platform) {
        query.platform.clone()
    } else {
        platforms.first().cloned().unwrap_or_default()
    };
    let sides = (side(&a), side(&b));
    let packages = match (sbom(registry, name, &a).await?, sbom(registry, name, &b).await?) {
        (Some(a), Some(b)) => Some((a, b)),
        _ => None,
    };
    let a = of_platform(registry, name, a, &platform).await?;
    let b = of_platform(registry, name, b, &platform).await?;
    let packages = match packages {
        Some(packages) => Some(packages),
        None => match (sbom(registry, name, &a).await?, sbom(registry, name, &b).await?) {
            (Some(a), Some(b)) => Some((a, b)),
            _ => None,
        },
    };
    let (layers, to_pull) = compare_layers(&a, &b);
    Ok(Comparison {
        a: sides.0,
        b: sides.1,
        platforms,
        platform,
        layers,
        to_pull,
        settings: changes(&settings(&a), &settings(&b)),
        packages: packages.map(|(a, b)| changes(&a, &b)),
    })
}

fn side(found: &Inspection) -> Side {
    Side {
        digest: found.details.record.digest.to_string(),
        kind: Kind::of_manifest(found),
        size: found.usage.size,
        created_at: found.details.record.created_at,
    }
}

fn platforms(found: &Inspection) -> Vec<String> {
    let children = found.details.manifest.manifests.iter();
    let named = children.filter_map(|child| child.platform.as_ref()).map(platform_name);
    named.filter(|name| !name.starts_with("unknown")).collect()
}

fn common_platforms(a: &Inspection, b: &Inspection) -> Vec<String> {
    match (platforms(a), platforms(b)) {
        (a, b) if b.is_empty() => a,
        (a, b) if a.is_empty() => b,
        (a, b) => a.into_iter().filter(|name| b.contains(name)).collect(),
    }
}

/// The image of an index for a platform; anything else itself.
async fn of_platform(
    registry: &Registry,
    name: &RepositoryName,
    found: Inspection,
    platform: &str,
) -> Result<Inspection, PageError> {
    let is_it = |child: &&Descriptor| {
        child.platform.as_ref().is_some_and(|found| platform_name(found) == platform)
    };
    let Some(child) = found.details.manifest.manifests.iter().find(is_it) else {
        return Ok(found);
    };
    match registry.inspect(name, &Reference::Digest(child.digest.clone()), true).await {
        Ok(child) => Ok(child),
        Err(RegistryError::ManifestUnknown { .. } | RegistryError::ManifestDamaged(_)) => Ok(found),
        Err(error) => Err(error.into()),
    }
}

/// What of the layers differs, and the bytes that only the second has.
fn compare_layers(a: &Inspection, b: &Inspection) -> (Vec<Change<String>>, u64) {
    let (before, after) = (&a.details.manifest.layers, &b.details.manifest.layers);
    let has = |layers: &[Descriptor], layer: &Descriptor| {
        layers.iter().any(|other| other.digest == layer.digest)
    };
    let change = |layer: &Descriptor, is_before| {
        let size = Some(format::size(layer.size));
        let (before, after) = if is_before { (size, None) } else { (None, size) };
        Change { what: name_of(layer), before, after }
    };
    let removed = before.iter().filter(|layer| !has(after, layer)).map(|layer| change(layer, true));
    let added = after.iter().filter(|layer| !has(before, layer));
    let to_pull = added.clone().map(|layer| layer.size).sum();
    let added = added.map(|layer| change(layer, false));
    (removed.chain(added).take(SHOWN).collect(), to_pull)
}

fn name_of(layer: &Descriptor) -> String {
    let title = layer.annotations.as_ref();
    let title = title.and_then(|found| found.get("org.opencontainers.image.title"));
    title.cloned().unwrap_or_else(|| format::short(&layer.digest))
}

type Values = BTreeMap<(String, String), String>;

/// Config, labels and annotations by their kind and name.
fn settings(found: &Inspection) -> Values {
    let mut values = Values::new();
    let mut add = |kind: &str, name: &str, value: &str| {
        values.insert((kind.to_owned(), name.to_owned()), value.to_owned());
    };
    for (name, value) in &found.details.manifest.annotations {
        add("annotation", name, value);
    }
    if let Some(config) = &found.config {
        let config = Config::read(config);
        for (name, value) in config.facts() {
            add("config", name, &value);
        }
        for (name, value) in &config.environment {
            add("environment", name, value);
        }
        for (name, value) in &config.labels {
            add("label", name, value);
        }
    }
    values
}

/// The packages of the first SBOM that refers to a manifest, by name.
async fn sbom(
    registry: &Registry,
    name: &RepositoryName,
    found: &Inspection,
) -> Result<Option<Values>, PageError> {
    let referrers = referrers(registry, name, found).await?;
    let Some(referrer) = referrers.iter().find(|referrer| referrer.kind == Kind::Sbom) else {
        return Ok(None);
    };
    let details = match registry.manifest_details(name, &referrer.digest).await {
        Ok(details) => details,
        Err(RegistryError::ManifestUnknown { .. } | RegistryError::ManifestDamaged(_)) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let Some(layer) = details.manifest.layers.first() else { return Ok(None) };
    let text = match registry.small_blob(name, &layer.digest, document::MAX_BYTES).await {
        Ok(text) => text.unwrap_or_default(),
        Err(RegistryError::BlobUnknown { .. } | RegistryError::Disallowed(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let found = serde_json::from_slice(&text).ok().and_then(|value| sbom_in(&value));
    Ok(found.map(|found| versions(&found.packages)))
}

fn versions(packages: &[Package]) -> Values {
    let mut found: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let key = ("package".to_owned(), package.name.clone());
        found.entry(key).or_default().insert(&package.version);
    }
    let joined = found
        .into_iter()
        .map(|(key, versions)| (key, versions.into_iter().collect::<Vec<_>>().join(", ")));
    joined.collect()
}

fn changes(before: &Values, after: &Values) -> Vec<Change<(String, String)>> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differing = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    differing
        .take(SHOWN)
        .map(|key| Change {
            what: key.clone(),
            before: before.get(key).map(|value| format::cut(value, VALUE_SHOWN).into_owned()),
            after: after.get(key).map(|value| format::cut(value, VALUE_SHOWN).into_owned()),
        })
        .collect()
}
