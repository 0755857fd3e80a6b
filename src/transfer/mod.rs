//! Content on its way into the registry and out of it: from the storage of CNCF distribution, from
//! other registries, from and to OCI image layouts.
//!
//! A [`Source`] only reads, and believes nothing it reads: digests are checked where the content is
//! stored, by the [registry](crate::registry), whose rules hold for content that is carried here as
//! for content that is pushed. The commands `import` and `export` call this.

mod distribution;
mod error;
mod export;
mod import;
mod layout;
mod remote;
mod report;
mod repository_import;
mod source;

pub use distribution::DistributionStorage;
pub use error::TransferError;
pub use export::{Export, Exported};
pub use import::{Import, ImportOptions, Selection};
pub use layout::{Layout, LayoutWriter};
pub use remote::{Credentials, RemoteRegistry};
pub use report::{Problem, Report};
pub use source::Source;
