//! The commands that pull an artifact, by what it is.

use super::kind::Kind;
use super::page::Visit;
use crate::oci::{Descriptor, RepositoryName};

/// The file name under which oras stores a layer; layers without it it leaves out.
pub const TITLE: &str = "org.opencontainers.image.title";

/// A tool, and its command.
pub type Command = (&'static str, String);

/// What a command pulls.
pub struct Pull<'a> {
    pub name: &'a RepositoryName,
    /// A tag or a digest.
    pub reference: &'a str,
    pub kind: Kind,
    pub layers: &'a [Descriptor],
}

impl Pull<'_> {
    /// The most fitting first.
    pub fn commands(&self, visit: &Visit) -> Vec<Command> {
        let (host, is_plain) = (&visit.origin.host, visit.origin.url.starts_with("http://"));
        let separator = if self.is_by_digest() { '@' } else { ':' };
        let image = format!("{host}/{}{separator}{}", self.name, self.reference);
        let oras = ("oras", self.oras(&image, is_plain));
        match self.kind {
            Kind::Image | Kind::MultiPlatform => {
                let verify = if is_plain { " --tls-verify=false" } else { "" };
                let podman = ("podman", format!("podman pull{verify} {image}"));
                vec![("docker", format!("docker pull {image}")), podman, oras]
            }
            Kind::HelmChart => vec![("helm", self.helm(host, &image, is_plain)), oras],
            _ => vec![oras],
        }
    }

    fn is_by_digest(&self) -> bool {
        self.reference.contains(':')
    }

    /// Files, or a folder with all that cannot be stored as files.
    fn oras(&self, image: &str, is_plain: bool) -> String {
        let is_titled = |layer: &Descriptor| {
            layer.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(TITLE))
        };
        if !self.layers.is_empty() && self.layers.iter().all(is_titled) {
            let plain = if is_plain { " --plain-http" } else { "" };
            return format!("oras pull {image}{plain}");
        }
        let plain = if is_plain { " --from-plain-http" } else { "" };
        let name = self.name.as_str();
        let folder = name.rsplit('/').next().unwrap_or(name);
        let tag = if self.is_by_digest() { "" } else { &format!(":{}", self.reference) };
        format!("oras copy {image}{plain} --to-oci-layout {folder}{tag}")
    }

    /// Versions may hold a plus sign, which tags cannot; Helm writes an underscore there.
    fn helm(&self, host: &str, image: &str, is_plain: bool) -> String {
        let plain = if is_plain { " --plain-http" } else { "" };
        if self.is_by_digest() {
            return format!("helm pull oci://{image}{plain}");
        }
        let version = self.reference.replace('_', "+");
        format!("helm pull oci://{host}/{} --version {version}{plain}", self.name)
    }
}
