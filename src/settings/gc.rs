use serde::{Deserialize, Serialize};

use super::fields;

/// `[gc]`: when what nobody needs any more is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GcSettings {
    /// Whether the server collects by itself; `orlop gc` does it in any case.
    pub enabled: bool,
    /// Seconds between two rounds.
    #[serde(deserialize_with = "fields::between::<1, 86_400, _, _>")]
    pub interval_seconds: u32,
    /// Seconds that a blob without a manifest is kept, and a manifest whose subject is not there.
    #[serde(deserialize_with = "fields::between::<1, 31_536_000, _, _>")]
    pub grace_seconds: u32,
    /// Seconds between the decision to remove bytes and their removal.
    #[serde(deserialize_with = "fields::between::<0, 86_400, _, _>")]
    pub delay_seconds: u32,
    /// Days after which a manifest without a tag is deleted; 0 keeps it.
    #[serde(deserialize_with = "fields::between::<0, 3650, _, _>")]
    pub untagged_days: u32,
    /// Whether a manifest is deleted whose subject is gone.
    pub orphaned_referrers: bool,
}

impl Default for GcSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_seconds: 60,
            grace_seconds: 24 * 3600,
            delay_seconds: 300,
            untagged_days: 0,
            orphaned_referrers: true,
        }
    }
}
