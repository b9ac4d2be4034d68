//! The documents that there are, their hashes, and those that are kept.

use super::{VERSION, paths, v2_document, v3_document};
use crate::registry::Document as Kept;
use crate::registry::Registry;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::sync::Arc;

/// Raised when the documents change while the kinds do not: clients keep documents by hash.
const GENERATION: &str = "3";
/// Compressed documents that are kept, in bytes.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// A document under `/openapi`.
pub(super) enum Document {
    V2,
    Index,
    V3 {
        /// `api/v1`, `apis/apps`, `version`, …
        name: String,
        of: Option<Of>,
    },
}

/// What a document of version 3 is about; the version is empty for one that only shows the
/// discovery of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Of {
    pub group: String,
    pub version: String,
}

/// The names of the documents that are of no group.
const OF_NO_GROUP: [&str; 3] = ["api", "apis", "version"];

/// The names of all documents of version 3.
pub(super) fn names(registry: &Registry) -> BTreeMap<String, Option<Of>> {
    let of_groups = registry.groups().into_iter().flat_map(|group| names_of(registry, group));
    let of_none = OF_NO_GROUP.map(|name| (name.to_owned(), None)).into_iter();
    of_none.chain(of_groups.map(|(name, of)| (name, Some(of)))).collect()
}

fn names_of(registry: &Registry, group: &str) -> BTreeMap<String, Of> {
    let of = |version: &str| Of { group: group.to_owned(), version: version.to_owned() };
    let mut names = BTreeMap::new();
    for kind in registry.kinds_of_group(group) {
        let name = paths::root(group, &kind.version)[1..].to_owned();
        names.insert(name, of(&kind.version));
        if !group.is_empty() && kind.custom.is_none() {
            names.insert(format!("apis/{group}"), of(""));
        }
    }
    names
}

/// The hashes of a group's documents by their names, made once for its kinds.
fn hashes_of<'r>(registry: &'r Registry, group: &str) -> Option<&'r BTreeMap<String, String>> {
    let documents = registry.group_documents(group)?;
    let hashes = documents.openapi.get_or_init(|| {
        let hash = |(name, of): (String, Of)| {
            let document = Document::V3 { name: name.clone(), of: Some(of) };
            (name, document.own_hash(registry))
        };
        names_of(registry, group).into_iter().map(hash).collect()
    });
    Some(hashes)
}

impl Document {
    /// The document of version 3 of that name, if there is one.
    pub fn v3(registry: &Registry, name: &str) -> Option<Document> {
        let mut parts = name.split('/');
        let parts = (parts.next()?, parts.next(), parts.next(), parts.next());
        let of = |group: &str, version: &str| {
            Some(Of { group: group.to_owned(), version: version.to_owned() })
        };
        let of = match parts {
            ("api" | "apis" | "version", None, ..) => None,
            ("api", Some(version), None, _) => of("", version),
            ("apis", Some(group), version, None) if !group.is_empty() => {
                of(group, version.unwrap_or_default())
            }
            _ => return None,
        };
        let there = match &of {
            None => true,
            Some(of) if of.version.is_empty() => registry.has_builtin_group(&of.group),
            Some(of) => registry.kinds_of_group(&of.group).any(|k| k.version == of.version),
        };
        there.then(|| Document::V3 { name: name.to_owned(), of })
    }

    fn name(&self) -> &str {
        match self {
            Document::V2 => "v2",
            Document::Index => "v3",
            Document::V3 { name, .. } => name,
        }
    }

    /// Changes when the document does: the documents follow from the kinds and this build.
    pub fn hash(&self, registry: &Registry) -> String {
        match self {
            Document::V2 => {
                registry.documents.openapi_v2.get_or_init(|| self.own_hash(registry)).clone()
            }
            Document::Index => index(registry).hash.clone(),
            Document::V3 { name, of } => {
                let hashes = of.as_ref().and_then(|of| hashes_of(registry, &of.group));
                let hash = hashes.and_then(|hashes| hashes.get(name)).cloned();
                hash.unwrap_or_else(|| self.own_hash(registry))
            }
        }
    }

    fn own_hash(&self, registry: &Registry) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text.as_bytes());
            hash.update([0]);
        };
        [VERSION, env!("CARGO_PKG_VERSION"), GENERATION, self.name()]
            .into_iter()
            .for_each(&mut add);
        let mut kind = |kind: &crate::registry::Kind| {
            [&kind.group, &kind.version, &kind.kind, &kind.plural].into_iter().for_each(|t| add(t));
            kind.verbs.0.iter().for_each(|verb| add(verb));
            for sub in &kind.subresources {
                add(sub.name);
                sub.verbs.0.iter().for_each(|verb| add(verb));
            }
            if let Some(custom) = &kind.custom {
                add(custom.version.digest());
                add(&custom.definition.names.list_kind);
            }
        };
        match self {
            Document::V3 { of: Some(of), .. } => {
                let kinds = registry.kinds_of_group(&of.group);
                kinds
                    .filter(|kind| of.version.is_empty() || of.version == kind.version)
                    .for_each(|of| kind(of));
            }
            Document::V3 { of: None, .. } => {}
            _ => registry.kinds().for_each(|of| kind(of)),
        }
        to_hex(hash)
    }

    pub fn bytes(&self, registry: &Registry) -> Bytes {
        static KEPT: Mutex<Option<HashMap<String, Arc<[u8]>>>> = Mutex::new(None);
        if let Document::Index = self {
            return index(registry).bytes.clone();
        }
        let key = self.hash(registry);
        let kept = KEPT.lock().as_ref().and_then(|kept| kept.get(&key).cloned());
        if let Some(document) = kept.and_then(|compressed| decompress(&compressed)) {
            return document;
        }
        let document = to_bytes(&match self {
            Document::V3 { name, of } => v3_document(registry, name, of.as_ref()),
            _ => v2_document(registry),
        });
        if let Some(compressed) = compress(&document) {
            let mut kept = KEPT.lock();
            let kept = kept.get_or_insert_default();
            // Documents of definitions that are gone would stay for ever.
            if kept.values().map(|kept| kept.len()).sum::<usize>() > KEPT_BYTES_MAX {
                kept.clear();
            }
            kept.insert(key, compressed);
        }
        document
    }
}

fn to_hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect()
}

fn to_bytes(document: &Value) -> Bytes {
    document.to_string().into()
}

fn compress(document: &[u8]) -> Option<Arc<[u8]>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(document).ok()?;
    encoder.finish().ok().map(Arc::from)
}

fn decompress(compressed: &[u8]) -> Option<Bytes> {
    let mut document = Vec::new();
    GzDecoder::new(compressed).read_to_end(&mut document).ok()?;
    Some(document.into())
}

/// The index of the documents of version 3.
pub(super) fn index(registry: &Registry) -> &Arc<Kept> {
    registry.documents.openapi_index.get_or_init(|| {
        let of_none = OF_NO_GROUP.map(|name| {
            let document = Document::V3 { name: name.to_owned(), of: None };
            (name.to_owned(), document.own_hash(registry))
        });
        let groups = registry.groups().into_iter();
        let of_groups = groups.filter_map(|group| hashes_of(registry, group)).flatten();
        let mut all: BTreeMap<&str, &str> =
            of_groups.map(|(name, hash)| (name.as_str(), hash.as_str())).collect();
        all.extend(of_none.iter().map(|(name, hash)| (name.as_str(), hash.as_str())));
        let url = |(name, hash): (&str, &str)| {
            let url = format!("/openapi/v3/{name}?hash={hash}");
            (name.to_owned(), json!({"serverRelativeURL": url}))
        };
        let paths: Map<String, Value> = all.into_iter().map(url).collect();
        Arc::new(Kept::new(json!({"paths": paths}).to_string()))
    })
}
