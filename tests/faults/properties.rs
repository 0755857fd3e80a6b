//! What holds for every input of the parsers: they never panic, what they accept is safe where it
//! is used, and it comes out as it went in.

use http::HeaderValue;
use orlop::auth::Scope;
use orlop::http::route::Route;
use orlop::oci::{
    Algorithm, Digest, Hasher, Manifest, MediaType, Reference, RepositoryName, RepositoryPattern,
    Tag, TagPattern,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

const PART: &str = "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}";

/// Names of the grammar; many hold the words of the API.
fn name() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "blobs",
        "uploads",
        "manifests",
        "tags",
        "list",
        "referrers",
        "v2",
        "acr",
        "v1",
    ]);
    let part = prop_oneof![word.prop_map(str::to_owned), PART];
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"))
}

fn tag() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", Just("list".into()), Just("uploads".into())]
}

fn digest() -> impl Strategy<Value = String> {
    prop_oneof!["sha256:[0-9a-f]{64}", "sha512:[0-9a-f]{128}"]
}

/// Text near the grammars, and any other.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9._/:%*-]{0,24}", "(sha256|sha512|md5)?:?[0-9a-fA-F]{0,130}", ".{0,40}"]
}

fn descriptor(digest: &str, size: u64) -> Value {
    json!({"mediaType": "application/octet-stream", "digest": digest, "size": size})
}

proptest! {
    #[test]
    fn names_of_the_grammar_come_out_as_they_went_in(text in name()) {
        let name: RepositoryName = text.parse().unwrap();
        prop_assert_eq!(name.as_str(), &text);
        let json = serde_json::to_string(&name).unwrap();
        prop_assert_eq!(serde_json::from_str::<RepositoryName>(&json).unwrap(), name);
    }

    #[test]
    fn whatever_is_accepted_is_safe_in_paths_and_headers(text in text()) {
        let accepted = [
            RepositoryName::parse(&text).map(|value| value.to_string()).ok(),
            Tag::parse(&text).map(|value| value.to_string()).ok(),
            Digest::parse(&text).map(|value| value.to_string()).ok(),
            Reference::parse(&text).map(|value| value.to_string()).ok(),
            MediaType::parse(&text).map(|value| value.to_string()).ok(),
        ];
        for value in accepted.into_iter().flatten() {
            prop_assert_eq!(&value, &text);
            prop_assert!(HeaderValue::from_str(&value).is_ok());
            prop_assert!(value.bytes().all(|b| b.is_ascii_graphic() && !b"\\%?<>\"".contains(&b)));
        }
        if RepositoryName::parse(&text).is_ok() || Digest::parse(&text).is_ok() {
            prop_assert!(!text.contains("..") && !text.contains("//"));
            prop_assert!(!text.starts_with(['/', '.']) && !text.ends_with('/'));
        }
    }

    #[test]
    fn tags_and_digests_are_told_apart(tag in tag(), digest in digest()) {
        prop_assert_eq!(Reference::parse(&tag), Ok(Reference::Tag(Tag::parse(&tag).unwrap())));
        let parsed = Digest::parse(&digest).unwrap();
        prop_assert_eq!(format!("{}:{}", parsed.algorithm().as_str(), parsed.hex()), digest.clone());
        prop_assert_eq!(Reference::parse(&digest), Ok(Reference::Digest(parsed)));
        prop_assert!(Digest::parse(&digest.to_uppercase()).is_err());
        prop_assert!(Digest::parse(&digest[..digest.len() - 1]).is_err());
    }

    #[test]
    fn a_media_type_loses_its_parameters(kind in "[a-z]{1,9}/[a-z0-9][a-z0-9.+-]{0,40}", rest in "( *;.{0,20})?") {
        let found = MediaType::from_header(&format!("{kind}{rest}")).unwrap();
        prop_assert_eq!(found.as_str(), kind);
    }

    #[test]
    fn a_route_comes_out_as_it_went_in(name in name(), tag in tag(), digest in digest()) {
        let (name_value, id) = (RepositoryName::parse(&name).unwrap(), Uuid::from_u128(7));
        let reference = Reference::parse(&tag).unwrap();
        let tag_value = Tag::parse(&tag).unwrap();
        let value = Digest::parse(&digest).unwrap();
        let n = || name_value.clone();
        for (path, route) in [
            (format!("/v2/{name}/tags/list"), Route::Tags(n())),
            (format!("/v2/{name}/manifests/{tag}"), Route::Manifest(n(), reference)),
            (format!("/v2/{name}/blobs/{digest}"), Route::Blob(n(), value.clone())),
            (format!("/v2/{name}/blobs/uploads/"), Route::Uploads(n())),
            (format!("/v2/{name}/blobs/uploads/{id}"), Route::Upload(n(), id)),
            (format!("/v2/{name}/referrers/{digest}"), Route::Referrers(n(), value.clone())),
            (format!("/acr/v1/{name}"), Route::AcrRepository(n())),
            (format!("/acr/v1/{name}/_tags/{tag}"), Route::AcrTag(n(), tag_value)),
            (format!("/acr/v1/{name}/_manifests/{digest}"), Route::AcrManifest(n(), value)),
        ] {
            prop_assert_eq!(Route::parse(&path).unwrap(), route, "{}", path);
        }
    }

    #[test]
    fn any_path_is_read_or_refused(path in "(/v2|/acr/v1)?(/[a-zA-Z0-9._:%-]{0,9}){0,7}|.{0,60}") {
        if let Err(error) = Route::parse(&path) {
            prop_assert!(error.status().is_client_error(), "{}", path);
        }
    }

    #[test]
    fn any_bytes_are_a_manifest_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Manifest::parse(None, &bytes);
    }

    #[test]
    fn a_manifest_is_made_of_what_it_lists(
        digests in prop::collection::vec(digest(), 1..6),
        sizes in prop::collection::vec(any::<u64>(), 6),
        annotation in ".{0,30}",
        cut in any::<prop::sample::Index>(),
    ) {
        let descriptors: Vec<_> =
            digests.iter().zip(&sizes).map(|(digest, size)| descriptor(digest, *size)).collect();
        let body = json!({
            "schemaVersion": 2,
            "config": descriptors[0],
            "layers": descriptors[1..],
            "annotations": {"a": annotation},
        });
        let bytes = body.to_string().into_bytes();
        let manifest = Manifest::parse(None, &bytes).unwrap();
        let listed: Vec<_> =
            manifest.references().map(|(_, descriptor)| descriptor.digest.to_string()).collect();
        prop_assert_eq!(listed, digests);
        prop_assert_eq!(&manifest.annotations["a"], &annotation);
        prop_assert!(Manifest::parse(None, &bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn a_hash_goes_on_from_any_saved_state(
        bytes in prop::collection::vec(any::<u8>(), 0..500),
        cut in any::<prop::sample::Index>(),
        garbage in prop::collection::vec(any::<u8>(), 0..250),
    ) {
        let (before, after) = bytes.split_at(cut.index(bytes.len() + 1));
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(before);
            let mut hasher = Hasher::restore(algorithm, &hasher.save()).unwrap();
            hasher.update(after);
            prop_assert_eq!(hasher.finish(), Hasher::digest(algorithm, &bytes));
            let _ = Hasher::restore(algorithm, &garbage);
        }
    }

    #[test]
    fn any_scope_is_read_or_asks_for_nothing(text in ".{0,80}", name in name()) {
        Scope::parse_all([text.as_str()]);
        let asked = Scope::parse_all([format!("repository:{name}:pull,{text}").as_str()]);
        let is_of_it = |scope: &Scope| match scope {
            Scope::Repository(found, _) => found.as_str() == name,
            Scope::Catalog => false,
        };
        if !text.contains(':') && !text.contains(char::is_whitespace) {
            prop_assert!(asked.len() == 1 && is_of_it(&asked[0]));
        }
    }

    #[test]
    fn an_intersection_matches_what_both_match(
        one in "(\\*|[ab](/[ab]){0,2}(/\\*)?)",
        other in "(\\*|[ab](/[ab]){0,2}(/\\*)?)",
        name in "[ab](/[ab]){0,3}",
    ) {
        let (one, other) = (RepositoryPattern::parse(&one).unwrap(), RepositoryPattern::parse(&other).unwrap());
        let name = RepositoryName::parse(&name).unwrap();
        let both = one.intersection(&other).is_some_and(|both| both.matches(&name));
        prop_assert_eq!(both, one.matches(&name) && other.matches(&name));
    }

    #[test]
    fn a_tag_pattern_matches_as_its_definition_says(pattern in "[ab*]{1,8}", tag in "[ab]{1,8}") {
        let parsed = TagPattern::parse(&pattern).unwrap();
        let found = parsed.matches(&Tag::parse(&tag).unwrap());
        prop_assert_eq!(found, matches(pattern.as_bytes(), tag.as_bytes()));
    }
}

/// By trying all.
fn matches(pattern: &[u8], tag: &[u8]) -> bool {
    match pattern.split_first() {
        None => tag.is_empty(),
        Some((b'*', rest)) => (0..=tag.len()).any(|skipped| matches(rest, &tag[skipped..])),
        Some((first, rest)) => tag.first() == Some(first) && matches(rest, &tag[1..]),
    }
}
