//! Documents about kinds, kept as long as the kinds stay the same.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// A document with the tag by which clients keep it.
pub struct Document {
    /// JSON.
    pub bytes: Bytes,
    /// A hash of it in hexadecimal.
    pub hash: String,
    packed: OnceLock<Bytes>,
}

impl Document {
    /// A document of that text.
    pub fn new(json: String) -> Self {
        let hash = Sha256::digest(&json).iter().map(|byte| format!("{byte:02X}")).collect();
        Document { bytes: json.into(), hash, packed: OnceLock::new() }
    }

    /// The document as `pack` compresses it, made once.
    pub fn packed(&self, pack: impl FnOnce(&[u8]) -> Bytes) -> Bytes {
        self.packed.get_or_init(|| pack(&self.bytes)).clone()
    }
}

/// Documents that name every kind: they are made once for a registry, not for every request, and
/// from what is kept of each group.
#[derive(Default)]
pub struct Documents {
    /// Aggregated discovery of the core group.
    pub core: OnceLock<Arc<Document>>,
    /// Aggregated discovery of the other groups.
    pub groups: OnceLock<Arc<Document>>,
    /// The list of the groups.
    pub group_list: OnceLock<Arc<Document>>,
    /// The index of the OpenAPI documents.
    pub openapi_index: OnceLock<Arc<Document>>,
    /// The hash of OpenAPI version 2.
    pub openapi_v2: OnceLock<String>,
}

/// What such documents say of one group. A group keeps it while others change.
#[derive(Default)]
pub struct GroupDocuments {
    /// Its item in aggregated discovery.
    pub aggregated: OnceLock<String>,
    /// Its item in the list of the groups.
    pub entry: OnceLock<String>,
    /// Its OpenAPI documents of version 3: their hashes by name.
    pub openapi: OnceLock<BTreeMap<String, String>>,
}
