use std::time::Duration;

/// How long, how often and how large the works are.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// Of works with large blobs.
    pub large_rounds: usize,
    /// Of each work with small requests.
    pub time: Duration,
    /// Bytes of the blob that is pulled, of the one that is pushed alone, and of those that are
    /// pushed 32 at once.
    pub large: usize,
    pub huge: usize,
    pub crowd: usize,
    pub artifacts: usize,
    /// Entries of the lists of which pages are compared.
    pub list_sizes: [usize; 2],
}

pub const MIB: usize = 1 << 20;

impl Effort {
    pub const FULL: Self = Self {
        rounds: 5,
        large_rounds: 3,
        time: Duration::from_secs(1),
        large: 256 * MIB,
        huge: 1024 * MIB,
        crowd: 256 * MIB,
        artifacts: 1000,
        list_sizes: [1000, 1_000_000],
    };
    pub const QUICK: Self = Self {
        rounds: 3,
        large_rounds: 3,
        time: Duration::from_millis(300),
        large: 64 * MIB,
        huge: 256 * MIB,
        crowd: 16 * MIB,
        artifacts: 160,
        list_sizes: [1000, 100_000],
    };
}
