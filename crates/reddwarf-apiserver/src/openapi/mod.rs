//! The OpenAPI documents that clients read: generated from the registry and the type graph when
//! they are first asked for, and kept compressed.

mod custom;
mod descriptions;
mod document;
mod parameters;
mod paths;
mod protobuf;
mod schemas;

#[cfg(test)]
mod tests;

use crate::registry::{self, Kind, Registry};
use crate::schema;
use bytes::Bytes;
use descriptions::Descriptions;
use document::Document;
use paths::Paths;
use schemas::Schemas;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub use protobuf::MEDIA_TYPE as PROTOBUF;

/// The server's version as the documents name it.
const VERSION: &str = "v1.36.2";

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
#[derive(Clone)]
pub struct Answer {
    /// 200, 301, 304, 404 or 406.
    pub status: u16,
    /// Other headers.
    pub headers: Vec<(&'static str, String)>,
    /// The document; none unless the status is 200.
    pub body: Body,
}

/// A document as it is answered.
#[derive(Clone)]
pub enum Body {
    /// No document.
    None,
    /// The index, which is kept as long as the kinds stay the same.
    Kept(Arc<registry::Document>),
    /// Another document.
    Json(Bytes),
    /// A document in the media type [`PROTOBUF`].
    Protobuf(Bytes),
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
        other => Document::v3(registry, other.strip_prefix("v3/")?)?,
    };
    let empty = |status, headers| Answer { status, headers, body: Body::None };
    let as_protobuf = matches!(document, Document::V2) && protobuf::is_asked_for(accept);
    if !as_protobuf && !takes_json(accept) {
        return Some(empty(406, Vec::new()));
    }
    let mut present = document.hash(registry);
    if as_protobuf {
        present.push_str("-PROTOBUF");
    }
    let mut headers = vec![("etag", format!("\"{present}\"")), ("vary", "Accept".to_owned())];
    if let (Document::V3 { name, .. }, Some(asked)) = (&document, hash) {
        if asked != present {
            let location = ("location", format!("/openapi/v3/{name}?hash={present}"));
            return Some(empty(301, vec![location]));
        }
        headers.push(("cache-control", "public, max-age=31536000".to_owned()));
    }
    if if_none_match.is_some_and(|tags| tags.contains(&present)) {
        return Some(empty(304, headers));
    }
    let body = match &document {
        Document::Index => Body::Kept(document::index(registry).clone()),
        document if as_protobuf => {
            let json = document.bytes(registry);
            let json = serde_json::from_slice(&json).expect("invariant: it was just written");
            Body::Protobuf(protobuf::document(&json).into())
        }
        document => Body::Json(document.bytes(registry)),
    };
    Some(Answer { status: 200, headers, body })
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
    Document::v3(registry, path).map(|document| document.bytes(registry))
}

fn v3_document(registry: &Registry, name: &str, of: Option<&document::Of>) -> Value {
    let (group, version) = of.map_or(("", ""), |of| (&of.group, &of.version));
    let kinds = || registry.kinds_of_group(group).filter(|kind| kind.version == version);
    let kinds = || kinds().filter(|_| of.is_some()).map(|kind| &**kind);
    let custom = kinds().next().is_some_and(|kind| kind.custom.is_some());
    let (paths, schemas) = write(Dialect::V3, kinds(), |paths| {
        if !custom {
            add_discovery(paths, name, group, version);
        }
    });
    let (title, version) = match custom {
        true => ("Kubernetes CRD Swagger", "v0.1.0"),
        false => ("Kubernetes", VERSION),
    };
    json!({
        "openapi": "3.0.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"BearerToken": bearer()}},
    })
}

fn v2_document(registry: &Registry) -> Value {
    let kinds = registry.kinds().map(|kind| &**kind);
    let (paths, definitions) = write(Dialect::V2, kinds, |paths| {
        for (name, of) in document::names(registry) {
            let of = of.unwrap_or_default();
            if of.group.is_empty() || registry.has_builtin_group(&of.group) {
                add_discovery(paths, &name, &of.group, &of.version);
            }
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
    let mut versions: Vec<(String, String)> = Vec::new();
    let mut paths = Paths { dialect, graph, schemas: &mut schemas, done: Map::new() };
    for kind in kinds {
        paths.add_kind(kind);
        if kind.custom.is_some() {
            continue;
        }
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
