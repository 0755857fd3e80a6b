//! The page of a manifest: what it is made of, what belongs to it, how to pull it.

mod config;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;

pub use self::config::{Config, Step};
use super::error::PageError;
use super::extract::Path;
use super::kind::{self, Kind};
use super::page::{Visit, page};
use super::pull::{Command, Pull, TITLE};
use super::repository::Lock;
use super::{assets, document, format, markdown};
use crate::http::App;
use crate::metadata::overviews::ManifestGlance;
use crate::oci::{Descriptor, Digest, Reference, RepositoryName, Tag};
use crate::registry::{Inspection, Registry, RegistryError};

/// Manifests above this size, in bytes, are shown raw only.
const MAX_SHOWN: usize = 16 * 1024;

/// READMEs above this size, in bytes, are not shown.
const MAX_README: u64 = 256 * 1024;

/// Referrers whose own referrers are shown too.
const REFERRERS_FOLLOWED: usize = 20;

/// Layers and children that the page lists.
const PARTS_SHOWN: usize = 120;

/// The path of a file of a model, as ModelPack's tools give it.
const MODEL_PATH: &str = "org.cncf.model.filepath";

/// Annotations and labels that the page lists, and characters of each.
const TEXTS_SHOWN: usize = 100;
const TEXT_SHOWN: usize = 1000;

/// Characters of a name in a list.
const NAME_SHOWN: usize = 300;

#[derive(Template)]
#[template(path = "artifact.html")]
struct ArtifactPage<'a> {
    visit: &'a Visit,
    name: &'a RepositoryName,
    reference: &'a str,
    digest: &'a Digest,
    found: &'a Inspection,
    kind: Kind,
    commands: Vec<Command>,
    platforms: Vec<Child>,
    config: Option<Config>,
    /// What the config of anything but an image says.
    settings: Vec<(String, String)>,
    layers: Vec<Layer>,
    /// Of all layers together.
    layers_size: u64,
    referrers: Vec<Referrer>,
    annotations: Vec<(&'a str, &'a str, Option<&'a str>)>,
    readme: Option<String>,
    /// The manifest itself, indented.
    pretty: Option<String>,
    locks: Vec<Lock>,
}

/// A child of an index.
struct Child {
    digest: Digest,
    platform: String,
    kind: Kind,
    size: u64,
    is_here: bool,
}

struct Layer {
    digest: Digest,
    media_type: String,
    size: u64,
    /// The name of the file that it is, as oras gives it.
    title: Option<String>,
    /// The step that made it.
    step: Option<String>,
    shared_with: Vec<Tag>,
    has_files: bool,
    is_document: bool,
    /// Where it stands in the picture, in thousandths.
    start: u64,
    width: u64,
}

impl ArtifactPage<'_> {
    fn promote_url(&self) -> String {
        let source = format!("{}@{}", self.name, self.digest);
        format::with_query("/promote", &[("source", &source)])
    }

    /// The size of the layer that a step of the build made, in words.
    fn size_of(&self, step: &Step) -> String {
        let layers = &self.found.details.manifest.layers;
        let layer = step.layer.and_then(|layer| layers.get(layer));
        layer.map(|layer| format::size(layer.size)).unwrap_or_default()
    }
}

impl Layer {
    /// What a person calls it.
    fn label(&self) -> String {
        let label = self.title.as_ref().or(self.step.as_ref()).filter(|text| !text.is_empty());
        label.map_or_else(
            || format::short(&self.digest),
            |label| format::cut(label, NAME_SHOWN).into_owned(),
        )
    }
}

/// Something that refers to the manifest, with what refers to it in turn.
pub struct Referrer {
    pub digest: Digest,
    pub kind: Kind,
    /// The type of what it states, or its own.
    pub artifact_type: String,
    pub created: Option<String>,
    pub children: Vec<Self>,
}

pub async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((name, reference)): Path<(RepositoryName, String)>,
) -> Result<Response, PageError> {
    let may_pull = visit.may_pull(&name);
    let found = app.registry.inspect(&name, &Reference::parse(&reference)?, may_pull).await?;
    let record = &found.details.record;
    let manifest = &found.details.manifest;
    let kind = Kind::of_manifest(&found);
    let (config, settings) = match &found.config {
        Some(config) if kind == Kind::Image => (Some(Config::read(config)), Vec::new()),
        Some(config) if !has_config_of_image(&found) => (None, config::settings(config)),
        _ => (None, Vec::new()),
    };
    let pretty = if may_pull { pretty(&app.registry, &name, &record.digest).await? } else { None };
    let readme = readme(&app.registry, &name, &found, may_pull).await?;
    let annotations = manifest.annotations.iter();
    let annotations = annotations.filter(|(key, value)| !is_readme(key, value)).take(TEXTS_SHOWN);
    page(&ArtifactPage {
        visit: &visit,
        name: &name,
        reference: &reference,
        digest: &record.digest,
        commands: Pull { name: &name, reference: &reference, kind, layers: &manifest.layers }
            .commands(&visit),
        platforms: children(&app.registry, &name, &manifest.manifests).await?,
        layers: layers(&app.registry, &name, &found, config.as_ref()).await?,
        layers_size: manifest.layers.iter().map(|layer| layer.size).sum(),
        referrers: referrers(&app.registry, &name, &found).await?,
        annotations: annotations
            .map(|(key, value)| (&**key, &**value, markdown::web_address(value)))
            .collect(),
        locks: Lock::all(&record.attributes),
        readme,
        pretty,
        config,
        settings,
        kind,
        found: &found,
    })
}

pub async fn raw(
    State(app): State<App>,
    Path((name, reference)): Path<(RepositoryName, String)>,
) -> Result<Response, PageError> {
    let manifest = app.registry.manifest(&name, &Reference::parse(&reference)?).await?;
    // As text: a browser shall show it and never take it for a page.
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, manifest.content).into_response())
}

/// What is no image has the config of one where a tool knew no other.
fn has_config_of_image(found: &Inspection) -> bool {
    let config_type = found.details.record.config_media_type.as_deref();
    Kind::of_types(None, config_type, "") == Kind::Image
}

async fn pretty(
    registry: &Registry,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Option<String>, PageError> {
    let manifest = match registry.manifest(name, &Reference::Digest(digest.clone())).await {
        Ok(manifest) => manifest,
        // Locked against reading, it is still there to look at from outside.
        Err(RegistryError::Disallowed(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if manifest.content.len() > MAX_SHOWN {
        return Ok(None);
    }
    let value: Option<serde_json::Value> = serde_json::from_slice(&manifest.content).ok();
    Ok(value.and_then(|value| serde_json::to_string_pretty(&value).ok()))
}

async fn children(
    registry: &Registry,
    name: &RepositoryName,
    children: &[Descriptor],
) -> Result<Vec<Child>, PageError> {
    let shown = &children[..children.len().min(PARTS_SHOWN)];
    let digests: Vec<_> = shown.iter().map(|child| &child.digest).collect();
    let glances = registry.manifest_glances(name, &digests).await?;
    Ok(shown.iter().map(|child| Child::new(child, glances.get(&child.digest))).collect())
}

impl Child {
    fn new(child: &Descriptor, glance: Option<&ManifestGlance>) -> Self {
        let platform = child.platform.as_ref().map(platform_name).unwrap_or_default();
        let is_attestation = child.annotations.as_ref().is_some_and(|annotations| {
            annotations.get("vnd.docker.reference.type").is_some_and(|kind| kind.contains("attest"))
        });
        let kind = match glance {
            _ if is_attestation => Kind::Attestation,
            Some(glance) => Kind::of_glance(glance),
            None => Kind::of_referrer(child),
        };
        Self {
            digest: child.digest.clone(),
            platform,
            kind,
            size: glance.map_or(child.size, |glance| glance.content_size),
            is_here: glance.is_some(),
        }
    }
}

pub fn platform_name(platform: &crate::oci::Platform) -> String {
    let mut text = format!("{}/{}", platform.os, platform.architecture);
    if let Some(variant) = &platform.variant {
        text.push('/');
        text.push_str(variant);
    }
    text
}

async fn layers(
    registry: &Registry,
    name: &RepositoryName,
    found: &Inspection,
    config: Option<&Config>,
) -> Result<Vec<Layer>, PageError> {
    let layers = &found.details.manifest.layers;
    let layers = &layers[..layers.len().min(PARTS_SHOWN)];
    let digests: Vec<_> = layers.iter().map(|layer| &layer.digest).collect();
    let digest = &found.details.record.digest;
    let shared = registry.tags_sharing(name, digest, &digests).await?;
    let mut steps = config.map(Config::layer_steps).unwrap_or_default().into_iter();
    let widths = widths(layers);
    let mut start = 0;
    let mut found = Vec::new();
    for ((layer, shared_with), width) in layers.iter().zip(shared).zip(widths) {
        let media_type = layer.media_type.as_str();
        let title = annotation(layer, TITLE).or_else(|| annotation(layer, MODEL_PATH));
        found.push(Layer {
            digest: layer.digest.clone(),
            has_files: is_archive(media_type, title.as_deref()),
            is_document: document::is_readable(media_type, layer.size),
            media_type: media_type.to_owned(),
            size: layer.size,
            title,
            step: steps.next(),
            shared_with,
            start,
            width,
        });
        start += width;
    }
    Ok(found)
}

/// Whether a layer is a tar archive, plain or packed, by its type or else by the name of its file.
fn is_archive(media_type: &str, title: Option<&str>) -> bool {
    let is_tar = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|part| part == "tar");
    is_tar(media_type) || title.is_some_and(|title| is_tar(title) || title.ends_with(".tgz"))
}

/// The layers' parts of a thousand, each wide enough to be seen.
fn widths(layers: &[Descriptor]) -> Vec<u64> {
    const WHOLE: u64 = 1000;
    let count = layers.len() as u64;
    let least = (WHOLE / 4).checked_div(count).unwrap_or(0).min(8);
    let rest = WHOLE - least * count;
    let total: u128 = layers.iter().map(|layer| u128::from(layer.size)).sum();
    let mut size = 0;
    let mut end = 0;
    let mut widths = Vec::new();
    for (layer, n) in layers.iter().zip(1..) {
        size += u128::from(layer.size);
        // From sums, so that what is rounded off does not add up.
        let share = (size * u128::from(rest)).checked_div(total).unwrap_or(0);
        let start = std::mem::replace(&mut end, least * n + u64::try_from(share).unwrap_or(rest));
        widths.push(end - start);
    }
    widths
}

fn annotation(descriptor: &Descriptor, name: &str) -> Option<String> {
    descriptor.annotations.as_ref()?.get(name).cloned()
}

fn is_readme(key: &str, value: &str) -> bool {
    let key = key.to_ascii_lowercase();
    (key.ends_with("readme") || key.ends_with("readme.md"))
        && markdown::web_address(value).is_none()
}

/// The README that an annotation holds, or a layer that is one.
async fn readme(
    registry: &Registry,
    name: &RepositoryName,
    found: &Inspection,
    may_pull: bool,
) -> Result<Option<String>, PageError> {
    let manifest = &found.details.manifest;
    let annotation = manifest.annotations.iter().find(|(key, value)| is_readme(key, value));
    if let Some((_, text)) = annotation {
        return Ok(Some(markdown::render(text)));
    }
    let is_readme = |layer: &&Descriptor| {
        let title = annotation_title(layer);
        layer.size <= MAX_README
            && title.is_some_and(|title| title.eq_ignore_ascii_case("README.md"))
    };
    let Some(layer) = manifest.layers.iter().find(is_readme).filter(|_| may_pull) else {
        return Ok(None);
    };
    match registry.small_blob(name, &layer.digest, MAX_README).await {
        Ok(text) => Ok(text.map(|text| markdown::render(&String::from_utf8_lossy(&text)))),
        Err(RegistryError::BlobUnknown { .. } | RegistryError::Disallowed(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn annotation_title(layer: &Descriptor) -> Option<&str> {
    let annotations = layer.annotations.as_ref()?;
    let title = annotations.get(TITLE).or_else(|| annotations.get(MODEL_PATH))?;
    title.rsplit('/').next()
}

/// What refers to the manifest, two levels of it, and what cosign tagged by its digest.
pub async fn referrers(
    registry: &Registry,
    name: &RepositoryName,
    found: &Inspection,
) -> Result<Vec<Referrer>, PageError> {
    let mut tree: Vec<_> = found.referrers.iter().map(Referrer::new).collect();
    for referrer in tree.iter_mut().take(REFERRERS_FOLLOWED) {
        let below = registry.referrers(name, &referrer.digest, None, Some(20), None).await?;
        referrer.children = below.items.iter().map(Referrer::new).collect();
    }
    let digest = found.details.record.digest.to_string().replace(':', "-");
    for (suffix, kind) in kind::COSIGN_TAGS {
        let Ok(tag) = Tag::parse(&format!("{digest}.{suffix}")) else { continue };
        if let Ok(digest) = registry.resolve(name, &Reference::Tag(tag)).await {
            let artifact_type = "by cosign, under a tag".to_owned();
            let (created, children) = (None, Vec::new());
            tree.push(Referrer { digest, kind, artifact_type, created, children });
        }
    }
    Ok(tree)
}

impl Referrer {
    fn new(descriptor: &Descriptor) -> Self {
        let stated = descriptor.annotations.as_ref().and_then(kind::predicate_type);
        Self {
            digest: descriptor.digest.clone(),
            kind: Kind::of_referrer(descriptor),
            artifact_type: stated
                .or(descriptor.artifact_type.as_deref())
                .unwrap_or_default()
                .into(),
            created: annotation(descriptor, "org.opencontainers.image.created"),
            children: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::MediaType;

    #[test]
    fn the_parts_of_a_picture_fill_it_and_none_is_too_small_to_see() {
        for sizes in [vec![5], vec![1, 1, 1], vec![1, 1_000_000_000], (1..=48).collect()] {
            let layer = |size| Descriptor {
                media_type: MediaType::parse("text/plain").unwrap(),
                digest: Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap(),
                size,
                artifact_type: None,
                annotations: None,
                platform: None,
            };
            let widths = widths(&sizes.iter().copied().map(layer).collect::<Vec<_>>());
            assert_eq!(widths.iter().sum::<u64>(), 1000, "{sizes:?}");
            assert!(widths.iter().all(|width| *width >= 5), "{widths:?}");
        }
        assert!(widths(&[]).is_empty());
    }

    #[test]
    fn archives_are_told_by_their_type_or_file_name() {
        let cases = [
            ("application/vnd.oci.image.layer.v1.tar+gzip", None, true),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", None, true),
            ("application/gzip", Some("a/files.tgz"), true),
            ("application/octet-stream", Some("files.tar.zst"), true),
            ("application/vnd.wasm.content.layer.v1+wasm", Some("add.wasm"), false),
            ("application/vnd.star", Some("guitar"), false),
        ];
        for (media_type, title, expected) in cases {
            assert_eq!(is_archive(media_type, title), expected, "{media_type} {title:?}");
        }
    }
}
