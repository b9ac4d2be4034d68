//! Whole documents about all kinds of one registry.

use bytes::Bytes;
use std::sync::OnceLock;

/// A document with the tag by which clients keep it.
pub struct Document {
    /// JSON.
    pub bytes: Bytes,
    /// A hash of it in hexadecimal.
    pub hash: String,
}

/// Documents that name every kind: they are made once for a registry, not for every request.
#[derive(Default)]
pub struct Documents {
    /// Aggregated discovery of the core group.
    pub core: OnceLock<Document>,
    /// Aggregated discovery of the other groups.
    pub groups: OnceLock<Document>,
    /// The index of the OpenAPI documents.
    pub openapi_index: OnceLock<Document>,
    /// The hash of OpenAPI version 2.
    pub openapi_v2: OnceLock<String>,
}
