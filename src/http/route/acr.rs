use super::Route;
use crate::http::Error;
use crate::oci::{Digest, RepositoryName, Tag};

/// No part of a repository's name begins with an underscore, so the words of this API are told
/// apart from it.
impl Route {
    /// Reads what follows `/acr/v1/` in a path.
    pub(super) fn parse_acr(path: &str) -> Result<Self, Error> {
        if path == "_catalog" {
            return Ok(Self::AcrCatalog);
        }
        if let Some(path) = path.strip_prefix("_deleted/") {
            return Self::parse_deleted(path);
        }
        if let Some((name, tag)) = path.split_once("/_tags/") {
            return Ok(Self::AcrTag(RepositoryName::parse(name)?, Tag::parse(tag)?));
        }
        if let Some((name, digest)) = path.split_once("/_manifests/") {
            return Ok(Self::AcrManifest(RepositoryName::parse(name)?, Digest::parse(digest)?));
        }
        if let Some(name) = path.strip_suffix("/_tags") {
            return Ok(Self::AcrTags(RepositoryName::parse(name)?));
        }
        if let Some(name) = path.strip_suffix("/_manifests") {
            return Ok(Self::AcrManifests(RepositoryName::parse(name)?));
        }
        if path.is_empty() || path.split('/').any(|part| part.starts_with('_')) {
            return Err(Error::not_found());
        }
        Ok(Self::AcrRepository(RepositoryName::parse(path)?))
    }

    fn parse_deleted(path: &str) -> Result<Self, Error> {
        if path == "_catalog" {
            return Ok(Self::DeletedCatalog);
        }
        if let Some(name) = path.strip_suffix("/_tags") {
            return Ok(Self::DeletedTags(RepositoryName::parse(name)?));
        }
        if let Some(name) = path.strip_suffix("/_manifests") {
            return Ok(Self::DeletedManifests(RepositoryName::parse(name)?));
        }
        let (name, digest) = path.split_once("/_manifests/").ok_or_else(Error::not_found)?;
        Ok(Self::DeletedManifest(RepositoryName::parse(name)?, Digest::parse(digest)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn paths_name_repositories_and_what_is_in_them() {
        let name = |text| RepositoryName::parse(text).unwrap();
        let tag = |text| Tag::parse(text).unwrap();
        let digest = || Digest::parse(DIGEST).unwrap();
        for (path, route) in [
            ("_catalog", Route::AcrCatalog),
            ("a/b", Route::AcrRepository(name("a/b"))),
            ("tags/manifests", Route::AcrRepository(name("tags/manifests"))),
            ("a/b/_tags", Route::AcrTags(name("a/b"))),
            ("a/_tags/1.0", Route::AcrTag(name("a"), tag("1.0"))),
            ("a/_tags/_tags", Route::AcrTag(name("a"), tag("_tags"))),
            ("a/_manifests", Route::AcrManifests(name("a"))),
            (&format!("a/_manifests/{DIGEST}"), Route::AcrManifest(name("a"), digest())),
            ("_deleted/_catalog", Route::DeletedCatalog),
            ("_deleted/a/b/_tags", Route::DeletedTags(name("a/b"))),
            ("_deleted/a/_manifests", Route::DeletedManifests(name("a"))),
            (
                &format!("_deleted/a/_manifests/{DIGEST}"),
                Route::DeletedManifest(name("a"), digest()),
            ),
        ] {
            assert_eq!(Route::parse_acr(path).unwrap(), route, "{path}");
        }
    }

    #[test]
    fn paths_with_values_that_are_not_valid_are_refused() {
        for (path, status) in [
            ("", 404),
            ("_other", 404),
            ("a/_other", 404),
            ("_deleted/a", 404),
            ("_deleted/a/_tags/1.0", 404),
            ("UPPER", 400),
            ("a//b", 400),
            ("a/_tags/.x", 400),
            ("a/_manifests/latest", 400),
            ("_deleted/a/_manifests/latest", 400),
        ] {
            let error = Route::parse_acr(path).unwrap_err();
            assert_eq!(error.status().as_u16(), status, "{path}");
        }
    }
}
