use std::io::{self, Write as _};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Error;
use super::scrub::open_copy;
use super::settings::SettingsArgs;
use crate::auth::{Auth, FirstAdmin};
use crate::http::health::Check;
use crate::http::metrics::Metrics;
use crate::http::server::Server;
use crate::http::{self, App};
use crate::metadata::Database;
use crate::registry::Registry;
use crate::registry::scrub::{ScrubError, Scrubber};
use crate::settings::Settings;
use crate::storage::{BlobStore, make_folder};
use crate::telemetry;

/// Seconds between two looks for upload sessions that nobody uses any more; fewer if sessions live
/// shorter than that.
const EXPIRY_INTERVAL: u32 = 60;

/// How often a server asks whether it is time to look for damage.
const SCRUB_LOOK: Duration = Duration::from_secs(60);

/// Run the registry
#[derive(Args)]
pub struct Serve {
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Serve {
    pub async fn run(self) -> Result<(), Error> {
        let settings = Arc::new(self.settings.load()?);
        telemetry::init(&settings.log);
        let mut signals = Signals::new()?;
        let metrics = Metrics::new();
        let server = Server::bind(&settings.server, metrics.clone()).await?;
        let url = server.url();

        make_folder(&settings.storage.data_dir)?;
        let store = BlobStore::open(&settings.storage).await?;
        let database =
            Database::open(&database_url(&settings), settings.metadata.max_connections).await?;
        let auth = Auth::open(database.clone(), &settings.auth).await?;
        let first_admin = auth.bootstrap(std::env::var("ORLOP_ADMIN_PASSWORD").ok()).await?;
        let checks = checks(&database, &store);
        let registry = Registry::new(database.clone(), store, &settings);
        let scrub = background_scrub(registry.clone(), &settings).await;
        let _scrub = scrub.map(|scrub| AbortOnDropHandle::new(tokio::spawn(scrub)));
        if !database.is_shared() {
            registry.free_uploads().await?;
        }
        let expiry = settings.registry.upload_expiry_seconds.min(EXPIRY_INTERVAL);
        let sweep = sweep(registry.clone(), Duration::from_secs(expiry.into()));
        let _sweep = AbortOnDropHandle::new(tokio::spawn(sweep));
        let every = Duration::from_secs(settings.gc.interval_seconds.into());
        let collect = collect(registry.clone(), metrics, every);
        let _collect = settings.gc.enabled.then(|| AbortOnDropHandle::new(tokio::spawn(collect)));
        let stop = CancellationToken::new();
        let every = Duration::from_secs(settings.registry.pull_count_seconds.into());
        let counting = tokio::spawn(keep_pulls(registry.clone(), every, stop.clone()));
        let router = http::router(App { registry: registry.clone(), auth, settings });

        greet(&url, first_admin.as_ref())?;
        let mut serving = pin!(server.serve(router, checks, stop.clone()));
        loop {
            tokio::select! {
                () = &mut serving => break,
                name = signals.next() => {
                    if stop.is_cancelled() {
                        return Err(format!("{name} came a second time: ended at once").into());
                    }
                    tracing::info!("{name}");
                    stop.cancel();
                }
            }
        }
        stop.cancel();
        // Once more for those of the last requests.
        _ = counting.await;
        keep_counted(&registry).await;
        database.close().await;
        Ok(())
    }
}

pub(super) fn database_url(settings: &Settings) -> String {
    match &settings.metadata.url {
        Some(url) => url.reveal().to_owned(),
        None => Database::sqlite_url(&settings.storage.data_dir.join("orlop.db")),
    }
}

/// What the server cannot do without.
fn checks(database: &Database, store: &BlobStore) -> Vec<Check> {
    let (database, store) = (database.clone(), store.clone());
    vec![
        Check::new("database", move || {
            let database = database.clone();
            async move { database.ping().await }
        }),
        Check::new("storage", move || {
            let store = store.clone();
            async move { store.ping().await }
        }),
    ]
}

/// Removes what has had its time.
async fn sweep(registry: Registry, every: Duration) {
    let mut rounds = interval(every);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        if let Err(error) = registry.expire_uploads().await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "expired uploads could not be removed");
        }
        if let Err(error) = registry.purge_deleted().await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "deleted content could not be removed for good");
        }
        if let Err(error) = registry.sample_storage().await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "what is stored could not be noted");
        }
    }
}

/// Keeps the counts of pulls, now and then and when there are many.
async fn keep_pulls(registry: Registry, every: Duration, stop: CancellationToken) {
    if every.is_zero() {
        return;
    }
    loop {
        tokio::select! {
            () = sleep(every) => {}
            () = registry.many_pulls() => {}
            () = stop.cancelled() => return,
        }
        keep_counted(&registry).await;
    }
}

async fn keep_counted(registry: &Registry) {
    if let Err(error) = registry.keep_pulls().await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "pulls that were counted could not be kept yet");
    }
}

/// Collects garbage.
async fn collect(registry: Registry, metrics: Metrics, every: Duration) {
    let mut rounds = interval(every);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        match registry.collect_garbage().await {
            Ok(collected) => metrics.collected(collected),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "some garbage could not be collected");
            }
        }
    }
}

/// Looks for damage in the store from time to time, if the settings say so. Of several servers one
/// does it.
async fn background_scrub(
    registry: Registry,
    settings: &Settings,
) -> Option<impl Future<Output = ()> + use<>> {
    let hours = settings.scrub.interval_hours;
    if hours == 0 {
        return None;
    }
    let copy = open_copy(&settings.scrub, &settings.storage).await.unwrap_or_else(|error| {
        tracing::error!(%error, "scrub.copy cannot be used, so nothing is healed from it");
        None
    });
    let scrubber = Scrubber::new(registry, copy, &settings.scrub);
    let interval_between = Duration::from_secs(u64::from(hours) * 3600);
    Some(async move {
        let mut rounds = interval(SCRUB_LOOK);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            let round = async {
                if scrubber.is_due(interval_between).await? {
                    scrubber.run(false).await?;
                }
                Ok(())
            };
            match round.await {
                Ok(()) => {}
                Err(ScrubError::Busy { .. }) => tracing::debug!("another server scrubs"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the look for damage ended early");
                }
            }
        }
    })
}

/// Tells where the server listens, and at the first start how to come in.
fn greet(url: &str, first_admin: Option<&FirstAdmin>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {url}")?;
    if let Some(FirstAdmin { name, password, is_generated }) = first_admin {
        let host = url.split_once("://").map_or(url, |(_, host)| host);
        let plain = if url.starts_with("http://") { " --plain-http" } else { "" };
        let shown = if *is_generated { password } else { "PASSWORD" };
        if *is_generated {
            writeln!(out, "\nThe user {name} was made. Its password, shown only now: {password}")?;
        } else {
            writeln!(out, "\nThe user {name} was made with the password of ORLOP_ADMIN_PASSWORD.")?;
        }
        writeln!(
            out,
            "Next:\n    \
             oras login {host}{plain} --username {name} --password {shown}\n    \
             echo 'Here is an artifact' > artifact.txt\n    \
             oras push {host}/samples/artifact:1.0{plain} ./artifact.txt\n    \
             oras pull {host}/samples/artifact:1.0{plain}\n\
             Or open {url} in a browser.\n"
        )?;
    }
    out.flush()
}

/// The signals that ask the process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
