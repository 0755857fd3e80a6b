use clap::Args;

use crate::oci::{Digest, Reference, RepositoryName, Tag};

/// `REPOSITORY:TAG` or `REPOSITORY@DIGEST`; without either, the tag `latest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub repository: RepositoryName,
    pub reference: Reference,
}

impl std::str::FromStr for Image {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, reference) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest = Digest::parse(digest).map_err(|error| error.to_string())?;
                (name, Reference::Digest(digest))
            }
            None => {
                let (name, tag) = text.rsplit_once(':').unwrap_or((text, "latest"));
                (name, Reference::Tag(Tag::parse(tag).map_err(|error| error.to_string())?))
            }
        };
        let repository = RepositoryName::parse(name).map_err(|error| error.to_string())?;
        Ok(Self { repository, reference })
    }
}

impl Image {
    /// Its path in Azure's API.
    pub fn path(&self) -> String {
        let Self { repository, reference } = self;
        match reference {
            Reference::Tag(tag) => format!("/acr/v1/{repository}/_tags/{tag}"),
            Reference::Digest(digest) => format!("/acr/v1/{repository}/_manifests/{digest}"),
        }
    }

    /// Under which name its answers hold what is asked for.
    pub fn wrapper(&self) -> &'static str {
        match self.reference {
            Reference::Tag(_) => "tag",
            Reference::Digest(_) => "manifest",
        }
    }
}

/// A repository, or an image in one.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Target {
    /// Name of the repository
    #[arg(long)]
    pub repository: Option<RepositoryName>,
    /// REPOSITORY:TAG or REPOSITORY@DIGEST
    #[arg(long, short = 't')]
    pub image: Option<Image>,
}

impl Target {
    pub fn path(&self) -> String {
        match (&self.repository, &self.image) {
            (Some(repository), _) => format!("/acr/v1/{repository}"),
            (None, Some(image)) => image.path(),
            (None, None) => unreachable!("the group is required"),
        }
    }

    /// The repository, and what of it is meant if not everything.
    pub fn parts(self) -> (RepositoryName, Option<Reference>) {
        match (self.repository, self.image) {
            (Some(repository), _) => (repository, None),
            (None, Some(image)) => (image.repository, Some(image.reference)),
            (None, None) => unreachable!("the group is required"),
        }
    }

    /// What of an answer is shown.
    pub fn unwrapped(&self, mut answer: serde_json::Value) -> serde_json::Value {
        match &self.image {
            Some(image) => answer[image.wrapper()].take(),
            None => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_tag_or_digest() {
        let path = |text: &str| text.parse::<Image>().map(|image| image.path());
        assert_eq!(path("a/b:1.0").unwrap(), "/acr/v1/a/b/_tags/1.0");
        assert_eq!(path("a/b").unwrap(), "/acr/v1/a/b/_tags/latest");
        let digest = format!("sha256:{}", "0".repeat(64));
        let manifest = format!("/acr/v1/a/_manifests/{digest}");
        assert_eq!(path(&format!("a@{digest}")).unwrap(), manifest);
        for text in ["", ":1", "A:1", "a:", "a@sha256:1", "a:1/b"] {
            assert!(path(text).is_err(), "{text}");
        }
    }
}
