use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::hmac;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use super::AuthError;
use super::recent::Recent;

/// Memory of one hash in KiB, and passes over it: the choice of OWASP's password storage cheat
/// sheet with the least memory but one, as sign-ins share the machine with transfers.
const MEMORY_KIB: u32 = 9 * 1024;
const PASSES: u32 = 4;
/// Sign-ins that may wait for their turn; a flood beyond is turned away at once.
const MAX_WAITING: usize = 128;
/// Locks that sign-ins share out among themselves by what they show.
const LOCKS: usize = 64;
/// About two seconds of work; each step more doubles it.
const MAX_BCRYPT_COST: u32 = 15;
/// How long a password that was right needs no new check.
const REMEMBERED_FOR: Duration = Duration::from_secs(300);
const MAX_REMEMBERED: usize = 4096;
/// A hash of nothing in particular with the cost of the true ones.
const DECOY: &str = "$argon2id$v=19$m=9216,t=4,p=1$b3Jsb3Agb3Jsb3Agb3JsbA$\
                     bm8gcGFzc3dvcmQgaGFzIHRoaXMgaGFzaCBhdCBhbGw";

/// Hashes and checks passwords, a few at a time and off the threads that serve requests.
pub struct Passwords {
    turns: Arc<Semaphore>,
    queue: Semaphore,
    /// Held while a password is checked, so that many requests at once with the same one, none of
    /// which was seen before, cost one check and not many.
    checking: [Mutex<()>; LOCKS],
    /// Passwords that were right, by a hash under a key that only this process knows.
    right: Recent<[u8; 32], ()>,
    key: hmac::Key,
    #[cfg(test)]
    checks: std::sync::atomic::AtomicU32,
}

impl Passwords {
    pub fn new() -> Self {
        Self::with_queue(MAX_WAITING)
    }

    fn with_queue(max_waiting: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            turns: Arc::new(Semaphore::new((cores / 2).clamp(1, 4))),
            queue: Semaphore::new(max_waiting),
            checking: [const { Mutex::const_new(()) }; LOCKS],
            right: Recent::new(MAX_REMEMBERED / 2),
            key: hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()),
            #[cfg(test)]
            checks: Default::default(),
        }
    }

    /// Hashes a new password with argon2id.
    ///
    /// # Errors
    /// [`AuthError::Busy`] if too many are waiting.
    pub async fn hash(&self, password: &str) -> Result<String, AuthError> {
        let _place = self.place()?;
        let password = password.to_owned();
        self.in_turn(move || {
            let hash = argon2().hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|error| AuthError::Hash(error.to_string()))
        })
        .await?
    }

    /// Whether the password was found right for the credential a short while ago.
    pub fn remembers(&self, password: &str, credential_uid: &str) -> bool {
        self.right.get(&self.keyed_hash(password, credential_uid)).is_some()
    }

    /// Whether the password is the one of the credential, whose hash never changes.
    ///
    /// # Errors
    /// [`AuthError::Busy`] if too many are waiting.
    pub async fn verify(
        &self,
        password: &str,
        credential_uid: &str,
        hash: &str,
    ) -> Result<bool, AuthError> {
        let _place = self.place()?;
        let key = self.keyed_hash(password, credential_uid);
        let _checking = self.checking[usize::from(key[0]) % LOCKS].lock().await;
        if self.right.get(&key).is_some() {
            return Ok(true);
        }
        let is_right = self.compare(password, hash).await?;
        if is_right {
            self.right.insert(key, (), Instant::now() + REMEMBERED_FOR);
        }
        Ok(is_right)
    }

    /// Takes as long as [`Passwords::verify`] of a wrong password, for a name that has none.
    ///
    /// # Errors
    /// [`AuthError::Busy`] if too many are waiting.
    pub async fn verify_nothing(&self, password: &str) -> Result<(), AuthError> {
        let _place = self.place()?;
        self.compare(password, DECOY).await?;
        Ok(())
    }

    /// Passwords that were compared with a hash, so far.
    #[cfg(test)]
    pub fn checks(&self) -> u32 {
        self.checks.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn place(&self) -> Result<SemaphorePermit<'_>, AuthError> {
        self.queue.try_acquire().map_err(|_| AuthError::Busy)
    }

    async fn compare(&self, password: &str, hash: &str) -> Result<bool, AuthError> {
        #[cfg(test)]
        self.checks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (password, hash) = (password.to_owned(), hash.to_owned());
        self.in_turn(move || {
            if is_bcrypt(&hash) {
                return bcrypt::verify(&password, &hash).unwrap_or(false);
            }
            PasswordHash::new(&hash)
                .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
        })
        .await
    }

    /// Runs slow work on a thread of its own when its turn comes. The turn belongs to the work, so
    /// that callers who hang up do not let more of it run.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| AuthError::Busy)?;
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        task.await.map_err(|error| AuthError::Hash(error.to_string()))
    }

    fn keyed_hash(&self, password: &str, credential_uid: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(credential_uid.as_bytes());
        // Ends the first text, so that no other pair makes the same bytes.
        context.update(&[0]);
        context.update(password.as_bytes());
        context.sign().as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }
}

/// Whether a hash is of a file that `htpasswd -B` wrote, at a cost that a sign-in can bear.
pub fn is_bcrypt(hash: &str) -> bool {
    hash.parse::<bcrypt::HashParts>().is_ok_and(|parts| parts.get_cost() <= MAX_BCRYPT_COST)
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("the constants are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_same_password_is_right() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse").await.unwrap();
        let cost = |hash: &str| hash.splitn(5, '$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(cost(&hash), cost(DECOY));
        assert!(PasswordHash::new(DECOY).is_ok());
        assert!(passwords.verify("correct horse", "one", &hash).await.unwrap());
        assert!(!passwords.verify("correct horse ", "one", &hash).await.unwrap());
        assert!(!passwords.verify("", "one", &hash).await.unwrap());
    }

    #[tokio::test]
    async fn a_remembered_password_is_right_for_its_credential_alone() {
        let passwords = Passwords::new();
        let old = passwords.hash("old").await.unwrap();
        let new = passwords.hash("new").await.unwrap();
        assert!(passwords.verify("old", "one", &old).await.unwrap());
        assert!(passwords.remembers("old", "one"));
        assert!(!passwords.remembers("old", "two"));
        assert!(!passwords.remembers("other", "one"));
        assert!(!passwords.verify("old", "two", &new).await.unwrap());
        assert!(!passwords.remembers("old", "two"));
    }

    #[tokio::test]
    async fn hashes_of_htpasswd_are_checked() {
        let passwords = Passwords::new();
        // htpasswd -nbBC 5 user "correct horse"
        let hash = bcrypt::hash_with_salt("correct horse", 5, [7; 16]).unwrap();
        let hash = hash.format_for_version(bcrypt::Version::TwoY);
        assert!(is_bcrypt(&hash));
        assert!(passwords.verify("correct horse", "one", &hash).await.unwrap());
        assert!(!passwords.verify("wrong horse", "one", &hash).await.unwrap());
        assert!(!is_bcrypt("$apr1$salt$hash") && !is_bcrypt(DECOY));
        assert!(!is_bcrypt(&hash.replace("$05$", "$31$")));
    }

    #[tokio::test]
    async fn a_flood_is_turned_away() {
        let passwords = Arc::new(Passwords::with_queue(8));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let passwords = Arc::clone(&passwords);
            tasks.spawn(async move { passwords.verify_nothing("guess").await });
        }
        let answers = tasks.join_all().await;
        let served = answers.iter().filter(|answer| answer.is_ok()).count();
        assert!((8..100).contains(&served), "{served}");
        assert!(answers.iter().any(|answer| matches!(answer, Err(AuthError::Busy))));
    }

    #[tokio::test]
    async fn many_requests_with_a_new_password_cost_one_check() {
        let passwords = Arc::new(Passwords::with_queue(100));
        let hash = passwords.hash("correct horse").await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (passwords, hash) = (Arc::clone(&passwords), hash.clone());
            tasks.spawn(async move { passwords.verify("correct horse", "one", &hash).await });
        }
        assert!(tasks.join_all().await.into_iter().all(|answer| answer.unwrap()));
        assert_eq!(passwords.checks(), 1);
    }
}
