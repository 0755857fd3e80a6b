//! The contents that the tests push: few, so that they meet each other.

use bytes::Bytes;
use serde_json::{Value, json};

use super::random::Random;
use super::support::digest_of;
use super::support::http::{OCI_INDEX, OCI_MANIFEST};

/// Bytes of the blobs: none, within one read, within one batch, several batches.
const SIZES: [usize; 8] = [0, 1, 100, 5_000, 70_000, 300_000, 1_100_000, 2_500_000];

pub struct Stock {
    pub blobs: Vec<Blob>,
    pub manifests: Vec<Manifest>,
}

pub struct Blob {
    pub digest: String,
    pub content: Bytes,
}

pub struct Manifest {
    pub digest: String,
    pub media_type: &'static str,
    pub content: String,
    /// Digests of what must be there before it.
    pub blobs: Vec<String>,
    pub subject: Option<String>,
}

impl Stock {
    pub fn new(random: &mut Random) -> Self {
        let blobs: Vec<_> = SIZES.iter().map(|size| Blob::new(random.bytes(*size))).collect();
        let mut stock = Self { blobs, manifests: Vec::new() };
        for number in 0..6 {
            stock.add_image(number, None, random);
        }
        // Some refer to others that may not be there.
        for number in 6..9 {
            let subject = random.below(stock.manifests.len());
            stock.add_image(number, Some(subject), random);
        }
        for _ in 0..2 {
            let children = [random.below(6), random.below(6)];
            stock.add_index(children);
        }
        stock
    }

    pub fn manifest(&self, digest: &str) -> Option<&Manifest> {
        self.manifests.iter().find(|manifest| manifest.digest == digest)
    }

    fn add_image(&mut self, number: usize, subject: Option<usize>, random: &mut Random) {
        let config = &self.blobs[random.below(4)];
        let layers: Vec<_> =
            (0..=random.below(3)).map(|_| &self.blobs[random.below(SIZES.len())]).collect();
        let mut body = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example.test",
            "config": config.descriptor(),
            "layers": layers.iter().map(|layer| layer.descriptor()).collect::<Vec<_>>(),
            "annotations": {"number": number.to_string()},
        });
        let subject = subject.map(|place| &self.manifests[place]);
        if let Some(subject) = subject {
            body["subject"] = subject.descriptor();
        }
        let blobs = layers.iter().map(|layer| layer.digest.clone());
        let blobs = blobs.chain([config.digest.clone()]).collect();
        let subject = subject.map(|subject| subject.digest.clone());
        self.manifests.push(Manifest::new(OCI_MANIFEST, &body, blobs, subject));
    }

    fn add_index(&mut self, children: [usize; 2]) {
        let children = children.map(|place| self.manifests[place].descriptor());
        let body = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children});
        self.manifests.push(Manifest::new(OCI_INDEX, &body, Vec::new(), None));
    }
}

impl Blob {
    fn new(content: Vec<u8>) -> Self {
        Self { digest: digest_of(&content), content: content.into() }
    }

    fn descriptor(&self) -> Value {
        let size = self.content.len();
        json!({"mediaType": "application/octet-stream", "digest": self.digest, "size": size})
    }
}

impl Manifest {
    fn new(
        media_type: &'static str,
        body: &Value,
        blobs: Vec<String>,
        subject: Option<String>,
    ) -> Self {
        let content = body.to_string();
        Self { digest: digest_of(&content), media_type, content, blobs, subject }
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.content.len()})
    }
}
