//! Every list, and how to get to the middle and to the end of it.

use super::fill::{RARE_TYPE, SUBJECT};
use super::registry::Registry;

pub struct List {
    pub name: &'static str,
    /// Of its first page.
    path: String,
    /// SQL of the items in the order of the list, each with the values of the parameters that make
    /// a page begin after it.
    items: String,
    parameters: &'static [&'static str],
}

/// Items of a page.
const ITEMS: i64 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    First,
    Middle,
    Last,
}

impl Page {
    pub const ALL: [Self; 3] = [Self::First, Self::Middle, Self::Last];
}

impl List {
    fn new(name: &'static str, path: impl Into<String>, items: impl Into<String>) -> Self {
        Self { name, path: path.into(), items: items.into(), parameters: &["last"] }
    }

    fn by(self, parameters: &'static [&'static str]) -> Self {
        Self { parameters, ..self }
    }

    /// The path of a page of a registry, and how many items it has.
    pub async fn page(&self, registry: &Registry, page: Page) -> (String, i64) {
        let Self { path, items, parameters, .. } = self;
        let count = format!("SELECT CAST(COUNT(*) AS TEXT) FROM ({items}) AS items");
        let count: i64 = registry.row(count).await[0].parse().expect("a number");
        let size = ITEMS.min(count);
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut path = format!("{path}{separator}n={ITEMS}");
        let before = match page {
            Page::First => return (path, size),
            Page::Middle => count / 2,
            Page::Last => count - size - 1,
        };
        let place = registry.row(format!("{items} LIMIT 1 OFFSET {}", before.max(0))).await;
        for (parameter, value) in parameters.iter().zip(place) {
            path += &format!("&{parameter}={}", value.replace('/', "%2F"));
        }
        (path, size.min(count - before.max(0) - 1))
    }
}

#[rustfmt::skip]
pub fn all() -> Vec<List> {
    let texts = |columns: &str, rest: &str| format!("SELECT {columns} FROM {rest}");
    let repositories =
        || texts("name", "repositories WHERE deleted_at IS NULL ORDER BY name");
    let tags = |of: &str, order: &str| texts("name", &format!("tags WHERE {of} ORDER BY {order}"));
    let manifests = |order: &str| {
        texts("digest", &format!("manifests WHERE repository_id = 1 ORDER BY {order}"))
    };
    let referrers = |of: &str| {
        texts("digest", &format!("manifests WHERE repository_id = 3 {of} ORDER BY digest"))
    };
    let found = |of: &str| texts("CAST(id AS TEXT)", &format!("manifests WHERE {of} ORDER BY id"));
    let by_time = "updated_at, name";
    let by_time_desc = "updated_at DESC, name DESC";
    let tags_path = "/acr/v1/lists/tags/_tags";
    let one_path = format!("/acr/v1/lists/one/_tags?digest={SUBJECT}");
    let one_desc = format!("{one_path}&orderby=timedesc");
    let referrers_path = format!("/v2/lists/referrers/referrers/{SUBJECT}");
    let gone = |columns: &str, table: &str, order: &str| {
        let rest = format!("{table} WHERE repository_id = 4 AND deleted_at IS NOT NULL");
        texts(&format!("{columns}, CAST(deleted_at AS TEXT)"), &format!("{rest} ORDER BY deleted_at, {order}"))
    };
    vec![
        List::new("repositories", "/v2/_catalog", repositories()),
        List::new("repositories (ACR)", "/acr/v1/_catalog", repositories()),
        List::new("repositories (API)", "/api/v1/repositories", repositories()),
        List::new("deleted repositories", "/acr/v1/_deleted/_catalog",
            texts("name", "repositories WHERE deleted_at IS NOT NULL ORDER BY name")),
        List::new("tags", "/v2/lists/tags/tags/list", tags("repository_id = 1", "name")),
        List::new("tags by name (ACR)", tags_path, tags("repository_id = 1", "name")),
        List::new("tags, oldest first (ACR)", format!("{tags_path}?orderby=timeasc"),
            tags("repository_id = 1", by_time)),
        List::new("tags, newest first (ACR)", format!("{tags_path}?orderby=timedesc"),
            tags("repository_id = 1", by_time_desc)),
        List::new("tags, newest first (API)", "/api/v1/repositories/lists%2Ftags/tags?orderby=timedesc",
            tags("repository_id = 1", by_time_desc)),
        List::new("tags of a manifest, by name", one_path, tags("repository_id = 2", "name")),
        List::new("tags of a manifest, newest first", one_desc, tags("repository_id = 2", by_time_desc)),
        List::new("deleted tags", "/acr/v1/_deleted/lists/deleted/_tags",
            gone("name", "deleted_tags", "name")).by(&["last", "at"]),
        List::new("moves of a tag", "/api/v1/repositories/lists%2Ftags/tags/v0000001/history",
            texts("CAST(id AS TEXT)", "tag_history ORDER BY id DESC")),
        List::new("manifests by digest (ACR)", "/acr/v1/lists/tags/_manifests", manifests("digest")),
        List::new("manifests, oldest first (ACR)", "/acr/v1/lists/tags/_manifests?orderby=timeasc",
            manifests("updated_at, digest")),
        List::new("manifests, newest first (ACR)", "/acr/v1/lists/tags/_manifests?orderby=timedesc",
            manifests("updated_at DESC, digest DESC")),
        List::new("manifests by digest (API)", "/api/v1/repositories/lists%2Ftags/manifests",
            manifests("digest")),
        List::new("deleted manifests", "/acr/v1/_deleted/lists/deleted/_manifests",
            gone("digest", "manifests", "digest")).by(&["last", "at"]),
        List::new("referrers", referrers_path.clone(), referrers("")),
        List::new("referrers of a type", format!("{referrers_path}?artifactType={RARE_TYPE}"),
            referrers(&format!("AND artifact_type = '{RARE_TYPE}'"))),
        List::new("search by type", format!("/api/v1/search?artifactType={RARE_TYPE}"),
            found(&format!("artifact_type = '{RARE_TYPE}' AND deleted_at IS NULL"))),
        List::new("search by annotation", "/api/v1/search?annotation=org.example.name%3Dvalue",
            found("repository_id = 3")),
        List::new("users", "/api/v1/users", texts("name", "identities WHERE kind = 'user' ORDER BY name")),
        List::new("service principals", "/api/v1/principals",
            texts("name", "identities WHERE kind = 'principal' ORDER BY name")),
        List::new("audit events", "/api/v1/audit-events",
            texts("CAST(id AS TEXT)", "audit_events ORDER BY id DESC")).by(&["before"]),
    ]
}

/// How many items an answer has: the length of its only list.
pub fn items(answer: &serde_json::Value) -> i64 {
    let fields = answer.as_object().expect("an object");
    let list = fields.values().find_map(|value| value.as_array()).expect("a list");
    i64::try_from(list.len()).expect("a page is small")
}
