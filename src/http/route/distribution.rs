use super::Route;
use crate::http::Error;
use crate::oci::{Digest, Reference, RepositoryName};
use crate::registry::RegistryError;

/// Names of repositories may hold every word of the API (`blobs`, `tags`, …), so a path is read
/// from its end.
impl Route {
    /// Reads what follows `/v2/` in a path.
    pub(super) fn parse_distribution(path: &str) -> Result<Self, Error> {
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
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

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
            assert_eq!(Route::parse_distribution(&path).unwrap(), route, "{path}");
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
            let error = Route::parse_distribution(path).unwrap_err();
            assert_eq!(error.status().as_u16(), status, "{path}");
        }
    }
}
