use std::net::IpAddr;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::AuthError;
use super::recent::Recent;

/// Wrong passwords that cost no wait.
const FREE_FAILURES: u32 = 5;
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Without another failure for so long, all is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
const MAX_REMEMBERED: usize = 16_384;

/// Counts wrong passwords by name and address, and makes guessers wait ever longer.
///
/// By both, so that a stranger's guesses do not keep the owner of a name out.
pub struct Attempts(Recent<[u8; 32], Failures>);

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    wait_until: Instant,
}

impl Attempts {
    pub fn new() -> Self {
        Self(Recent::new(MAX_REMEMBERED / 2))
    }

    /// # Errors
    /// [`AuthError::TooManyAttempts`] if the wait after the last failure is not over.
    pub fn check(&self, name: &str, address: IpAddr) -> Result<(), AuthError> {
        let Some(failures) = self.0.get(&key(name, address)) else { return Ok(()) };
        match failures.wait_until.checked_duration_since(Instant::now()) {
            Some(wait) if !wait.is_zero() => {
                Err(AuthError::TooManyAttempts { seconds: wait.as_secs() + 1 })
            }
            _ => Ok(()),
        }
    }

    pub fn failed(&self, name: &str, address: IpAddr) {
        let key = key(name, address);
        let count = self.0.get(&key).map_or(0, |failures| failures.count) + 1;
        let now = Instant::now();
        let failures = Failures { count, wait_until: now + wait_after(count) };
        self.0.insert(key, failures, now + FORGOTTEN_AFTER);
    }

    pub fn succeeded(&self, name: &str, address: IpAddr) {
        self.0.remove(&key(name, address));
    }
}

/// Doubles with each failure beyond the free ones.
fn wait_after(failures: u32) -> Duration {
    match failures.checked_sub(FREE_FAILURES) {
        None => Duration::ZERO,
        Some(more) => Duration::from_secs(1 << more.min(16)).min(LONGEST_WAIT),
    }
}

/// One network of IPv6 counts as one address, as its holder has all of them.
fn key(name: &str, address: IpAddr) -> [u8; 32] {
    let network = match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    };
    Sha256::new().chain_update(network).chain_update([0]).chain_update(name).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_guesser_waits_ever_longer() {
        let attempts = Attempts::new();
        for _ in 1..FREE_FAILURES {
            attempts.failed("alice", HERE);
            assert!(attempts.check("alice", HERE).is_ok());
        }
        attempts.failed("alice", HERE);
        assert!(attempts.check("alice", HERE).is_err());
        let waits: Vec<_> = (3..15).map(|n| wait_after(n).as_secs()).collect();
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }

    #[test]
    fn a_stranger_keeps_nobody_else_out() {
        let attempts = Attempts::new();
        for _ in 0..100 {
            attempts.failed("alice", ELSEWHERE);
        }
        assert!(attempts.check("alice", ELSEWHERE).is_err());
        assert!(attempts.check("alice", HERE).is_ok());
        assert!(attempts.check("bob", ELSEWHERE).is_ok());
    }

    #[test]
    fn success_forgets_the_failures() {
        let attempts = Attempts::new();
        for _ in 0..FREE_FAILURES {
            attempts.failed("alice", HERE);
        }
        attempts.succeeded("alice", HERE);
        assert!(attempts.check("alice", HERE).is_ok());
    }

    #[test]
    fn another_address_of_the_same_network_is_no_way_around() {
        let attempts = Attempts::new();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for n in 0..FREE_FAILURES {
            attempts.failed("alice", address(&format!("2001:db8::{n}")));
        }
        assert!(attempts.check("alice", address("2001:db8::ffff")).is_err());
        assert!(attempts.check("alice", address("2001:db8:0:1::1")).is_ok());
    }
}
