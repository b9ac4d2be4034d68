//! The documents, against the registry, `k8s-openapi` and (where it is given) upstream's.

use super::*;
use crate::schema::model::Shape;

fn document(name: &str) -> Value {
    let bytes = v3(&Registry::builtin(), name).expect("is served");
    serde_json::from_slice(&bytes).expect("is JSON")
}

#[test]
fn core_document_says_what_kubectl_needs() {
    let core = document("api/v1");
    let container = &core["components"]["schemas"]["io.k8s.api.core.v1.Container"];
    let ports = &container["properties"]["ports"];
    assert_eq!(ports["x-kubernetes-patch-merge-key"], "containerPort");
    assert_eq!(ports["x-kubernetes-list-map-keys"], json!(["containerPort", "protocol"]));
    assert!(ports["description"].as_str().is_some_and(|d| d.contains("List of ports")));
    assert_eq!(container["required"], json!(["name"]));
    let patch = &core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "", "version": "v1", "kind": "Pod"})
    );
    let parameters = patch["parameters"].as_array().expect("a list");
    assert!(parameters.iter().any(|p| p["name"] == "fieldValidation"));
    assert!(
        patch["requestBody"]["content"].get("application/strategic-merge-patch+json").is_some()
    );
    assert!(core["paths"].get("/api/v1/namespaces/{namespace}/pods/{name}/status").is_some());
}

#[test]
fn every_reference_leads_somewhere() {
    let registry = Registry::builtin();
    for name in document::names(&registry).keys() {
        let document = document(name);
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let target = reference.split('"').next().unwrap_or_default();
            assert!(document["components"]["schemas"].get(target).is_some(), "{name}: {target}");
        }
    }
}

#[test]
fn hashes_steer_caches() {
    let registry = Registry::builtin();
    let index: Value = serde_json::from_slice(&v3_index(&registry)).expect("is JSON");
    let url =
        index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().expect("a URL").to_owned();
    let hash = url.split("?hash=").nth(1).expect("a hash");
    let ask = |hash, accept, tag| {
        respond(&registry, "/openapi/v3/apis/apps/v1", hash, accept, tag).expect("is served")
    };
    let fresh = ask(Some(hash), None, None);
    assert_eq!(fresh.status, 200);
    assert!(
        fresh
            .headers
            .iter()
            .any(|(name, value)| *name == "cache-control" && value.contains("max-age"))
    );
    let stale = ask(Some("OLD"), None, None);
    assert_eq!((stale.status, &stale.headers[0]), (301, &("location", url.clone())));
    let tag = format!("\"{hash}\"");
    assert_eq!(ask(None, None, Some(&tag)).status, 304);
    assert_eq!(
        ask(None, Some("application/com.github.proto-openapi.spec.v3@v1.0+protobuf"), None).status,
        406
    );
    assert!(
        respond(&registry, "/openapi/v3/apis/nothing.example.com/v1", None, None, None).is_none()
    );
}

/// The tables and `k8s-openapi` know the same fields of the same types.
#[test]
fn tables_agree_with_k8s_openapi() {
    let graph = schema::builtin();
    let mut compared = 0;
    for package in graph.packages() {
        for (name, definition) in descriptions::schemas_of(package.group, package.version) {
            let Some(properties) = definition["properties"].as_object() else { continue };
            let Some(s) = graph.schema(&name).and_then(|id| graph.as_struct(id)) else { continue };
            for (field, node) in properties {
                let field = s.field(field).unwrap_or_else(|| panic!("{name}.{field} is unknown"));
                let wanted = match &graph.get(field.ty).shape {
                    Shape::String | Shape::Bytes => "string",
                    Shape::Bool => "boolean",
                    Shape::Int32 | Shape::Int64 => "integer",
                    Shape::Float => "number",
                    Shape::List(_) => "array",
                    Shape::Map(_) => "object",
                    _ => continue,
                };
                assert_eq!(node["type"], wanted, "{name}.{}", field.name);
                compared += 1;
            }
            assert_eq!(s.fields.len(), properties.len(), "{name}");
        }
    }
    assert!(compared > 1000, "only {compared} fields were compared");
}

/// The tables say what upstream's published document says; needs that document's path in
/// `REDDWARF_OPENAPI`, because it is not part of this repository.
#[test]
fn tables_agree_with_upstreams_document() {
    let Some(path) = std::env::var_os("REDDWARF_OPENAPI") else { return };
    let text = std::fs::read(path).expect("the file can be read");
    let upstream: Value = serde_json::from_slice(&text).expect("is JSON");
    let own: Value = serde_json::from_slice(&v2(&Registry::builtin())).expect("is JSON");
    let mut differences = Vec::new();
    for (name, own) in own["definitions"].as_object().expect("an object") {
        let Some(theirs) = upstream["definitions"].get(name) else { continue };
        let sorted = |value: &Value| {
            let mut list: Vec<String> =
                value.as_array().into_iter().flatten().map(Value::to_string).collect();
            list.sort();
            list
        };
        if sorted(&own["required"]) != sorted(&theirs["required"]) {
            differences
                .push(format!("{name} required: {} {}", own["required"], theirs["required"]));
        }
        let atomic = "x-kubernetes-map-type";
        if own[atomic] != theirs[atomic] {
            differences.push(format!("{name} {atomic}: {} {}", own[atomic], theirs[atomic]));
        }
        let Some(properties) = theirs["properties"].as_object() else { continue };
        for (field, theirs) in properties {
            let own = &own["properties"][field];
            for key in [
                "type",
                "format",
                "$ref",
                "x-kubernetes-list-type",
                "x-kubernetes-map-type",
                "x-kubernetes-list-map-keys",
                "x-kubernetes-patch-strategy",
                "x-kubernetes-patch-merge-key",
            ] {
                if own[key] != theirs[key] {
                    differences.push(format!("{name}.{field} {key}: {} {}", own[key], theirs[key]));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
