use indicatif::HumanBytes;

use crate::cli::Error;
use crate::transfer::{Problem, Report};

/// Of each kind of trouble, so many are shown.
const SHOWN: usize = 100;

/// Tells what came, and fails if something did not.
pub fn show(report: &Report) -> Result<(), Error> {
    let Report { repositories, manifests, tags, blobs, absent, problems } = report;
    println!("repositories  {repositories}");
    println!("tags          {} new, {} there before", tags.new, tags.known);
    println!("manifests     {} new, {} there before", manifests.new, manifests.known);
    println!(
        "blobs         {} copied ({}), {} linked to the files of the source, {} from other \
         repositories, {} there before",
        blobs.copied,
        HumanBytes(blobs.bytes),
        blobs.linked,
        blobs.mounted,
        blobs.known
    );
    list("missing in the source itself", absent);
    list("not imported", problems);
    match problems.len() {
        0 => Ok(()),
        1 => Err("one thing could not be imported".into()),
        count => Err(format!("{count} things could not be imported").into()),
    }
}

fn list(title: &str, problems: &[Problem]) {
    if problems.is_empty() {
        return;
    }
    println!("{title}: {}", problems.len());
    for Problem { item, reason } in problems.iter().take(SHOWN) {
        println!("    {item}: {reason}");
    }
    if problems.len() > SHOWN {
        println!("    and {} more", problems.len() - SHOWN);
    }
}
