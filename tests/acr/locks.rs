//! Each attribute of a repository, a manifest and a tag against each operation of both APIs.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::http::{OCI_MANIFEST, expect, json_of, send};
use super::support::{Http, Options, Orlop, digest_of};

const REPOSITORY: &str = "team/app";

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Repository,
    Manifest,
    Tag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    PullByTag,
    PullByDigest,
    HeadByTag,
    PullBlob,
    PushTagAnew,
    PushTagSame,
    PushOtherTag,
    PushNewManifest,
    PushBlob,
    StartUpload,
    MountFrom,
    DeleteTagByDistribution,
    DeleteTagByAcr,
    DeleteManifest,
    DeleteBlob,
    DeleteRepository,
    ShowTag,
    ShowManifest,
    ShowRepository,
}

use Operation as O;

const OPERATIONS: [Operation; 19] = [
    O::PullByTag,
    O::PullByDigest,
    O::HeadByTag,
    O::PullBlob,
    O::PushTagAnew,
    O::PushTagSame,
    O::PushOtherTag,
    O::PushNewManifest,
    O::PushBlob,
    O::StartUpload,
    O::MountFrom,
    O::DeleteTagByDistribution,
    O::DeleteTagByAcr,
    O::DeleteManifest,
    O::DeleteBlob,
    O::DeleteRepository,
    O::ShowTag,
    O::ShowManifest,
    O::ShowRepository,
];

/// What a lock forbids; everything else goes on.
fn forbids(level: Level, attribute: &str, operation: Operation) -> bool {
    use Level::{Manifest, Repository, Tag};
    let deletes_tag = matches!(operation, O::DeleteTagByDistribution | O::DeleteTagByAcr);
    let deletes_image = matches!(operation, O::DeleteManifest | O::DeleteRepository);
    match (level, attribute) {
        (Repository, "readEnabled") => {
            matches!(operation, O::PullByTag | O::PullByDigest | O::HeadByTag | O::PullBlob)
        }
        (Manifest, "readEnabled") => {
            matches!(operation, O::PullByTag | O::PullByDigest | O::HeadByTag)
        }
        (Tag, "readEnabled") => matches!(operation, O::PullByTag | O::HeadByTag),
        (Repository, "writeEnabled") => {
            let pushes = matches!(
                operation,
                O::PushTagAnew
                    | O::PushTagSame
                    | O::PushOtherTag
                    | O::PushNewManifest
                    | O::PushBlob
                    | O::StartUpload
            );
            pushes || deletes_tag || deletes_image || operation == O::DeleteBlob
        }
        // Pushing the manifest again, under whatever name.
        (Manifest, "writeEnabled") => {
            deletes_image || matches!(operation, O::PushTagSame | O::PushOtherTag)
        }
        (Tag, "writeEnabled") => {
            deletes_tag || deletes_image || matches!(operation, O::PushTagAnew | O::PushTagSame)
        }
        (Repository, "deleteEnabled") => operation == O::DeleteRepository,
        (Manifest, "deleteEnabled") => deletes_image,
        (Tag, "deleteEnabled") => deletes_tag || deletes_image,
        _ => false,
    }
}

/// A repository with the tag `1.0` on an image, and a blob that no manifest needs.
struct Content {
    http: Http,
    repository: String,
    digest: String,
    manifest: String,
    blob: String,
    loose: String,
}

impl Content {
    async fn push(http: &Http, repository: String) -> Self {
        let digest = http.push_artifact(&repository, "1.0", b"layer").await;
        let loose = http.push_blob(&repository, &b"loose"[..]).await;
        let path = format!("/v2/{repository}/manifests/1.0");
        let manifest = http.get(&path).await.text().await.unwrap();
        let blob = digest_of("layer");
        Self { http: http.clone(), repository, digest, manifest, blob, loose }
    }

    fn path(&self, level: Level) -> String {
        let Self { repository, digest, .. } = self;
        match level {
            Level::Repository => format!("/acr/v1/{repository}"),
            Level::Manifest => format!("/acr/v1/{repository}/_manifests/{digest}"),
            Level::Tag => format!("/acr/v1/{repository}/_tags/1.0"),
        }
    }

    async fn set(&self, level: Level, attribute: &str, value: bool) -> Value {
        let request = self.http.request(Method::PATCH, &self.path(level));
        let answer = send(request.json(&json!({ attribute: value }))).await;
        json_of(expect(answer, StatusCode::OK).await).await
    }

    /// The answer's status.
    async fn attempt(&self, operation: Operation) -> StatusCode {
        let Self { http, repository, digest, manifest, blob, loose } = self;
        let manifests = format!("/v2/{repository}/manifests");
        let put = async |reference: &str, content: String| {
            http.put_manifest(repository, reference, OCI_MANIFEST, content).await
        };
        let answer = match operation {
            O::PullByTag => http.get(&format!("{manifests}/1.0")).await,
            O::PullByDigest => http.get(&format!("{manifests}/{digest}")).await,
            O::HeadByTag => http.head(&format!("{manifests}/1.0")).await,
            O::PullBlob => http.get(&format!("/v2/{repository}/blobs/{blob}")).await,
            O::PushTagAnew => put("1.0", format!("{manifest}\n")).await,
            O::PushTagSame => put("1.0", manifest.clone()).await,
            O::PushOtherTag => put("other", manifest.clone()).await,
            O::PushNewManifest => put("new", format!("{manifest}\n\n")).await,
            O::PushBlob => {
                let path = format!("/v2/{repository}/blobs/uploads/?digest={}", digest_of("new"));
                send(http.request(Method::POST, &path).body("new")).await
            }
            O::StartUpload => {
                let path = format!("/v2/{repository}/blobs/uploads/");
                send(http.request(Method::POST, &path)).await
            }
            O::MountFrom => {
                let query = format!("mount={blob}&from={repository}");
                let path = format!("/v2/mounted/{repository}/blobs/uploads/?{query}");
                send(http.request(Method::POST, &path)).await
            }
            O::DeleteTagByDistribution => http.delete(&format!("{manifests}/1.0")).await,
            O::DeleteTagByAcr => http.delete(&self.path(Level::Tag)).await,
            O::DeleteManifest => http.delete(&format!("{manifests}/{digest}")).await,
            O::DeleteBlob => http.delete(&format!("/v2/{repository}/blobs/{loose}")).await,
            O::DeleteRepository => http.delete(&self.path(Level::Repository)).await,
            O::ShowTag => http.get(&self.path(Level::Tag)).await,
            O::ShowManifest => http.get(&self.path(Level::Manifest)).await,
            O::ShowRepository => http.get(&self.path(Level::Repository)).await,
        };
        let status = answer.status();
        if status == StatusCode::METHOD_NOT_ALLOWED && operation != O::HeadByTag {
            let body = json_of(answer).await;
            assert_eq!(body["errors"][0]["code"], "REGISTRY_DISALLOWED_OPERATION", "{body}");
        }
        status
    }
}

#[tokio::test]
async fn each_attribute_forbids_what_it_says_and_nothing_else() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let mut number = 0;
    for level in [Level::Repository, Level::Manifest, Level::Tag] {
        for attribute in ["deleteEnabled", "writeEnabled", "readEnabled", "listEnabled"] {
            for operation in OPERATIONS {
                number += 1;
                let content = Content::push(&http, format!("{REPOSITORY}{number}")).await;
                content.set(level, attribute, false).await;
                let status = content.attempt(operation).await;
                let case = format!("{operation:?} with {attribute}=false on the {level:?}");
                if forbids(level, attribute, operation) {
                    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{case}");
                    content.set(level, attribute, true).await;
                    let status = content.attempt(operation).await;
                    assert!(status.is_success(), "{case}, unlocked: {status}");
                } else {
                    assert!(status.is_success(), "{case}: {status}");
                }
            }
        }
    }
}

#[tokio::test]
async fn blobs_of_a_repository_that_is_not_readable_are_not_mounted() {
    let orlop = Orlop::start(Options::default()).await;
    let content = Content::push(&orlop.http(), REPOSITORY.into()).await;
    content.set(Level::Repository, "readEnabled", false).await;
    let mount = content.attempt(O::MountFrom).await;
    assert_eq!(mount, StatusCode::ACCEPTED, "an upload is opened instead");
    let path = format!("/v2/elsewhere/blobs/uploads/?mount={}", content.blob);
    let mount = send(content.http.request(Method::POST, &path)).await;
    expect(mount, StatusCode::ACCEPTED).await;
}

#[tokio::test]
async fn what_is_not_listed_is_left_out_of_every_list_and_still_there() {
    let orlop = Orlop::start(Options::default()).await;
    let content = Content::push(&orlop.http(), REPOSITORY.into()).await;
    let http = &content.http;
    let list = async |path: &str, field: &str| {
        let path = path.replace("NAME", REPOSITORY);
        let listed = json_of(expect(http.get(&path).await, StatusCode::OK).await).await;
        listed[field].as_array().map_or(0, Vec::len)
    };
    let cases = [
        (Level::Tag, "/v2/NAME/tags/list", "tags"),
        (Level::Tag, "/acr/v1/NAME/_tags", "tags"),
        (Level::Manifest, "/acr/v1/NAME/_manifests", "manifests"),
        (Level::Repository, "/v2/_catalog", "repositories"),
        (Level::Repository, "/acr/v1/_catalog", "repositories"),
    ];
    for (level, path, field) in cases {
        assert_eq!(list(path, field).await, 1, "{path}");
        content.set(level, "listEnabled", false).await;
        assert_eq!(list(path, field).await, 0, "{path}");
        assert_eq!(content.attempt(O::PullByTag).await, StatusCode::OK);
        content.set(level, "listEnabled", true).await;
    }
}

#[tokio::test]
async fn a_change_names_any_of_the_attributes_and_leaves_the_others() {
    let orlop = Orlop::start(Options::default()).await;
    let content = Content::push(&orlop.http(), REPOSITORY.into()).await;
    for (level, wrapper) in
        [(Level::Repository, None), (Level::Manifest, Some("manifest")), (Level::Tag, Some("tag"))]
    {
        content.set(level, "writeEnabled", false).await;
        let answer = content.set(level, "readEnabled", false).await;
        let shown = wrapper.map_or(&answer, |name| &answer[name]);
        let expected = json!({
            "deleteEnabled": true, "writeEnabled": false, "readEnabled": false, "listEnabled": true,
        });
        assert_eq!(shown["changeableAttributes"], expected, "{level:?}");
        let again = json_of(content.http.get(&content.path(level)).await).await;
        assert_eq!(again, answer, "{level:?}");
    }
}

#[tokio::test]
async fn tags_of_an_immutable_policy_are_neither_moved_nor_deleted() {
    let config = "[[policy]]\nrepositories = \"prod/*\"\ntags = \"v*\"\nimmutable = true\n";
    let options = Options { config: Some(config.into()), ..Options::default() };
    let orlop = Orlop::start(options).await;
    let http = orlop.http();
    let digest = http.push_artifact("prod/app", "v1", b"one").await;
    let path = "/v2/prod/app/manifests/v1";
    let manifest = http.get(path).await.text().await.unwrap();
    let changed = format!("{manifest}\n");

    let move_tag = http.put_manifest("prod/app", "v1", OCI_MANIFEST, changed.clone()).await;
    expect(move_tag, StatusCode::METHOD_NOT_ALLOWED).await;
    for path in [
        path.to_owned(),
        format!("/v2/prod/app/manifests/{digest}"),
        "/acr/v1/prod/app/_tags/v1".into(),
        "/acr/v1/prod/app".into(),
    ] {
        expect(http.delete(&path).await, StatusCode::METHOD_NOT_ALLOWED).await;
    }
    assert_eq!(http.get(path).await.text().await.unwrap(), manifest);

    // Again the same, another tag, and another repository.
    for (repository, tag, content) in
        [("prod/app", "v1", &manifest), ("prod/app", "latest", &manifest)]
    {
        let pushed = http.put_manifest(repository, tag, OCI_MANIFEST, content.clone()).await;
        expect(pushed, StatusCode::CREATED).await;
    }
    let moved = http.put_manifest("prod/app", "latest", OCI_MANIFEST, changed).await;
    expect(moved, StatusCode::CREATED).await;
    http.push_artifact("test/app", "v1", b"one").await;
    http.push_artifact("test/app", "v1", b"two").await;
}
