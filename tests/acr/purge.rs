//! What is removed for good once its time is over, seen in the rows.

use bytes::Bytes;
use orlop::metadata::Database;
use orlop::oci::{Digest, MediaType, Reference, RepositoryName, Tag};
use orlop::registry::{Incoming, PushManifest, Registry, RestoreManifest};
use orlop::settings::Settings;
use orlop::storage::BlobStore;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;

use super::support::{TestDatabase, digest_of};

struct Story {
    registry: Registry,
    /// The same content, with another time to restore it.
    without_retention: Registry,
    database: Database,
    repository: RepositoryName,
    _rows: TestDatabase,
    _folder: TempDir,
}

impl Story {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rows = TestDatabase::new(folder.path()).await;
        let database = Database::open(rows.url(), 4).await.unwrap();
        let mut settings = Settings::default();
        settings.storage.data_dir = folder.path().join("data");
        let store = BlobStore::open(&settings.storage).await.unwrap();
        let registry = Registry::new(database.clone(), store.clone(), &settings);
        settings.registry.deleted_retention_days = 0;
        let without_retention = Registry::new(database.clone(), store, &settings);
        let repository = RepositoryName::parse("a").unwrap();
        Self { registry, without_retention, database, repository, _rows: rows, _folder: folder }
    }

    async fn push(&self, tag: &str) -> Digest {
        let layer = tag.repeat(10);
        for content in ["{}", &layer] {
            let digest = Digest::parse(&digest_of(content)).unwrap();
            let bytes = Bytes::copy_from_slice(content.as_bytes());
            let body: Incoming = Box::pin(futures_util::stream::iter([Ok(bytes)]));
            self.registry.push_blob(&self.repository, &digest, "somebody", body).await.unwrap();
        }
        let config = digest_of("{}");
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "config": {"mediaType": "application/vnd.test", "digest": config, "size": 2},
            "layers": [{
                "mediaType": "text/plain", "digest": digest_of(&layer), "size": layer.len(),
            }],
        });
        let push = PushManifest {
            repository: &self.repository,
            reference: &Reference::Tag(Tag::parse(tag).unwrap()),
            tags: &[],
            content_type: Some(&MediaType::parse(MediaType::OCI_MANIFEST).unwrap()),
            content: manifest.to_string().into(),
            actor: "somebody",
        };
        self.registry.push_manifest(push).await.unwrap().digest
    }

    async fn count(&self, table: &str) -> i64 {
        let mut connection = self.database.read().await.unwrap();
        let sql = format!("SELECT COUNT(*) FROM {table}");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await.unwrap()
    }
}

#[tokio::test]
async fn what_can_still_be_restored_is_kept() {
    let story = Story::begin().await;
    let digest = story.push("one").await;
    story.registry.delete_repository(&story.repository, "somebody").await.unwrap();
    story.registry.purge_deleted().await.unwrap();
    let tag = Tag::parse("one").unwrap();
    let restore = RestoreManifest {
        repository: &story.repository,
        digest: &digest,
        tag: Some(&tag),
        force: false,
        actor: "somebody",
    };
    story.registry.restore_manifest(restore).await.unwrap();
    story.without_retention.purge_deleted().await.unwrap();
    let reference = Reference::Tag(tag);
    let found = story.registry.manifest(&story.repository, &reference).await.unwrap();
    assert_eq!(found.digest, digest);
}

#[tokio::test]
async fn a_manifest_goes_for_good_and_leaves_what_others_need() {
    let story = Story::begin().await;
    let one = story.push("one").await;
    story.push("two").await;
    story.registry.delete_manifest(&story.repository, &one, "somebody").await.unwrap();
    let layer = Digest::parse(&digest_of("one".repeat(10))).unwrap();
    story.registry.delete_blob(&story.repository, &layer).await.unwrap();
    assert_eq!(story.count("manifests").await, 2);
    assert_eq!(story.count("repository_blobs").await, 3);
    story.without_retention.purge_deleted().await.unwrap();
    assert_eq!(story.count("manifests").await, 1);
    assert_eq!(story.count("deleted_tags").await, 0);
    // The config is of both; the layer's link was deleted, and nothing holds it any more.
    assert_eq!(story.count("repository_blobs").await, 2);
    assert_eq!(story.count("repositories").await, 1);
}

#[tokio::test]
async fn a_repository_goes_for_good_with_all_its_rows() {
    let story = Story::begin().await;
    for n in 0..40 {
        story.push(&format!("tag{n}")).await;
    }
    story.registry.delete_repository(&story.repository, "somebody").await.unwrap();
    story.without_retention.purge_deleted().await.unwrap();
    for table in [
        "repositories",
        "manifests",
        "manifest_references",
        "tags",
        "deleted_tags",
        "tag_history",
        "repository_blobs",
    ] {
        assert_eq!(story.count(table).await, 0, "{table}");
    }
    // The bytes are for garbage collection.
    assert_eq!(story.count("blobs").await, 41);
}
