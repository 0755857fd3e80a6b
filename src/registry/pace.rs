use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Holds work down to so many bytes a second.
pub(super) struct Pace {
    /// No limit if absent.
    bytes_per_second: Option<u64>,
    /// When the next bytes may come.
    next: Mutex<Instant>,
}

impl Pace {
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second, next: Mutex::new(Instant::now()) }
    }

    /// Waits for as long as `bytes` take. What was not used before is not saved up.
    pub async fn spend(&self, bytes: u64) {
        if let Some(until) = self.reserve(bytes, Instant::now()) {
            sleep_until(until).await;
        }
    }

    /// When `bytes` that come now are through.
    fn reserve(&self, bytes: u64, now: Instant) -> Option<Instant> {
        let rate = self.bytes_per_second?;
        #[expect(clippy::cast_precision_loss, reason = "nobody sees the difference")]
        let time = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(now) + time;
        Some(*next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time_and_idleness_saves_none() {
        let now = Instant::now();
        let pace = Pace::new(Some(1000));
        let second = Duration::from_secs(1);
        assert!(pace.reserve(500, now).unwrap() >= now + second / 2);
        assert!(pace.reserve(1500, now).unwrap() >= now + 2 * second);
        let later = now + 100 * second;
        assert_eq!(pace.reserve(2000, later), Some(later + 2 * second));
        assert_eq!(Pace::new(None).reserve(1 << 40, now), None);
    }
}
