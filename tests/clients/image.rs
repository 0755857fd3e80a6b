//! Images written by hand as OCI layouts, for the clients that copy from a folder.

use serde_json::json;

use crate::support::http::{OCI_INDEX, OCI_MANIFEST};
use crate::support::{Workspace, digest_of};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image of one layer that holds one empty tar archive and some seeded bytes after its end.
pub struct Image {
    pub manifest_digest: String,
    pub config_digest: String,
    pub layer_digest: String,
    pub layer: Vec<u8>,
}

impl Image {
    /// Writes an OCI layout into the folder `name`, with the image under the reference `reference`.
    pub fn write(workspace: &Workspace, name: &str, reference: &str, layer: Vec<u8>) -> Self {
        let blob = |content: &[u8]| {
            let digest = digest_of(content);
            let hex = digest.strip_prefix("sha256:").expect("the digest is SHA-256");
            workspace.write(&format!("{name}/blobs/sha256/{hex}"), content);
            digest
        };
        let layer_digest = blob(&layer);
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/"], "Labels": {"made": "by hand"}},
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        })
        .to_string();
        let config_digest = blob(config.as_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config_digest, "size": config.len()},
            "layers": [{"mediaType": LAYER, "digest": layer_digest, "size": layer.len()}],
        })
        .to_string();
        let manifest_digest = blob(manifest.as_bytes());
        let index = json!({
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [{
                "mediaType": OCI_MANIFEST,
                "digest": manifest_digest,
                "size": manifest.len(),
                "platform": {"architecture": "amd64", "os": "linux"},
                "annotations": {"org.opencontainers.image.ref.name": reference},
            }],
        });
        workspace.write(&format!("{name}/index.json"), index.to_string());
        workspace.write(&format!("{name}/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
        Self { manifest_digest, config_digest, layer_digest, layer }
    }
}

/// A tar archive of one file.
pub fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    let fields: [(usize, String); 5] = [
        (100, "0000644\0".into()),
        (108, "0000000\0".into()),
        (116, "0000000\0".into()),
        (124, format!("{:011o}\0", content.len())),
        (136, "00000000000\0".into()),
    ];
    for (offset, field) in fields {
        header[offset..offset + field.len()].copy_from_slice(field.as_bytes());
    }
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    // The checksum counts its own field as blanks.
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());

    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}
