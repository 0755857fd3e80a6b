use std::error::Error;
use std::fmt;
use std::sync::Mutex;

/// Something that could not be carried, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// As `REPOSITORY:TAG` or `REPOSITORY@DIGEST`.
    pub item: String,
    pub reason: String,
}

impl Problem {
    pub fn new(item: impl fmt::Display, error: &dyn Error) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors tell their cause themselves.
            if !reason.contains(&text) {
                reason = format!("{reason}: {text}");
            }
            cause = error.source();
        }
        Self { item: item.to_string(), reason }
    }
}

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub repositories: u64,
    pub manifests: Counts,
    pub tags: Counts,
    pub blobs: BlobCounts,
    /// What the source itself lacks, though something else names it.
    pub absent: Vec<Problem>,
    /// What should be here now and is not.
    pub problems: Vec<Problem>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub new: u64,
    pub known: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlobCounts {
    /// By reading their bytes, of which there were `bytes`.
    pub copied: u64,
    pub bytes: u64,
    /// By a second name for the file of the source.
    pub linked: u64,
    /// From another repository of this registry.
    pub mounted: u64,
    pub known: u64,
}

/// Where many tasks note what they did.
#[derive(Default)]
pub(super) struct Notes(Mutex<Report>);

impl Notes {
    pub fn change(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.0.lock().expect("a change of counts does not panic"));
    }

    pub fn problem(&self, item: impl fmt::Display, error: &dyn Error) {
        let problem = Problem::new(item, error);
        self.change(|report| report.problems.push(problem));
    }

    /// The report, with what could not be had in order.
    pub fn report(&self) -> Report {
        let mut report = self.0.lock().expect("a change of counts does not panic").clone();
        report.absent.sort();
        report.absent.dedup();
        report.problems.sort();
        report.problems.dedup();
        report
    }
}
