use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Error;
use super::api::{print_json, print_table};
use super::serve::database_url;
use super::settings::SettingsArgs;
use crate::metadata::Database;
use crate::registry::{Collected, Finding, Registry};
use crate::settings::Settings;
use crate::storage::BlobStore;
use crate::telemetry;

/// Remove what nobody needs any more, now
///
/// Works on the database and the store that the settings name, beside servers that run on them.
#[derive(Args)]
pub struct Gc {
    #[command(flatten)]
    settings: SettingsArgs,

    /// Only say what is going to be removed, when, and why
    #[arg(long)]
    dry_run: bool,

    /// How many things to list
    #[arg(long, default_value_t = 1000, requires = "dry_run")]
    limit: usize,

    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

impl Gc {
    pub async fn run(self) -> Result<(), Error> {
        let settings = self.settings.load()?;
        telemetry::init(&settings.log);
        let database = Database::open(&database_url(&settings), 2).await?;
        let store = BlobStore::open(&settings.storage).await?;
        let registry = Registry::new(database.clone(), store, &settings);
        if self.dry_run {
            let forecast = registry.garbage_forecast(self.limit, u32::MAX).await?;
            show_findings(&forecast.findings, self.output);
            if forecast.has_more {
                eprintln!("There is more: --limit shows it.");
            }
        } else {
            let collected = collect(&registry).await?;
            show_collected(collected, registry.garbage_waiting().await?, &settings, self.output);
        }
        database.close().await;
        Ok(())
    }
}

/// All that a server does by itself from time to time, once.
async fn collect(registry: &Registry) -> Result<Collected, Error> {
    registry.expire_uploads().await?;
    registry.purge_deleted().await?;
    registry.find_untagged().await?;
    let mut collected = registry.collect_garbage().await?;
    // Manifests that were just deleted, where nothing can be restored.
    registry.purge_deleted().await?;
    collected += registry.collect_garbage().await?;
    Ok(collected)
}

fn show_collected(collected: Collected, waiting: i64, settings: &Settings, output: Output) {
    let Collected { manifests, links, blobs, bytes } = collected;
    match output {
        Output::Json => print_json(&json!({
            "manifests": manifests, "links": links, "blobs": blobs, "bytes": bytes,
            "waiting": waiting,
        })),
        Output::Table => {
            println!("manifests deleted              {manifests}");
            println!("blobs taken from repositories  {links}");
            println!("blobs removed                  {blobs}");
            println!("bytes freed                    {bytes}");
            println!("to be looked at later          {waiting}");
            if waiting > 0 {
                let delay = settings.gc.delay_seconds;
                println!("\nBytes go {delay} seconds after it was decided; --dry-run tells more.");
            }
        }
    }
}

fn show_findings(findings: &[Finding], output: Output) {
    match output {
        Output::Json => {
            let entries: Vec<_> = findings.iter().map(to_json).collect();
            print_json(&Value::Array(entries));
        }
        Output::Table => {
            let titles = ["NOT BEFORE", "KIND", "REPOSITORY", "DIGEST", "SIZE", "REASON"];
            let mut rows = vec![titles.map(str::to_owned).to_vec()];
            rows.extend(findings.iter().map(|finding| {
                vec![
                    time(finding.at),
                    finding.kind.to_owned(),
                    finding.repository.as_ref().map(ToString::to_string).unwrap_or_default(),
                    finding.digest.to_string(),
                    finding.size.to_string(),
                    finding.reason.to_owned(),
                ]
            }));
            print_table(&rows);
        }
    }
}

fn to_json(finding: &Finding) -> Value {
    json!({
        "notBefore": time(finding.at),
        "kind": finding.kind,
        "repository": finding.repository.as_ref().map(ToString::to_string),
        "digest": finding.digest.as_str(),
        "size": finding.size,
        "reason": finding.reason,
    })
}

fn time(micros: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
