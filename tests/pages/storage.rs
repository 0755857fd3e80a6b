//! How much is pulled, what is stored over time, and what goes on in the background.

use orlop::metadata::gc_rounds::{self, GcRound};
use orlop::metadata::storage_samples::{self, HOUR};
use orlop::metadata::{Database, now};
use reqwest::StatusCode;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::live::next;
use crate::site::Site;
use crate::support::http::expect;
use crate::support::{Options, Orlop};

/// What was stored in the past, up to now: more and more.
pub async fn past(server: &Orlop, hours: i64) {
    let database = Database::open(server.database_url(), 1).await.unwrap();
    let mut transaction = database.begin().await.unwrap();
    for n in 1..=hours {
        let at = now() - (hours - n) * HOUR;
        storage_samples::add(&mut transaction, at).await.unwrap();
        let sql = format!(
            "UPDATE storage_samples SET size = {}, blobs = {n}, manifests = {n}, tags = {},
                                        repositories = 7
             WHERE at = {}",
            n * n * 1_000_000,
            n / 2,
            at - at % HOUR
        );
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
    database.close().await;
}

/// A round of the collector that last said something `silent` microseconds ago.
pub async fn round(server: &Orlop, silent: i64, finished: bool) {
    let at = now() - silent;
    let round = GcRound {
        id: Uuid::new_v4(),
        started_at: at - 90_000_000,
        updated_at: at,
        finished_at: finished.then_some(at),
        has_failed: false,
        reviewed: 1234,
        due: 4936,
        manifests: 0,
        links: 900,
        blobs: 1,
        bytes: 5 << 30,
    };
    let database = Database::open(server.database_url(), 1).await.unwrap();
    let mut transaction = database.begin().await.unwrap();
    gc_rounds::save(&mut transaction, &round).await.unwrap();
    transaction.commit().await.unwrap();
    database.close().await;
}

#[tokio::test]
async fn pulls_are_shown_and_repositories_are_ordered_by_the_last() {
    let config = "[registry]\npull_count_seconds = 3600\n".to_owned();
    let mut server = Orlop::start(Options { config: Some(config), ..Options::default() }).await;
    let http = server.http();
    for name in ["a", "b", "c", "never"] {
        http.push_artifact(name, "1.0", name.as_bytes()).await;
    }
    for name in ["b", "c", "a", "a"] {
        expect(http.get(&format!("/v2/{name}/manifests/1.0")).await, StatusCode::OK).await;
    }
    // Counts are kept when it stops.
    assert!(server.stop().await.success());
    server.restart().await;
    let site = Site::admin(&server).await;
    let page = site.shown("/?sort=pulled").await;
    let at = |name: &str| page.text.find(&format!("/r/{name}\"")).unwrap();
    assert!(at("a") < at("c") && at("c") < at("b"));
    page.lacks("/r/never\"").holds("never pulled").holds("data-label=\"Pulls\">2<");
    site.shown("/?sort=pulled&q=b").await.holds("/r/b\"").lacks("/r/a\"");
    site.shown("/").await.holds("/r/never\"").holds("data-label=\"Pulls\">0<");
    site.shown("/r/a").await.holds("<strong>2</strong> pulls, the last");
    site.shown("/r/a").await.holds("data-label=\"Pulls\">2 <time class=\"under\"");
    site.shown("/r/never").await.holds("<strong>0</strong> pulls</span>");
    site.shown("/r/a/-/manifests/1.0").await.holds("<strong>2</strong> pulls, the last");
    site.shown("/r/a/-/tags/1.0").await.holds("pulled <strong>2</strong> times by this tag");
}

#[tokio::test]
async fn a_list_by_the_last_pull_is_read_page_by_page() {
    let mut server = Orlop::start(Options::default()).await;
    let http = server.http();
    let names: Vec<_> = (0..60).map(|n| format!("many/r{n:02}")).collect();
    for name in &names {
        http.push_artifact(name, "1", b"layer").await;
        expect(http.get(&format!("/v2/{name}/manifests/1")).await, StatusCode::OK).await;
    }
    assert!(server.stop().await.success());
    server.restart().await;
    let site = Site::admin(&server).await;
    let first = site.shown("/?sort=pulled").await;
    let second = site.shown(&first.link("Next page")).await;
    let shown = |text: &str| -> Vec<String> {
        let cells = text.split("<td class=\"name\"><a href=\"/r/").skip(1);
        cells.map(|cell| cell.split('"').next().unwrap().to_owned()).collect()
    };
    let found = [shown(&first.text), shown(&second.text)].concat();
    assert_eq!(found, names.into_iter().rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_stored_is_drawn_and_told_as_a_table() {
    let mut server = Orlop::start(Options::default()).await;
    assert!(server.stop().await.success());
    past(&server, 400).await;
    server.restart().await;
    let site = Site::admin(&server).await;
    let page = site.shown("/storage").await;
    for plot in ["size", "blobs", "manifests", "tags", "repositories"] {
        page.holds(&format!("aria-labelledby=\"plot-{plot}-title plot-{plot}-text\""));
    }
    page.holds("<title id=\"plot-size-title\">Stored over time</title>");
    page.holds("<path class=\"line\" d=\"M0 ").holds("data-label=\"Tags\">199<");
    // The policy of the pages allows neither.
    page.lacks(" style=").lacks("<style");
    assert!(page.text.len() < 150 << 10, "{}", page.text.len());
    page.holds("href=\"/storage?days=30#over-time\" aria-current=\"page\"");
    let week = site.shown("/storage?days=7").await;
    week.holds("href=\"/storage?days=7#over-time\" aria-current=\"page\"");
    assert_ne!(week.text.find("Z\"></path>"), page.text.find("Z\"></path>"));
    site.shown("/storage?days=12345").await.holds("?days=30#over-time\" aria-current");
}

#[tokio::test]
async fn work_that_runs_is_shown_as_such_and_work_that_died_is_not() {
    let config = "[gc]\nenabled = false\n".to_owned();
    let server = Orlop::start(Options { config: Some(config), ..Options::default() }).await;
    let site = Site::admin(&server).await;
    let page = site.shown("/storage").await;
    page.holds("No round has ended yet").holds("Nobody has looked for damage yet");
    page.lacks("<progress");
    let mut stream = site.stream("/storage/events").await;
    let mut text = String::new();
    let before = next(&mut stream, &mut text).await;

    round(&server, 0, false).await;
    assert_ne!(next(&mut stream, &mut text).await, before);
    for page in ["/storage", "/storage/activity"] {
        let page = site.shown(page).await;
        page.holds("1\u{202f}234 of 4\u{202f}936 things looked at");
        page.holds("<progress max=\"4936\" value=\"1234\"").holds("25 %");
        page.holds("900 blobs of repositories, 1 blob from the store, 5.0 GiB freed");
    }
    round(&server, HOUR, false).await;
    round(&server, 2 * HOUR, true).await;
    server.run(&["scrub"]).await;
    server.http().start_upload("team/app").await;
    let page = site.shown("/storage/activity").await;
    page.holds("its server has stopped").holds("Last round").holds("Took\">1 minute<");
    page.holds("all was as it should be").holds(">team/app<");
    assert_eq!(page.text.matches("<progress").count(), 1);
    let anonymous = Site::anonymous(&server).get("/storage/activity").await;
    assert_eq!(anonymous.status, StatusCode::SEE_OTHER);
}
