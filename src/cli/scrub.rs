use clap::Args;
use serde_json::{Value, json};

use super::Error;
use super::api::{Format, print_json, print_table};
use super::local::{Found, Local, time};
use super::settings::SettingsArgs;
use crate::registry::scrub::{self, ScrubReport, Scrubber};
use crate::settings::{ScrubSettings, StorageSettings};
use crate::storage::{BlobStore, StorageError};

/// Look for damage in the store, whether a server runs on it or not
///
/// Reads every blob and compares it with its digest, every manifest likewise, and looks for bytes
/// that no row knows. Goes on where an earlier look was interrupted. Exit code 3: there is damage
/// that was not healed.
#[derive(Args)]
pub struct Scrub {
    /// Only show what the last look found, or how far it has come
    #[arg(long)]
    status: bool,

    /// Begin anew, even if the last look did not come to its end
    #[arg(long, conflicts_with = "status")]
    restart: bool,

    /// Bytes to read in a second at most, 0 for no limit [scrub.bytes_per_second]
    #[arg(long, value_name = "BYTES")]
    rate: Option<u64>,

    /// Give bytes that no row knows to the garbage collector [scrub.collect]
    #[arg(long)]
    collect: bool,

    /// How to show what was found
    #[arg(long, short, value_enum, default_value = "table")]
    output: Format,

    #[command(flatten)]
    settings: SettingsArgs,
}

impl Scrub {
    pub async fn run(self) -> Result<(), Error> {
        let local = Local::open(self.settings).await?;
        let (settings, database) = (&local.settings, &local.database);
        let report = if self.status {
            scrub::report(database).await?.ok_or("nobody has looked yet: run `orlop scrub`")?
        } else {
            let copy = open_copy(&settings.scrub, &settings.storage).await?;
            let mut given = settings.scrub.clone();
            given.bytes_per_second = self.rate.unwrap_or(given.bytes_per_second);
            given.collect |= self.collect;
            Scrubber::new(local.registry(), copy, &given).run(self.restart).await?
        };
        database.close().await;
        show(&report, self.output);
        outcome(&report)
    }
}

/// The store with copies, if the settings name one.
pub async fn open_copy(
    settings: &ScrubSettings,
    own: &StorageSettings,
) -> Result<Option<BlobStore>, StorageError> {
    let Some(url) = &settings.copy else { return Ok(None) };
    let (endpoint, region) = (settings.copy_endpoint.as_deref(), settings.copy_region.as_deref());
    BlobStore::open_existing(&own.elsewhere(url, endpoint, region)).await.map(Some)
}

pub fn show(report: &ScrubReport, output: Format) {
    match output {
        Format::Json => print_json(&as_json(report)),
        Format::Table | Format::Tsv => {
            let scrub = &report.scrub;
            let until = scrub.finished_at.map_or_else(
                || format!("not finished: in phase {}", scrub.phase.as_str()),
                |at| format!("finished {}", time(at)),
            );
            println!(
                "{} blobs and {} manifests of {} bytes read; begun {}, {until}",
                scrub.blobs,
                scrub.manifests,
                scrub.bytes,
                time(scrub.started_at)
            );
            if report.findings.is_empty() {
                return println!("all is as it should be");
            }
            let titles = ["KIND", "NAME", "SIZE", "OUTCOME"].map(str::to_owned).to_vec();
            let rows = report.findings.iter().map(|finding| {
                let (kind, name) = (finding.kind.clone(), finding.name.clone());
                vec![kind, name, finding.size.to_string(), finding.outcome.clone()]
            });
            let rows: Vec<_> = std::iter::once(titles).chain(rows).collect();
            if output == Format::Table {
                print_table(&rows);
            } else {
                rows.iter().skip(1).for_each(|row| println!("{}", row.join("\t")));
            }
        }
    }
}

fn as_json(report: &ScrubReport) -> Value {
    let scrub = &report.scrub;
    let findings = report.findings.iter().map(|finding| {
        json!({
            "kind": finding.kind,
            "name": finding.name,
            "size": finding.size,
            "outcome": finding.outcome,
            "foundAt": time(finding.found_at),
        })
    });
    json!({
        "startedAt": time(scrub.started_at),
        "finishedAt": scrub.finished_at.map(time),
        "phase": scrub.phase.as_str(),
        "blobs": scrub.blobs,
        "manifests": scrub.manifests,
        "bytes": scrub.bytes,
        "damagedBlobs": report.damaged_blobs,
        "damagedManifests": report.damaged_manifests,
        "findings": findings.collect::<Vec<_>>(),
    })
}

/// # Errors
/// [`Found`] if something is damaged.
pub fn outcome(report: &ScrubReport) -> Result<(), Error> {
    match (report.damaged_blobs, report.damaged_manifests) {
        (0, 0) => Ok(()),
        (blobs, manifests) => {
            Err(Found(format!("damaged: {blobs} blobs and {manifests} manifests")).into())
        }
    }
}
