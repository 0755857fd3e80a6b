use std::io::{self, Read as _};
use std::path::PathBuf;

use clap::Args;
use reqwest::Certificate;

use super::{Common, Which};
use crate::cli::Error;
use crate::cli::docker_credentials::{self, TOKEN_USER};
use crate::cli::repository::Image;
use crate::oci::{Reference, RepositoryName, RepositoryPattern};
use crate::settings::StorageSettings;
use crate::storage;
use crate::transfer::{Credentials, DistributionStorage, Layout, RemoteRegistry, Source};

/// From a registry over HTTP
///
/// Takes tags, indexes with their children, and what refers to all of that. Manifests without a tag
/// come only if something that comes leads to them, as registries do not list them.
#[derive(Args)]
pub struct FromRegistry {
    /// https://HOST or http://HOST
    url: String,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    sign_in: SignIn,
    #[command(flatten)]
    common: Common,
}

/// Who reads at the other registry.
#[derive(Args)]
struct SignIn {
    /// User there [default: who `docker login` or `oras login` signed in]
    #[arg(long, value_name = "NAME", env = "ORLOP_FROM_USERNAME")]
    from_username: Option<String>,
    /// Password or token there [default: what `docker login` or `oras login` keeps]
    #[arg(long, value_name = "PASSWORD", env = "ORLOP_FROM_PASSWORD", hide_env_values = true)]
    from_password: Option<String>,
    /// Read that password from standard input
    #[arg(long, conflicts_with = "from_password")]
    from_password_stdin: bool,
    /// File with the certificate of the authority to trust there, in PEM
    #[arg(long, value_name = "FILE")]
    from_ca_file: Option<PathBuf>,
}

impl FromRegistry {
    pub async fn run(self) -> Result<(), Error> {
        let url = match self.url.contains("://") {
            true => self.url.trim_end_matches('/').to_owned(),
            false => format!("https://{}", self.url.trim_end_matches('/')),
        };
        let trusted = match &self.sign_in.from_ca_file {
            Some(file) => Some(Certificate::from_pem(&std::fs::read(file)?)?),
            None => None,
        };
        let credentials = self.sign_in.credentials(&url)?;
        let registry = RemoteRegistry::new(&url, credentials, trusted)?;
        self.common.run(Source::Remote(registry), self.which, false).await
    }
}

impl SignIn {
    fn credentials(&self, url: &str) -> Result<Option<Credentials>, Error> {
        let password = match &self.from_password {
            Some(password) => Some(password.clone()),
            None if self.from_password_stdin => {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text)?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => None,
        };
        let name = self.from_username.as_ref();
        match (name, password) {
            (Some(name), Some(password)) => {
                return Ok(Some(Credentials::Password { name: name.clone(), password }));
            }
            (None, Some(_)) => return Err("give --from-username with the password".into()),
            (_, None) => {}
        }
        let kept = docker_credentials::of(url)?;
        let kept = kept.filter(|kept| name.is_none() || name == kept.username.as_ref());
        Ok(kept.map(|kept| match kept.credentials {
            (name, token) if name == TOKEN_USER => Credentials::RefreshToken(token),
            (name, password) => Credentials::Password { name, password },
        }))
    }
}

/// From the storage of CNCF distribution (docker-registry), in place
///
/// Reads docker/registry/v2 in a folder or bucket and changes nothing there. Takes everything that
/// the registry shows: all manifests, with and without tags, and all blobs.
#[derive(Args)]
pub struct FromDistribution {
    /// Folder, or s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, gs://BUCKET/PREFIX
    place: String,
    #[command(flatten)]
    which: Which,
    /// Copy each file. Without this, one that lies on the store's file system, belongs to the
    /// store's owner and can be changed by nobody else gets a second name (a hard link) instead
    #[arg(long)]
    copy: bool,
    /// URL of the service of the bucket, as storage.endpoint
    #[arg(long, value_name = "URL")]
    from_endpoint: Option<String>,
    /// Region of the bucket, as storage.region
    #[arg(long, value_name = "REGION")]
    from_region: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl FromDistribution {
    pub async fn run(self) -> Result<(), Error> {
        let Self { place, which, copy, from_endpoint, from_region, common } = self;
        let storage = if place.contains("://") && !place.starts_with("file://") {
            let settings = StorageSettings {
                endpoint: from_endpoint,
                region: from_region,
                ..StorageSettings::default()
            };
            let (objects, prefix) = storage::objects(&place, &settings)?;
            DistributionStorage::in_bucket(objects, prefix).await?
        } else {
            let folder = PathBuf::from(place.strip_prefix("file://").unwrap_or(&place));
            DistributionStorage::in_folder(&folder)?
        };
        common.run(Source::Distribution(storage), which, !copy).await
    }
}

/// From an OCI image layout: a folder or a tar file
///
/// An entry's tag is its annotation org.opencontainers.image.ref.name.
#[derive(Args)]
pub struct FromLayout {
    /// Folder with oci-layout and index.json, or a tar file of one
    layout: PathBuf,
    #[command(flatten)]
    into: Into,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Into {
    /// Repository that gets all of the layout
    #[arg(long)]
    repository: Option<RepositoryName>,
    /// REPOSITORY:TAG that gets the manifest with this tag, or the only one of the layout
    #[arg(long, short = 't')]
    image: Option<Image>,
}

impl FromLayout {
    pub async fn run(self) -> Result<(), Error> {
        let layout = match (self.into.repository, self.into.image) {
            (Some(repository), _) => Layout::open(&self.layout, repository).await?,
            (None, Some(Image { repository, reference: Reference::Tag(tag) })) => {
                Layout::open(&self.layout, repository).await?.only(tag)?
            }
            (None, _) => return Err("give --image as REPOSITORY:TAG".into()),
        };
        let repositories = vec![RepositoryPattern::exact(layout.repository())];
        let which = Which { repositories, tags: Vec::new(), below: None };
        self.common.run(Source::Layout(layout), which, false).await
    }
}
