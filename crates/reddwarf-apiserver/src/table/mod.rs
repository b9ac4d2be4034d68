//! Rendering of objects as rows of a `Table`.

pub mod columns;
mod doc;
pub mod duration;

use crate::custom::{self, table::MetadataTexts};
use crate::registry::{Column, Kind, RowContext};
use serde_json::{Value, json};

/// The columns of a kind; those of upstream's default where it has none of its own.
fn columns(kind: &Kind) -> &'static [Column] {
    if kind.columns.is_empty() { columns::NAME_AND_CREATION } else { kind.columns }
}

/// The `columnDefinitions` of a kind's table.
pub fn definitions(kind: &Kind) -> Vec<Value> {
    if let Some(custom) = &kind.custom {
        let [name, created] = columns::METADATA_DOCS.map(|doc| doc::text(&doc));
        return custom::table::definitions(&custom.version, &MetadataTexts { name, created });
    }
    let definition = |c: &Column| {
        json!({
            "name": c.name, "type": c.kind, "format": c.format,
            "description": doc::text(&c.description), "priority": c.priority,
        })
    };
    columns(kind).iter().filter(|c| !c.name.is_empty()).map(definition).collect()
}

/// The `cells` of one object's row, in the order of [`definitions`].
///
/// `object` is in the kind's served version.
pub fn cells(kind: &Kind, object: &Value, context: &RowContext) -> Vec<Value> {
    if let Some(custom) = &kind.custom {
        return custom::table::cells(&custom.version, object, context.now_ms);
    }
    columns(kind).iter().map(|c| (c.cell)(object, context)).collect()
}

/// Puts objects into the order of the table's rows: flow schemas come in the order in which they
/// are matched, all other kinds as they are.
pub fn order(kind: &Kind, objects: &mut [Value]) {
    if kind.plural != "flowschemas" {
        return;
    }
    objects.sort_by_cached_key(|object| {
        let precedence = object["spec"]["matchingPrecedence"].as_i64().unwrap_or_default();
        (precedence, crate::object::name(object).to_owned())
    });
}

/// The `conditions` of one object's row: a pod that has ended is marked as completed.
pub fn conditions(kind: &Kind, object: &Value) -> Option<Value> {
    if kind.plural != "pods" || !kind.group.is_empty() {
        return None;
    }
    let (reason, message) = match object["status"]["phase"].as_str()? {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    #[test]
    fn flow_schemas_as_they_are_matched() {
        let registry = Registry::builtin();
        let schema = |name: &str, precedence: u16| json!({"metadata": {"name": name}, "spec": {"matchingPrecedence": precedence}});
        let given = vec![schema("a", 900), schema("c", 100), schema("b", 100)];
        let in_order = |group: &str, plural: &str| {
            let kind = registry.resource(group, "v1", plural).expect("a kind");
            let mut objects = given.clone();
            order(kind, &mut objects);
            objects.iter().map(|o| crate::object::name(o).to_owned()).collect::<String>()
        };
        assert_eq!(in_order("flowcontrol.apiserver.k8s.io", "flowschemas"), "bca");
        assert_eq!(in_order("", "pods"), "acb");
    }
}
