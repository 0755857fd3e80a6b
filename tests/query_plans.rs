//! No list reads more of a table than it shows: what SQLite says of the plan of every query that a
//! list asks.
//!
//! How long pages take at scale is measured by `cargo bench --bench lists`.

#[path = "../benches/lists/fill.rs"]
mod fill;
#[path = "../benches/lists/pages.rs"]
mod pages;
#[path = "../benches/lists/registry.rs"]
mod registry;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use sqlx::{AssertSqlSafe, Row as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use fill::Size;
use pages::Page;
use registry::Registry;

/// The statements that sqlx tells of.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<BTreeSet<String>>>);

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            event.record(&mut self.clone());
        }
    }
}

impl Visit for Statements {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        self.record(field.name(), &text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field.name(), value);
    }
}

impl Statements {
    /// Long statements stand in a field of their own, shortened where all have their place.
    fn record(&self, field: &str, text: &str) {
        let is_whole = !text.ends_with('…') && !text.trim().is_empty();
        if matches!(field, "db.statement" | "summary") && is_whole {
            self.0.lock().unwrap().insert(text.trim().to_owned());
        }
    }

    fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// What a plan must not say: that a table is read as a whole, or sorted.
async fn complaint(registry: &Registry, statement: &str) -> Option<String> {
    let mut connection = registry.database.read().await.unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::query(explain).fetch_all(&mut *connection).await.unwrap();
    let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    // A part of the query that has its own steps.
    let is_part = |step: &str| {
        let name = step.strip_prefix("SCAN ").unwrap_or_default();
        steps.iter().any(|other| *other == format!("CO-ROUTINE {name}"))
    };
    let is_bad = |step: &&String| {
        step.contains("USE TEMP B-TREE") || (step.starts_with("SCAN ") && !is_part(step))
    };
    steps.iter().find(is_bad).map(|step| format!("{step}: {statement}"))
}

#[tokio::test]
async fn no_page_of_a_list_reads_a_whole_table() {
    let statements = Statements::default();
    tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(statements.clone()),
    )
    .unwrap();
    let size = Size { tags: 20, repositories: 20, others: 20 };
    let registry = Registry::new(None, size).await;
    let mut complaints = Vec::new();
    for list in pages::all() {
        for page in Page::ALL {
            let (path, items) = list.page(&registry, page).await;
            // What was asked to find the page does not count.
            statements.take();
            let answer = registry.get(&path).await;
            assert_eq!(pages::items(&answer), items, "{path}");
            let asked = statements.take();
            let selects = asked.iter().filter(|statement| statement.starts_with("SELECT"));
            let selects: Vec<_> = selects.collect();
            assert!(!selects.is_empty(), "{path} asks nothing: {asked:?}");
            for statement in selects {
                let complaint = complaint(&registry, statement).await;
                complaints.extend(complaint.map(|text| format!("{}: {text}", list.name)));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}
