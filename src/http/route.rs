use http::Method;
use uuid::Uuid;

use super::Error;
use crate::auth::{Action, RegistryAction};
use crate::oci::{Digest, Reference, RepositoryName};
use crate::registry::RegistryError;

/// What a path under `/v2/` names.
///
/// Names of repositories may hold every word of the API (`blobs`, `tags`, …), so a path is read
/// from its end.
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
}

/// What a request needs before anything is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Any credentials that are good.
    SignedIn,
    InRepository(Action),
    InRegistry(RegistryAction),
}

/// Every method on every route, and the right that it needs: the only place that says so.
pub const NEEDS: &[(Method, RouteKind, Need)] = {
    use Need::{InRegistry, InRepository, SignedIn};
    use RouteKind::{Base, Blob, Catalog, Manifest, Referrers, Tags, Upload, Uploads};
    &[
        (Method::GET, Base, SignedIn),
        (Method::GET, Catalog, InRegistry(RegistryAction::CatalogRead)),
        (Method::GET, Tags, InRepository(Action::ContentRead)),
        (Method::GET, Manifest, InRepository(Action::ContentRead)),
        (Method::PUT, Manifest, InRepository(Action::ContentWrite)),
        (Method::DELETE, Manifest, InRepository(Action::ContentDelete)),
        (Method::GET, Blob, InRepository(Action::ContentRead)),
        (Method::DELETE, Blob, InRepository(Action::ContentDelete)),
        (Method::POST, Uploads, InRepository(Action::ContentWrite)),
        (Method::GET, Upload, InRepository(Action::ContentWrite)),
        (Method::PATCH, Upload, InRepository(Action::ContentWrite)),
        (Method::PUT, Upload, InRepository(Action::ContentWrite)),
        (Method::DELETE, Upload, InRepository(Action::ContentWrite)),
        (Method::GET, Referrers, InRepository(Action::ContentRead)),
    ]
};

impl RouteKind {
    /// The right that `method` needs here; `None` if there is no such method. `HEAD` is as `GET`.
    pub fn need(self, method: &Method) -> Option<Need> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let row = NEEDS.iter().find(|(m, kind, _)| m == method && *kind == self);
        row.map(|(_, _, need)| *need)
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
        }
    }
}

impl Route {
    /// Reads what follows `/v2/` in a path, percent-decoded.
    ///
    /// # Errors
    /// The answer to give if it is no path of the API, or if a value in it is not valid.
    pub fn parse(path: &str) -> Result<Self, Error> {
        match path {
            "" => return Ok(Self::Base),
            "_catalog" => return Ok(Self::Catalog),
            _ => {}
        }
        if let Some(name) = path.strip_suffix("/tags/list") {
            return Ok(Self::Tags(RepositoryName::parse(name)?));
        }
        let uploads =
            path.strip_suffix("/blobs/uploads/").or_else(|| path.strip_suffix("/blobs/uploads"));
        if let Some(name) = uploads {
            return Ok(Self::Uploads(RepositoryName::parse(name)?));
        }
        let (rest, last) = path.rsplit_once('/').ok_or_else(Error::not_found)?;
        if let Some(name) = rest.strip_suffix("/blobs/uploads") {
            let name = RepositoryName::parse(name)?;
            let id = last.parse().map_err(|_| RegistryError::UploadUnknown)?;
            return Ok(Self::Upload(name, id));
        }
        let (name, resource) = rest.rsplit_once('/').ok_or_else(Error::not_found)?;
        match resource {
            "manifests" => {
                Ok(Self::Manifest(RepositoryName::parse(name)?, Reference::parse(last)?))
            }
            "blobs" => Ok(Self::Blob(RepositoryName::parse(name)?, Digest::parse(last)?)),
            "referrers" => Ok(Self::Referrers(RepositoryName::parse(name)?, Digest::parse(last)?)),
            _ => Err(Error::not_found()),
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
        }
    }

    /// The repository that the path is about.
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Base | Self::Catalog => None,
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Referrers(name, _) => Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn name(text: &str) -> RepositoryName {
        RepositoryName::parse(text).unwrap()
    }

    #[test]
    fn paths_are_read_from_their_end() {
        let tag = |text| Reference::parse(text).unwrap();
        let digest = Digest::parse(DIGEST).unwrap();
        let id = Uuid::nil();
        for (path, route) in [
            (String::new(), Route::Base),
            ("_catalog".into(), Route::Catalog),
            ("a/b/tags/list".into(), Route::Tags(name("a/b"))),
            ("tags/list/tags/list".into(), Route::Tags(name("tags/list"))),
            ("a/manifests/1.0".into(), Route::Manifest(name("a"), tag("1.0"))),
            (
                "a/manifests/manifests/tags".into(),
                Route::Manifest(name("a/manifests"), tag("tags")),
            ),
            (
                "a/blobs/uploads/manifests/x".into(),
                Route::Manifest(name("a/blobs/uploads"), tag("x")),
            ),
            (format!("blobs/blobs/{DIGEST}"), Route::Blob(name("blobs"), digest.clone())),
            (format!("a/referrers/{DIGEST}"), Route::Referrers(name("a"), digest)),
            ("a/blobs/uploads/".into(), Route::Uploads(name("a"))),
            ("a/blobs/uploads".into(), Route::Uploads(name("a"))),
            ("a/blobs/uploads/blobs/uploads/".into(), Route::Uploads(name("a/blobs/uploads"))),
            (format!("a/b/blobs/uploads/{id}"), Route::Upload(name("a/b"), id)),
        ] {
            assert_eq!(Route::parse(&path).unwrap(), route, "{path}");
        }
    }

    #[test]
    fn paths_with_values_that_are_not_valid_are_refused() {
        for (path, status) in [
            ("x", 404),
            ("a/b/c", 404),
            ("tags/list", 404),
            ("manifests/x", 404),
            ("UPPER/manifests/x", 400),
            ("../a/manifests/x", 400),
            ("a/manifests/.x", 400),
            ("a/manifests/md5:00", 400),
            ("a/blobs/sha256:00", 400),
            ("a/referrers/x", 400),
            ("a/blobs/uploads/x", 404),
        ] {
            let error = Route::parse(path).unwrap_err();
            assert_eq!(error.status().as_u16(), status, "{path}");
        }
    }

    #[test]
    fn head_needs_what_get_needs_and_other_methods_are_not_there() {
        let read = Some(Need::InRepository(Action::ContentRead));
        assert_eq!(RouteKind::Blob.need(&Method::HEAD), read);
        assert_eq!(RouteKind::Blob.need(&Method::PUT), None);
        assert_eq!(RouteKind::Blob.methods(), "GET, HEAD, DELETE");
    }
}
