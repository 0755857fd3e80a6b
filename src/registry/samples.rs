//! What is stored, hour by hour.

use super::{Registry, RegistryError};
use crate::metadata::storage_samples::{self, DAY, Sample};
use crate::metadata::{Alone, now, retry};

impl Registry {
    /// Notes what is stored in this hour, unless some server has done so.
    pub async fn sample_storage(&self) -> Result<(), RegistryError> {
        let now = now();
        let mut connection = self.database.read().await?;
        if storage_samples::has(&mut connection, now).await? {
            return Ok(());
        }
        drop(connection);
        retry(async || {
            // No blob is removed meanwhile.
            let mut transaction = self.database.begin_alone(Alone::Sweep).await?;
            if !storage_samples::has(&mut transaction, now).await? {
                storage_samples::add(&mut transaction, now).await?;
            }
            transaction.commit_unsynced().await?;
            Ok(())
        })
        .await
    }

    /// What was stored in the last `days`, the oldest first: by the hour up to two weeks ago, by the day
    /// before.
    pub async fn storage_samples(&self, days: u32) -> Result<Vec<Sample>, RegistryError> {
        let mut connection = self.database.read().await?;
        Ok(storage_samples::since(&mut connection, now() - i64::from(days) * DAY).await?)
    }
}
