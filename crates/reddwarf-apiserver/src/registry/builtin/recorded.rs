//! What we make of recorded requests against what upstream answered.
//!
//! Runs on the folder of scenarios that `REDDWARF_RECORDED` names; passes when it names none.

use crate::registry::{Kind, Registry};
use crate::request::FieldValidation;
use crate::schema::{self, BodyFormat};
use crate::table;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// All recorded exchanges: file, request, response.
fn exchanges(folder: &str) -> Vec<(PathBuf, Value, Value)> {
    let root = std::env::var("REDDWARF_RECORDED").unwrap_or_default();
    let Ok(files) = std::fs::read_dir(format!("{root}/{folder}")) else { return Vec::new() };
    let mut out = Vec::new();
    for file in files.map(|f| f.expect("folder").path()) {
        let text = std::fs::read_to_string(&file).expect("scenario");
        let scenario: Value = serde_json::from_str(&text).expect("JSON");
        for step in scenario["steps"].as_array().expect("steps") {
            out.push((file.clone(), step["request"].clone(), step["response"].clone()));
        }
    }
    out
}

/// The kind at a path, and whether the path goes no further than the object.
fn kind_at(registry: &Registry, path: &str) -> Option<Arc<Kind>> {
    let path = path.split('?').next()?.trim_start_matches('/');
    let mut parts: Vec<&str> = path.split('/').collect();
    let (group, version, rest) = match parts[0] {
        "api" => ("", parts[1], 2),
        _ => (*parts.get(1)?, *parts.get(2)?, 3),
    };
    let mut rest = parts.split_off(rest.min(parts.len()));
    if rest.first() == Some(&"namespaces") && rest.len() > 2 {
        rest.drain(..2);
    }
    if rest.len() > 2 {
        return None;
    }
    registry.resource(group, version, rest.first()?).cloned()
}

/// Leaves of `want` and `got` that differ.
fn differences(at: &str, want: &Value, got: &Value, out: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let at = format!("{at}.{key}");
                let absent = json!("(absent)");
                differences(&at, a.get(key).unwrap_or(&absent), b.get(key).unwrap_or(&absent), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (n, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{at}[{n}]"), a, b, out);
            }
        }
        _ if want == got || want == "<time>" => {}
        _ => out.push(format!("{at}: want {want}, got {got}")),
    }
}

#[test]
fn columns_of_recorded_tables() {
    let registry = Registry::builtin();
    let mut found = Vec::new();
    for (file, request, response) in exchanges("kinds").into_iter().chain(exchanges("table")) {
        let definitions = &response["body"]["columnDefinitions"];
        let path = request["path"].as_str().unwrap_or_default();
        let (true, Some(kind)) = (definitions.is_array(), kind_at(&registry, path)) else {
            continue;
        };
        let at = format!("{} {path}", file.display());
        differences(&at, definitions, &Value::from(table::definitions(&kind)), &mut found);
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Fields that are written by admission, by allocation and by generated names.
const OF_OTHERS: [&str; 10] = [
    "].volumeMounts: ",
    ".spec.volumes: ",
    ".spec.serviceAccount",
    ".spec.taints: ",
    ".spec.clusterIP",
    ".spec.ipFamil",
    ".nodePort: ",
    ".healthCheckNodePort: ",
    "controller-uid: ",
    ".metadata.name: ",
];

/// What is left out of the comparison: the work of admission and of the pipeline.
fn strip(object: &mut Value) {
    for field in [
        "managedFields",
        "creationTimestamp",
        "resourceVersion",
        "generation",
        "finalizers",
        "namespace",
        "uid",
    ] {
        crate::defaults::fill::remove(object, &format!("metadata.{field}"));
    }
    for field in ["tolerations", "priority", "preemptionPolicy"] {
        if object["kind"] == "Pod" {
            crate::defaults::fill::remove(object, &format!("spec.{field}"));
        }
    }
}

#[test]
fn created_objects() {
    let registry = Registry::builtin();
    let mut found = Vec::new();
    for (file, request, response) in exchanges("kinds") {
        let path = request["path"].as_str().unwrap_or_default();
        let made = request["method"] == "POST" && response["status"] == 201;
        let (true, Some(kind)) = (made, kind_at(&registry, path)) else { continue };
        if !kind.stored() || !response["body"]["metadata"].is_object() {
            continue;
        }
        let Some(body) = request.get("body") else { continue };
        let body = serde_json::to_vec(body).expect("JSON");
        let at = format!("{} {path}", file.display());
        let decoded = schema::decode(&kind, &body, BodyFormat::Json, FieldValidation::Ignore);
        let Ok(decoded) = decoded else {
            found.push(format!("{at}: does not decode: {:?}", decoded.err()));
            continue;
        };
        let mut object = decoded.object;
        (kind.hooks.default)(&mut object);
        if kind.strategy.status && !kind.strategy.status_at_creation {
            crate::defaults::fill::remove(&mut object, "status");
        }
        object["metadata"]["uid"] = json!("<uid:1>");
        (kind.hooks.prepare_create)(&mut object);
        let Ok(normal) = schema::normalize(&kind, object, FieldValidation::Ignore) else {
            found.push(format!("{at}: does not normalize"));
            continue;
        };
        let (mut want, mut got) = (response["body"].clone(), normal.object);
        strip(&mut want);
        strip(&mut got);
        differences(&at, &want, &got, &mut found);
    }
    found.retain(|line| !OF_OTHERS.iter().any(|part| line.contains(part)));
    assert!(found.is_empty(), "{found:#?}");
}
