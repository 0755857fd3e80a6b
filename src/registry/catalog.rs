//! The list of repositories.

use super::paging::PageSize;
use super::{Page, Registry, RegistryError};
use crate::metadata::{self, NameRange};
use crate::oci::RepositoryName;

impl Registry {
    /// Repositories within any of `visible`, in ASCII order, from the first after `last`.
    pub async fn catalog(
        &self,
        visible: &[NameRange],
        n: Option<u64>,
        last: Option<&str>,
    ) -> Result<Page<RepositoryName>, RegistryError> {
        let size = PageSize::asked(n);
        let mut connection = self.database.read().await?;
        let names =
            metadata::repositories::list(&mut connection, visible, last, size.rows()).await?;
        Ok(size.page(names))
    }
}
