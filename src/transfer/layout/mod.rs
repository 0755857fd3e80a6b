//! OCI image layouts (image-spec, image-layout.md): a folder, or a tar file of one, with `oci-layout`,
//! `index.json` and `blobs/<algorithm>/<hex>`.

mod read;
mod tar_file;
mod write;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use read::Layout;
pub use write::LayoutWriter;

use crate::oci::Descriptor;

/// The file that says that a folder is a layout, and what it holds.
const MARK: &str = "oci-layout";
const MARK_CONTENT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

const INDEX: &str = "index.json";

/// The annotation of an entry with its tag (image-spec, annotations.md).
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// `index.json`, as far as it is read here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    manifests: Vec<Descriptor>,
}

/// The tag in what an entry is called: all of it, or what follows the last colon, as some programs
/// write the whole name of the image.
fn tag_of(descriptor: &Descriptor) -> Option<&str> {
    let name = descriptor.annotations.as_ref()?.get(REF_NAME)?;
    Some(name.rsplit_once(':').map_or(name, |(_, tag)| tag))
}

/// Whether a layout at this path is a tar file.
fn is_tar(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tar"))
}
