use futures_util::TryStreamExt as _;

use super::{Migration, MigrationError};
use crate::metadata::export::{self, TABLES, Value};
use crate::metadata::{self, Database};
use crate::oci::{Algorithm, Digest, Hasher};

impl Migration {
    /// Moves the rows, or lets those that stay say that the blobs are in the new store. Gives how
    /// many rows there are now.
    ///
    /// Unfinished uploads are left behind with their bytes if the store is another one.
    ///
    /// # Errors
    /// [`MigrationError`]; then the new database is as empty as it was.
    pub async fn move_rows(&self) -> Result<u64, MigrationError> {
        let Some(url) = &self.new_database else {
            let mut transaction = self.database.begin().await?;
            self.settle(&mut transaction).await?;
            transaction.commit().await?;
            return Ok(0);
        };
        let version = self.database.schema_version().await?;
        let target = Database::open_at(url, version).await?;
        let copied = self.copy_rows(&target).await;
        target.close().await;
        copied
    }

    async fn copy_rows(&self, target: &Database) -> Result<u64, MigrationError> {
        // Nobody else writes there, and there is one connection only.
        let mut source = self.database.begin().await?;
        let mut transaction = target.begin().await?;
        if let Some(table) = export::filled(&mut transaction).await? {
            return Err(MigrationError::NotEmpty(table));
        }
        let mut all = 0;
        let is_same_store = self.new_store.is_none();
        for table in TABLES.iter().filter(|table| is_same_store || !table.is_passing) {
            let columns = export::columns(&mut source, table).await?;
            let names: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
            let mut sent = Rows::default();
            let rows = export::rows(&mut source, table, &columns).inspect_ok(|row| sent.add(row));
            export::insert(&mut transaction, table, &names, rows).await?;
            let mut arrived = Rows::default();
            let mut rows = export::rows(&mut transaction, table, &columns);
            while let Some(row) = rows.try_next().await? {
                arrived.add(&row);
            }
            drop(rows);
            let (expected, found) = (sent.count, arrived.count);
            if sent.finish() != arrived.finish() {
                return Err(MigrationError::Rows { table: table.name, expected, found });
            }
            all += found;
        }
        export::continue_ids(&mut transaction).await?;
        self.settle(&mut transaction).await?;
        transaction.commit().await?;
        Ok(all)
    }

    /// In another store each blob is at the place that follows from its digest.
    async fn settle(&self, connection: &mut sqlx::AnyConnection) -> Result<(), MigrationError> {
        if self.new_store.is_some() {
            metadata::blobs::forget_locations(connection).await?;
            metadata::uploads::delete_all(connection).await?;
        }
        Ok(())
    }
}

/// The rows of a table, in their order, as far as it tells whether two are the same.
struct Rows {
    count: u64,
    hasher: Hasher,
}

impl Default for Rows {
    fn default() -> Self {
        Self { count: 0, hasher: Hasher::new(Algorithm::Sha256) }
    }
}

impl Rows {
    fn add(&mut self, row: &Vec<Value>) {
        self.count += 1;
        let text = serde_json::to_vec(row).expect("values of rows serialize");
        self.hasher.update(&text);
    }

    fn finish(self) -> Digest {
        self.hasher.finish()
    }
}
