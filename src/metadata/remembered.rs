use std::hash::Hash;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sqlx::AnyConnection;

use super::sqlite_index::State;
use super::{Database, MetadataError};

/// Bytes that a key and a row take beside their texts, about.
const OVERHEAD: usize = 256;

/// Rows as a query found them, each with the state of the database in which it did. While that state
/// lasts, asking again would find the same; afterwards it is asked again. Where states are not known
/// (PostgreSQL), nothing is remembered.
pub struct Remembered<K, V> {
    rows: Cache<K, (State, V), Weight<K, V>>,
}

/// Bytes of the variable parts of a key and its row.
type Size<K, V> = fn(&K, &V) -> usize;

struct Weight<K, V>(Size<K, V>);

impl<K, V> Clone for Weight<K, V> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<K, V> Weighter<K, (State, V)> for Weight<K, V> {
    fn weight(&self, key: &K, (_, row): &(State, V)) -> u64 {
        (OVERHEAD + (self.0)(key, row)) as u64
    }
}

impl<K: Eq + Hash, V: Clone> Remembered<K, V> {
    /// Holds at most `max_bytes`.
    pub fn new(max_bytes: usize, size: Size<K, V>) -> Self {
        let entries = max_bytes / (4 * OVERHEAD);
        Self { rows: Cache::with_weighter(entries, max_bytes as u64, Weight(size)) }
    }

    /// The row of `key`, by `ask` unless it is known.
    ///
    /// # Errors
    /// Those of `ask`, or if the database does not answer.
    pub async fn find(
        &self,
        database: &Database,
        key: K,
        ask: impl AsyncFnOnce(&mut AnyConnection, &K) -> Result<Option<V>, MetadataError>,
    ) -> Result<Option<V>, MetadataError> {
        // Before the query: a change in between makes the row count as older than it is.
        let state = database.state();
        if let (Some(state), Some((known, row))) = (state, self.rows.get(&key))
            && known == state
        {
            return Ok(Some(row));
        }
        let row = ask(&mut *database.read().await?, &key).await?;
        if let (Some(state), Some(row)) = (state, &row) {
            self.rows.insert(key, (state, row.clone()));
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(connection: &mut AnyConnection, key: &i64) -> Result<Option<i64>, MetadataError> {
        let sql = "SELECT value FROM facts WHERE key = $1";
        Ok(sqlx::query_scalar(sql).bind(*key).fetch_optional(connection).await?)
    }

    async fn execute(database: &Database, sql: &'static str) {
        let mut transaction = database.begin().await.unwrap();
        sqlx::query(sql).execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_row_is_asked_for_again_after_any_change_by_anybody() {
        let folder = tempfile::tempdir().unwrap();
        let url = Database::sqlite_url(&folder.path().join("a.db"));
        let (database, other) =
            (Database::open(&url, 1).await.unwrap(), Database::open(&url, 1).await.unwrap());
        execute(&database, "CREATE TABLE facts (key INTEGER, value INTEGER)").await;
        let remembered = Remembered::new(1 << 20, |_, _| 0);
        let find = async || remembered.find(&database, 1, ask).await.unwrap();
        assert_eq!(find().await, None);
        execute(&database, "INSERT INTO facts VALUES (1, 10)").await;
        assert_eq!(find().await, Some(10));
        let unasked = async |_: &mut AnyConnection, _: &i64| panic!("it is known");
        assert_eq!(remembered.find(&database, 1, unasked).await.unwrap(), Some(10));
        execute(&other, "UPDATE facts SET value = 11").await;
        assert_eq!(find().await, Some(11));
        execute(&database, "DELETE FROM facts").await;
        assert_eq!(find().await, None);
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let url = Database::sqlite_url(&folder.path().join("a.db"));
        let database = Database::open(&url, 1).await.unwrap();
        let remembered = Remembered::new(1 << 20, |_, row: &Vec<u8>| row.len());
        for key in 0..1000_i64 {
            let large = async |_: &mut AnyConnection, _: &i64| Ok(Some(vec![0; 10_000]));
            remembered.find(&database, key, large).await.unwrap();
        }
        assert!((50..=105).contains(&remembered.rows.len()), "{}", remembered.rows.len());
    }
}
