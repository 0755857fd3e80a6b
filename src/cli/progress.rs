//! Shows how far a long command is: a bar on a terminal, else a line now and then.

use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use tokio::time::interval;

use crate::registry::Progress;

/// Between two looks at a terminal, and between two lines.
const REDRAW: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(10);

const BAR: &str = "{elapsed_precise} {wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {msg}";

/// Shows the progress of some work until that ends, on stderr.
pub async fn shown<T>(progress: Arc<Progress>, work: impl Future<Output = T>) -> T {
    if stderr().is_terminal() {
        let bar = ProgressBar::new(0);
        bar.set_style(ProgressStyle::with_template(BAR).expect("the template is one"));
        let redraw = async {
            let mut rounds = interval(REDRAW);
            loop {
                rounds.tick().await;
                let (items, (bytes, all)) = (progress.items(), progress.bytes());
                bar.set_length(all);
                bar.set_position(bytes);
                bar.set_message(format!("{} of {} items", items.0, items.1));
            }
        };
        let done = either(work, redraw).await;
        bar.finish_and_clear();
        return done;
    }
    let lines = async {
        let mut rounds = interval(LINE);
        rounds.tick().await;
        loop {
            rounds.tick().await;
            let (items, (bytes, all)) = (progress.items(), progress.bytes());
            let (bytes, all) = (HumanBytes(bytes), HumanBytes(all));
            eprintln!("{} of {} items known so far, {bytes} of {all}", items.0, items.1);
        }
    };
    either(work, lines).await
}

async fn either<T>(work: impl Future<Output = T>, beside: impl Future<Output = ()>) -> T {
    tokio::select! {
        done = work => done,
        () = beside => unreachable!("it goes on for ever"),
    }
}
