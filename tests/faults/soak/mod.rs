//! Pushes, pulls, mounts, attachments and deletions by many clients through three servers on PostgreSQL
//! and S3, with the collector at work all the time and hardly a grace, while servers are killed,
//! PostgreSQL is restarted and S3 fails in all its ways. Nothing that was acknowledged may be lost, no
//! answer may be 5xx without a fault, and in the end the bucket holds what the rows say, no more, no less.

mod client;
mod proxy;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use orlop::metadata::Database;

use self::client::{Client, Content};
use self::proxy::{Proxy, Rates};
use self::world::World;
use super::random::{Random, setting};
use super::support::{Options, Orlop, PostgresServer, S3};

const SERVERS: usize = 3;
const GRACE: Duration = Duration::from_secs(2);

const CONFIG: &str = "\
    [registry]\n\
    deleted_retention_days = 0\n\
    upload_expiry_seconds = 5\n\
    upload_lease_seconds = 2\n\
    [gc]\n\
    interval_seconds = 1\n\
    grace_seconds = 2\n\
    delay_seconds = 0\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collecting_garbage_loses_nothing_that_was_acknowledged() {
    let enough = setting("ORLOP_TORTURE_SOAK", 300);
    let at_most = Duration::from_secs(setting("ORLOP_TORTURE_SOAK_SECONDS", 24 * 3600));
    let client_count = setting("ORLOP_TORTURE_SOAK_CLIENTS", 8);
    let mut random = Random::start();
    let Some(s3) = S3::start().await else { return };
    let Some(postgres) = PostgresServer::start() else { return };
    let (proxy, endpoint) = Proxy::start(s3.endpoint()).await;
    let options = Options {
        config: Some(CONFIG.into()),
        environment: s3.environment_behind(&endpoint),
        ..Options::default()
    };
    let servers = Orlop::replicas_on(postgres.database().await, SERVERS, options).await;
    let database = servers[0].database_url().to_owned();
    let world = Arc::new(World::new(servers.iter().map(Orlop::http).collect()));
    let mut shared: Vec<_> =
        [1, 50, 700, 9_000, 60_000, 250_000].map(|size| Content::new(random.bytes(size))).into();
    // One that comes in parts.
    shared.push(Content::new(random.bytes(5_500_000)));
    let shared = Arc::new(shared);

    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..client_count)
        .map(|place| {
            let mut client =
                Client::new(place, &world, random.fork(), &shared, client_count, GRACE);
            let is_over = Arc::clone(&is_over);
            tokio::spawn(async move {
                while !is_over.load(Relaxed) {
                    client.step().await;
                }
                client
            })
        })
        .collect();
    let mut director =
        Director { random, world: Arc::clone(&world), servers, postgres, proxy, faults: [0; 5] };
    let started = Instant::now();
    let mut told = Instant::now();
    while world.operations() < enough && started.elapsed() < at_most || director.faults.contains(&0)
    {
        if let Some(client) = clients.iter().find(|client| client.is_finished()) {
            assert!(!client.is_finished(), "a client has found something wrong");
        }
        director.one_fault(enough > 10_000).await;
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            println!("{:?}: {} operations", started.elapsed(), world.operations());
        }
    }
    is_over.store(true, Relaxed);
    let took = started.elapsed();
    let mut checked = 0;
    for client in clients {
        checked += client.await.expect("the client found all as it must be").check().await;
    }
    print_counts(&world, &director, took, checked);
    director.collect_all(&database).await;
    let blobs = compare(&s3, &database).await;
    let parts = s3.multipart_uploads().await;
    println!(
        "    in the end {blobs} blobs, each with its object; no other objects; {parts} multipart uploads left"
    );
    assert!(blobs > 0);
}

fn print_counts(world: &World, director: &Director, took: Duration, checked: usize) {
    println!("{} operations acknowledged in {took:.0?}", world.operations());
    for (what, count) in world.counts() {
        println!("    {what}: {count}");
    }
    let [kills, restarts, errors, slow, lost] = director.faults;
    let [refused, unanswered, delayed] = director.proxy.done();
    println!(
        "    faults: {kills} kills, {restarts} restarts of PostgreSQL, {errors} times errors of S3 \
         ({refused} requests), {lost} times lost answers ({unanswered}), {slow} times slowness ({delayed})"
    );
    println!("    checked at the end: {checked} manifests with their blobs and referrers");
}

/// Lets things fail, one after the other.
struct Director {
    random: Random,
    world: Arc<World>,
    servers: Vec<Orlop>,
    postgres: PostgresServer,
    proxy: Proxy,
    /// How often each was done.
    faults: [u64; 5],
}

impl Director {
    /// A fault, and the calm after it, which is long enough for all to be well again.
    async fn one_fault(&mut self, is_long: bool) {
        let least = *self.faults.iter().min().expect("there are some");
        let rare: Vec<_> = (0..5).filter(|kind| self.faults[*kind] == least).collect();
        let kind = *self.random.pick(&rare);
        self.faults[kind] += 1;
        let lasts = Duration::from_millis(if is_long { 4000 } else { 700 });
        self.world.set_fault(true);
        match kind {
            0 => {
                let place = self.random.below(SERVERS);
                self.servers[place].kill().await;
                self.world.set_server(place, None);
                tokio::time::sleep(lasts).await;
                self.servers[place].restart().await;
                self.world.set_server(place, Some(self.servers[place].http()));
            }
            1 => tokio::task::block_in_place(|| self.postgres.restart()),
            2 => self.in_store(Rates { refused: 300, ..Rates::default() }, lasts).await,
            3 => self.in_store(Rates { slow: 300, ..Rates::default() }, lasts).await,
            _ => self.in_store(Rates { lost: 300, ..Rates::default() }, lasts).await,
        }
        self.world.set_fault(false);
        // Longer than what follows a fault, so that there are times without any excuse.
        tokio::time::sleep(Duration::from_millis(if is_long { 8000 } else { 3500 })).await;
    }

    async fn in_store(&self, rates: Rates, lasts: Duration) {
        self.proxy.set(rates);
        tokio::time::sleep(lasts).await;
        self.proxy.set(Rates::default());
    }

    /// Waits until the servers have collected all that there is.
    async fn collect_all(&mut self, database: &str) {
        let database = Database::open(database, 2).await.expect("it is there");
        let give_up_at = Instant::now() + Duration::from_secs(180);
        loop {
            let mut transaction = database.begin().await.expect("it is there");
            // Whatever was under way to the bucket has arrived by now.
            let hurry = sqlx::query("UPDATE gc_objects SET remove_at = 0");
            hurry.execute(&mut *transaction).await.expect("it does it");
            transaction.commit().await.expect("it does it");
            let waiting: i64 = sqlx::query_scalar(
                "SELECT (SELECT COUNT(*) FROM gc_queue) + (SELECT COUNT(*) FROM gc_objects)
                    + (SELECT COUNT(*) FROM uploads)
                    + (SELECT COUNT(*) FROM manifests WHERE deleted_at IS NOT NULL)
                    + (SELECT COUNT(*) FROM repository_blobs WHERE deleted_at IS NOT NULL)",
            )
            .fetch_one(&mut *database.read().await.expect("it is there"))
            .await
            .expect("it answers");
            if waiting == 0 {
                return;
            }
            assert!(Instant::now() < give_up_at, "{waiting} things are not collected");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Each row of a blob has its object, each object its row; gives how many.
async fn compare(s3: &S3, database: &str) -> usize {
    let database = Database::open(database, 2).await.expect("it is there");
    let mut connection = database.read().await.expect("it is there");
    let rows: Vec<String> = sqlx::query_scalar("SELECT location FROM blobs")
        .fetch_all(&mut *connection)
        .await
        .expect("each has a key");
    let unlinked: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM blobs b WHERE NOT EXISTS (
             SELECT 1 FROM repository_blobs l WHERE l.blob_id = b.id)",
    )
    .fetch_one(&mut *connection)
    .await
    .expect("it answers");
    assert_eq!(unlinked, 0, "blobs that no repository has are left");
    let (rows, objects): (BTreeSet<_>, BTreeSet<_>) =
        (rows.into_iter().collect(), s3.keys().await.into_iter().collect());
    let without_object: Vec<_> = rows.difference(&objects).collect();
    assert!(without_object.is_empty(), "LOST: rows without an object: {without_object:?}");
    let without_row: Vec<_> = objects.difference(&rows).collect();
    assert!(without_row.is_empty(), "objects without a row: {without_row:?}");
    rows.len()
}
