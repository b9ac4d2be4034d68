//! The OpenAPI documents that clients read: generated from the registry and the type graph when
//! they are first asked for, and kept compressed.

mod descriptions;
mod parameters;
mod paths;
mod protobuf;
mod schemas;

#[cfg(test)]
mod tests;

use crate::registry::{Kind, Registry};
use crate::schema;
use bytes::Bytes;
use descriptions::Descriptions;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use parking_lot::Mutex;
use paths::Paths;
use schemas::Schemas;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::sync::Arc;

/// The server's version as the documents name it.
const VERSION: &str = "v1.36.2";
/// Raised when the documents change while the kinds do not: clients keep documents by hash.
const GENERATION: &str = "1";

/// Which OpenAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    V2,
    V3,
}

impl Dialect {
    fn prefix(self) -> &'static str {
        match self {
            Dialect::V2 => "#/definitions/",
            Dialect::V3 => "#/components/schemas/",
        }
    }
}

/// An answer to a request under `/openapi`.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 200, 301, 304, 404 or 406.
    pub status: u16,
    /// Media type of the body.
    pub content_type: &'static str,
    /// Other headers.
    pub headers: Vec<(&'static str, String)>,
    /// The document; empty unless the status is 200.
    pub body: Bytes,
}

/// Answers a GET of `path` under `/openapi`; `None` for a path that is not served here.
///
/// `hash` is the query's, `accept` and `if_none_match` are the request's headers. A request
/// that names the present hash may keep the answer for a year; one that names another is sent
/// to the present one.
pub fn respond(
    registry: &Registry,
    path: &str,
    hash: Option<&str>,
    accept: Option<&str>,
    if_none_match: Option<&str>,
) -> Option<Answer> {
    let document = match path.trim_end_matches('/').strip_prefix("/openapi/")? {
        "v2" => Document::V2,
        "v3" => Document::Index,
        other => Document::V3(other.strip_prefix("v3/")?.to_owned()),
    };
    if let Document::V3(name) = &document
        && !names(registry).contains_key(name)
    {
        return None;
    }
    let empty = |status, headers| Answer {
        status,
        content_type: "application/json",
        headers,
        body: Bytes::new(),
    };
    let as_protobuf = matches!(document, Document::V2) && protobuf::is_asked_for(accept);
    if !as_protobuf && !takes_json(accept) {
        return Some(empty(406, Vec::new()));
    }
    let mut present = document.hash(registry);
    if as_protobuf {
        present.push_str("-PROTOBUF");
    }
    let mut headers = vec![("etag", format!("\"{present}\"")), ("vary", "Accept".to_owned())];
    if let (Document::V3(name), Some(asked)) = (&document, hash) {
        if asked != present {
            let location = ("location", format!("/openapi/v3/{name}?hash={present}"));
            return Some(empty(301, vec![location]));
        }
        headers.push(("cache-control", "public, max-age=31536000".to_owned()));
    }
    if if_none_match.is_some_and(|tags| tags.contains(&present)) {
        return Some(empty(304, headers));
    }
    let json = document.bytes(registry);
    let (content_type, body) = match as_protobuf {
        true => {
            let json = serde_json::from_slice(&json).expect("invariant: it was just written");
            (protobuf::MEDIA_TYPE, protobuf::document(&json).into())
        }
        false => ("application/json", json),
    };
    Some(Answer { status: 200, content_type, headers, body })
}

/// Whether an `Accept` header takes JSON; of version 3 no protobuf documents are made.
fn takes_json(accept: Option<&str>) -> bool {
    let Some(accept) = accept.filter(|a| !a.trim().is_empty()) else { return true };
    accept.split(',').any(|range| {
        let media = range.split(';').next().unwrap_or_default().trim();
        matches!(media, "*/*" | "application/*" | "application/json")
    })
}

/// `/openapi/v2` as JSON.
pub fn v2(registry: &Registry) -> Bytes {
    Document::V2.bytes(registry)
}

/// `/openapi/v3`: the index of the documents.
pub fn v3_index(registry: &Registry) -> Bytes {
    Document::Index.bytes(registry)
}

/// `/openapi/v3/{path}` where `path` is `api/v1`, `apis/apps/v1`, …
pub fn v3(registry: &Registry, path: &str) -> Option<Bytes> {
    names(registry).contains_key(path).then(|| Document::V3(path.to_owned()).bytes(registry))
}

enum Document {
    V2,
    Index,
    /// `api/v1`, `apis/apps`, `version`, …
    V3(String),
}

/// Group and version of a document; both empty for one that only shows discovery.
type GroupVersion = (String, String);

/// The names of all documents of version 3.
fn names(registry: &Registry) -> BTreeMap<String, GroupVersion> {
    let none = || (String::new(), String::new());
    let mut names: BTreeMap<String, GroupVersion> =
        ["api", "apis", "version"].map(|name| (name.to_owned(), none())).into();
    for kind in registry.kinds() {
        let name = paths::root(&kind.group, &kind.version)[1..].to_owned();
        names.insert(name, (kind.group.to_string(), kind.version.to_string()));
        if !kind.group.is_empty() {
            names.insert(format!("apis/{}", kind.group), (kind.group.to_string(), String::new()));
        }
    }
    names
}

impl Document {
    fn name(&self) -> &str {
        match self {
            Document::V2 => "v2",
            Document::Index => "v3",
            Document::V3(name) => name,
        }
    }

    /// Changes when the document does: the documents follow from the kinds and this build.
    fn hash(&self, registry: &Registry) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text.as_bytes());
            hash.update([0]);
        };
        [env!("CARGO_PKG_VERSION"), GENERATION, self.name()].into_iter().for_each(&mut add);
        let own = match self {
            Document::V3(name) => names(registry).remove(name),
            _ => None,
        };
        for kind in registry.kinds().filter(|kind| {
            own.as_ref().is_none_or(|(group, version)| {
                (version.is_empty() || *version == kind.version) && *group == kind.group
            })
        }) {
            [&kind.group, &kind.version, &kind.kind, &kind.plural].into_iter().for_each(|t| add(t));
            kind.verbs.0.iter().for_each(|verb| add(verb));
            for sub in &kind.subresources {
                add(sub.name);
                sub.verbs.0.iter().for_each(|verb| add(verb));
            }
        }
        hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect()
    }

    fn bytes(&self, registry: &Registry) -> Bytes {
        static KEPT: Mutex<Option<HashMap<String, Arc<[u8]>>>> = Mutex::new(None);
        if let Document::Index = self {
            return to_bytes(&index(registry));
        }
        let key = self.hash(registry);
        let kept = KEPT.lock().as_ref().and_then(|kept| kept.get(&key).cloned());
        if let Some(document) = kept.and_then(|compressed| decompress(&compressed)) {
            return document;
        }
        let document = to_bytes(&match self {
            Document::V3(name) => v3_document(registry, name),
            _ => v2_document(registry),
        });
        if let Some(compressed) = compress(&document) {
            KEPT.lock().get_or_insert_default().insert(key, compressed);
        }
        document
    }
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

fn index(registry: &Registry) -> Value {
    let paths: Map<String, Value> = names(registry)
        .into_keys()
        .map(|name| {
            let document = Document::V3(name);
            let (name, hash) = (document.name(), document.hash(registry));
            let url = format!("/openapi/v3/{name}?hash={hash}");
            (name.to_owned(), json!({"serverRelativeURL": url}))
        })
        .collect();
    json!({"paths": paths})
}

fn v3_document(registry: &Registry, name: &str) -> Value {
    let (group, version) = names(registry).remove(name).unwrap_or_default();
    let kinds = registry.kinds().filter(|k| k.group == group && k.version == version);
    let (paths, schemas) = write(Dialect::V3, kinds.map(Arc::as_ref), |paths| {
        add_discovery(paths, name, &group, &version);
    });
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"BearerToken": bearer()}},
    })
}

fn v2_document(registry: &Registry) -> Value {
    let kinds = registry.kinds().map(Arc::as_ref);
    let (paths, definitions) = write(Dialect::V2, kinds, |paths| {
        for (name, (group, version)) in names(registry) {
            add_discovery(paths, &name, &group, &version);
        }
    });
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {"BearerToken": bearer()},
        "security": [{"BearerToken": []}],
    })
}

fn bearer() -> Value {
    json!({
        "type": "apiKey", "name": "authorization", "in": "header",
        "description": "Bearer Token authentication",
    })
}

fn add_discovery(paths: &mut Paths<'_, '_>, name: &str, group: &str, version: &str) {
    let answer = match name {
        "api" => "APIVersions",
        "apis" => "APIGroupList",
        "version" => return paths.add_version(),
        _ if version.is_empty() => "APIGroup",
        _ => "APIResourceList",
    };
    let tag = match name {
        "apis" => "apis".to_owned(),
        _ => paths::tag(group, version),
    };
    paths.add_discovery(&format!("/{name}/"), answer, &tag);
}

/// The sorted paths of some kinds, and the schemas to which they lead.
fn write<'k>(
    dialect: Dialect,
    kinds: impl Iterator<Item = &'k Kind>,
    more: impl FnOnce(&mut Paths<'_, '_>),
) -> (Map<String, Value>, Map<String, Value>) {
    let graph = schema::builtin();
    let mut schemas = Schemas::new(graph, dialect);
    let mut versions: Vec<GroupVersion> = Vec::new();
    let mut paths = Paths { dialect, graph, schemas: &mut schemas, done: Map::new() };
    for kind in kinds {
        paths.add_kind(kind);
        let version = (kind.group.to_string(), kind.version.to_string());
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    more(&mut paths);
    let mut done = paths.done;
    done.sort_keys();
    let versions: Vec<(&str, &str)> =
        versions.iter().map(|(group, version)| (group.as_str(), version.as_str())).collect();
    schemas.write_wanted(&Descriptions::of(&versions));
    let mut schemas = schemas.done;
    schemas.sort_keys();
    (done, schemas)
}
