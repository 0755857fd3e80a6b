use serde_json::json;

use super::{Actor, AdministrationError, record};
use crate::auth::{Auth, KEYS_KEPT_FOR, keys};
use crate::metadata::signing_keys::{self, SigningKeyRow};
use crate::metadata::{Alone, now, retry};

impl Auth {
    /// The keys that verify access tokens; the first one signs.
    ///
    /// # Errors
    /// [`AdministrationError`] if the database fails.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>, AdministrationError> {
        Ok(signing_keys::live(&mut *self.0.database.read().await?).await?)
    }

    /// Lets a new key sign from now on. The others verify what they signed until it expires, or no
    /// longer `at_once`: then all access tokens are void, and clients fetch new ones.
    ///
    /// # Errors
    /// [`AdministrationError`] if the database fails.
    pub async fn rotate_signing_key(
        &self,
        actor: &Actor<'_>,
        at_once: bool,
    ) -> Result<String, AdministrationError> {
        let kid = retry(async || self.add_signing_key(actor, at_once).await).await?;
        self.load_keys().await?;
        Ok(kid)
    }

    async fn add_signing_key(
        &self,
        actor: &Actor<'_>,
        at_once: bool,
    ) -> Result<String, AdministrationError> {
        let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
        let kid = keys::add(&mut transaction).await?;
        // Another replica may sign with the old key until it looks again.
        let overlap = i64::from(self.0.access_token_seconds) + 2 * KEYS_KEPT_FOR.as_secs() as i64;
        let retires_at = if at_once { now() } else { now() + overlap * 1_000_000 };
        signing_keys::retire_others(&mut transaction, &kid, retires_at).await?;
        record(&mut transaction, actor, "signing-key.rotate", &kid, &json!({ "atOnce": at_once }))
            .await?;
        transaction.commit().await?;
        Ok(kid)
    }
}
