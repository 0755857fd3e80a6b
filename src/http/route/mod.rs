//! What the paths of the distribution API and of Azure's API name, and the right that each method
//! on them needs.

mod acr;
mod distribution;

use http::Method;
use uuid::Uuid;

use super::Error;
use super::need::{Need, Table, need};
use crate::auth::{Action, RegistryAction};
use crate::oci::{Digest, Reference, RepositoryName, Tag};

/// What a path under `/v2/` or `/acr/v1/` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Base,
    Catalog,
    Tags(RepositoryName),
    Manifest(RepositoryName, Reference),
    Blob(RepositoryName, Digest),
    Uploads(RepositoryName),
    Upload(RepositoryName, Uuid),
    Referrers(RepositoryName, Digest),
    AcrCatalog,
    AcrRepository(RepositoryName),
    AcrTags(RepositoryName),
    AcrTag(RepositoryName, Tag),
    AcrManifests(RepositoryName),
    AcrManifest(RepositoryName, Digest),
    DeletedCatalog,
    DeletedTags(RepositoryName),
    DeletedManifests(RepositoryName),
    DeletedManifest(RepositoryName, Digest),
}

/// A [`Route`] without its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    Base,
    Catalog,
    Tags,
    Manifest,
    Blob,
    Uploads,
    Upload,
    Referrers,
    AcrCatalog,
    AcrRepository,
    AcrTags,
    AcrTag,
    AcrManifests,
    AcrManifest,
    DeletedCatalog,
    DeletedTags,
    DeletedManifests,
    DeletedManifest,
}

/// Every method on every route, and the right that it needs: the only place that says so.
pub const NEEDS: &Table<RouteKind> = {
    use Action::{ContentDelete, ContentRead, ContentWrite, MetadataRead, MetadataWrite};
    use Need::{EitherInRepository, InRegistry, InRepository, SignedIn};
    use RegistryAction::CatalogRead;
    use RouteKind::*;
    &[
        (Method::GET, Base, SignedIn),
        (Method::GET, Catalog, InRegistry(CatalogRead)),
        (Method::GET, Tags, InRepository(ContentRead)),
        (Method::GET, Manifest, InRepository(ContentRead)),
        (Method::PUT, Manifest, InRepository(ContentWrite)),
        (Method::DELETE, Manifest, InRepository(ContentDelete)),
        (Method::GET, Blob, InRepository(ContentRead)),
        (Method::DELETE, Blob, InRepository(ContentDelete)),
        (Method::POST, Uploads, InRepository(ContentWrite)),
        (Method::GET, Upload, InRepository(ContentWrite)),
        (Method::PATCH, Upload, InRepository(ContentWrite)),
        (Method::PUT, Upload, InRepository(ContentWrite)),
        (Method::DELETE, Upload, InRepository(ContentWrite)),
        (Method::GET, Referrers, InRepository(ContentRead)),
        (Method::GET, AcrCatalog, InRegistry(CatalogRead)),
        (Method::GET, AcrRepository, InRepository(MetadataRead)),
        (Method::PATCH, AcrRepository, InRepository(MetadataWrite)),
        (Method::DELETE, AcrRepository, InRepository(ContentDelete)),
        (Method::GET, AcrTags, InRepository(MetadataRead)),
        (Method::GET, AcrTag, InRepository(MetadataRead)),
        (Method::PATCH, AcrTag, InRepository(MetadataWrite)),
        // Azure's own table of rights lists untagging under metadata/write, but its client asks
        // for the scope `delete`.
        (Method::DELETE, AcrTag, EitherInRepository(ContentDelete, MetadataWrite)),
        (Method::GET, AcrManifests, InRepository(MetadataRead)),
        (Method::GET, AcrManifest, InRepository(MetadataRead)),
        (Method::PATCH, AcrManifest, InRepository(MetadataWrite)),
        (Method::GET, DeletedCatalog, InRegistry(CatalogRead)),
        (Method::GET, DeletedTags, InRepository(MetadataRead)),
        (Method::GET, DeletedManifests, InRepository(MetadataRead)),
        // What comes back is content that others may then pull, as after a push.
        (Method::POST, DeletedManifest, InRepository(ContentWrite)),
    ]
};

impl RouteKind {
    /// The right that `method` needs here; [`None`] if there is no such method.
    pub fn need(self, method: &Method) -> Option<Need> {
        need(NEEDS, method, &self)
    }

    /// The methods that there are, for the `Allow` header.
    pub fn methods(self) -> String {
        let mut methods = Vec::new();
        for (method, _, _) in NEEDS.iter().filter(|(_, kind, _)| *kind == self) {
            methods.push(method.as_str());
            if method == Method::GET {
                methods.push("HEAD");
            }
        }
        methods.join(", ")
    }

    /// The route's name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Catalog => "catalog",
            Self::Tags => "tags",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::Uploads => "uploads",
            Self::Upload => "upload",
            Self::Referrers => "referrers",
            Self::AcrCatalog => "acr_catalog",
            Self::AcrRepository => "acr_repository",
            Self::AcrTags => "acr_tags",
            Self::AcrTag => "acr_tag",
            Self::AcrManifests => "acr_manifests",
            Self::AcrManifest => "acr_manifest",
            Self::DeletedCatalog => "acr_deleted_catalog",
            Self::DeletedTags => "acr_deleted_tags",
            Self::DeletedManifests => "acr_deleted_manifests",
            Self::DeletedManifest => "acr_deleted_manifest",
        }
    }

    /// Whether the route is of Azure's API.
    pub fn is_acr(self) -> bool {
        self.name().starts_with("acr_")
    }
}

/// Where the paths of Azure's API begin.
pub const ACR: &str = "/acr/v1/";

impl Route {
    /// Reads a path, percent-decoded.
    ///
    /// # Errors
    /// The answer to give if it is no path of an API here, or if a value in it is not valid.
    pub fn parse(path: &str) -> Result<Self, Error> {
        match path.strip_prefix(ACR) {
            Some(rest) => Self::parse_acr(rest),
            None => {
                let rest = path.strip_prefix("/v2").ok_or_else(Error::not_found)?;
                Self::parse_distribution(rest.trim_start_matches('/'))
            }
        }
    }

    pub fn kind(&self) -> RouteKind {
        match self {
            Self::Base => RouteKind::Base,
            Self::Catalog => RouteKind::Catalog,
            Self::Tags(_) => RouteKind::Tags,
            Self::Manifest(..) => RouteKind::Manifest,
            Self::Blob(..) => RouteKind::Blob,
            Self::Uploads(_) => RouteKind::Uploads,
            Self::Upload(..) => RouteKind::Upload,
            Self::Referrers(..) => RouteKind::Referrers,
            Self::AcrCatalog => RouteKind::AcrCatalog,
            Self::AcrRepository(_) => RouteKind::AcrRepository,
            Self::AcrTags(_) => RouteKind::AcrTags,
            Self::AcrTag(..) => RouteKind::AcrTag,
            Self::AcrManifests(_) => RouteKind::AcrManifests,
            Self::AcrManifest(..) => RouteKind::AcrManifest,
            Self::DeletedCatalog => RouteKind::DeletedCatalog,
            Self::DeletedTags(_) => RouteKind::DeletedTags,
            Self::DeletedManifests(_) => RouteKind::DeletedManifests,
            Self::DeletedManifest(..) => RouteKind::DeletedManifest,
        }
    }

    /// The repository that the path is about.
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Base | Self::Catalog | Self::AcrCatalog | Self::DeletedCatalog => None,
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Referrers(name, _)
            | Self::AcrRepository(name)
            | Self::AcrTags(name)
            | Self::AcrTag(name, _)
            | Self::AcrManifests(name)
            | Self::AcrManifest(name, _)
            | Self::DeletedTags(name)
            | Self::DeletedManifests(name)
            | Self::DeletedManifest(name, _) => Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_needs_what_get_needs_and_other_methods_are_not_there() {
        let read = Some(Need::InRepository(Action::ContentRead));
        assert_eq!(RouteKind::Blob.need(&Method::HEAD), read);
        assert_eq!(RouteKind::Blob.need(&Method::PUT), None);
        assert_eq!(RouteKind::Blob.methods(), "GET, HEAD, DELETE");
    }
}
