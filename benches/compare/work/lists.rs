use sqlx::{Connection as _, SqliteConnection};

use super::content::digest;
use super::names;
use crate::effort::Effort;
use crate::load::repeat;
use crate::report::{Report, Unit};
use crate::servers::{Orlop, Registry};

/// The one repository whose lists are long.
const LONG: &str = "long";
const REFERRERS: usize = 10_000;

/// A page of the tags that `artifacts` pushed, at each registry.
pub async fn pushed_tags(registries: &[Registry], effort: Effort, report: &mut Report) {
    for _ in 0..effort.rounds {
        for registry in registries {
            let name = "page of 100 tags of the pushed artifacts";
            pages(registry, "/v2/{r}/many/tags/list?n=100", name, effort, report).await;
        }
    }
}

/// Pages in the middle of short and long lists of Orlop. The rows are written by hand: pushing a
/// million artifacts takes too long.
pub async fn lists(effort: Effort, report: &mut Report) {
    let mut servers = Vec::new();
    for entries in effort.list_sizes {
        let orlop = Orlop::start().await;
        orlop.stop();
        fill(&orlop, entries).await.expect("the rows can be written");
        let orlop = orlop.start_again().await;
        let (pull, catalog) = (orlop.with_token(&[LONG]).await, orlop.with_catalog_token().await);
        servers.push((entries, [pull, catalog], orlop));
    }
    for _ in 0..effort.rounds {
        for (entries, registries, _) in &servers {
            let last = entries / 2;
            let paths = [
                format!("/v2/{{r}}/{LONG}/tags/list?n=100&last=t{last:07}"),
                format!("/v2/_catalog?n=100&last=r{last:07}"),
            ];
            for ((list, path), registry) in names::LISTS.into_iter().zip(paths).zip(registries) {
                pages(registry, &path, &names::page(list, *entries), effort, report).await;
            }
        }
        let (_, [registry, _], _) = &servers[1];
        let path = format!("/v2/{{r}}/{LONG}/referrers/{}", digest(b"a subject"));
        pages(registry, &path, names::REFERRERS, effort, report).await;
    }
}

/// One page again and again, over one connection.
async fn pages(registry: &Registry, path: &str, name: &str, effort: Effort, report: &mut Report) {
    let usage = registry.process.measure();
    let head = registry.head("GET", path, "");
    let done = repeat(registry.address, move |_| head.clone(), 1, effort.time).await;
    report.done(name, Unit::Requests, registry.name, done, Some(usage()));
}

async fn fill(orlop: &Orlop, entries: usize) -> Result<(), sqlx::Error> {
    let url = format!("sqlite://{}", orlop.database().display());
    let mut database = SqliteConnection::connect(&url).await?;
    let manifest = digest(b"a manifest");
    let numbers = "WITH RECURSIVE numbers (n) AS
                     (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < $1)";
    let statements = [
        "INSERT INTO repositories (id, name, created_at, updated_at, manifest_count, tag_count)
         VALUES (0, 'token/long', 1, 1, 1, $1)"
            .to_owned(),
        format!(
            "{numbers} INSERT INTO repositories (name, created_at, updated_at)
             SELECT printf('r%07d', n), 1, 1 FROM numbers"
        ),
        format!(
            "INSERT INTO manifests (id, repository_id, digest, media_type, size, content_size,
                                    created_at, updated_at, content)
             VALUES (0, 0, '{manifest}', 'application/vnd.oci.image.index.v1+json', $1, 0, 1, 1,
                     x'7b7d')"
        ),
        format!(
            "{numbers} INSERT INTO tags (repository_id, name, manifest_id, created_at, updated_at)
             SELECT 0, printf('t%07d', n), 0, 1, 1 FROM numbers"
        ),
        format!(
            "{numbers} INSERT INTO manifests
               (repository_id, digest, media_type, artifact_type, subject_digest, size,
                content_size, created_at, updated_at, content)
             SELECT 0, printf('sha256:%064x', n), 'application/vnd.oci.image.manifest.v1+json',
                    'text/x', '{}', 2, 0, 1, 1, x'7b7d'
             FROM numbers WHERE n < {REFERRERS}",
            digest(b"a subject")
        ),
    ];
    let mut transaction = database.begin().await?;
    for (statement, count) in statements.into_iter().zip([1, 1, 1, 1, REFERRERS]) {
        let rows = i64::try_from(entries.max(count)).expect("there are not that many");
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(rows);
        query.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    database.close().await
}
