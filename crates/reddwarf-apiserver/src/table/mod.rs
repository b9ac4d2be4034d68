//! Rendering of objects as rows of a `Table`.

use crate::registry::{Kind, RowContext};
use serde_json::{Value, json};

/// The `columnDefinitions` of a kind's table, `Name` first.
pub fn definitions(kind: &Kind) -> Vec<Value> {
    let name = json!({
        "name": "Name", "type": "string", "format": "name", "description": NAME_DESCRIPTION,
        "priority": 0,
    });
    let others = kind.columns.iter().map(|c| {
        json!({
            "name": c.name, "type": c.kind, "format": c.format, "description": c.description,
            "priority": c.priority,
        })
    });
    std::iter::once(name).chain(others).collect()
}

/// The `cells` of one object's row, in the order of [`definitions`].
pub fn cells(kind: &Kind, object: &Value, context: &RowContext) -> Vec<Value> {
    let name = Value::from(crate::object::name(object));
    std::iter::once(name).chain(kind.columns.iter().map(|c| (c.cell)(object, context))).collect()
}

const NAME_DESCRIPTION: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
