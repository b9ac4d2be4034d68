//! Takes out the fields that a schema does not know.

use super::schema::{Additional, Schema};
use crate::validation::FieldPath;
use serde_json::Value;

/// Fields that every object has, whatever its schema says.
pub const TYPE_AND_METADATA: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Where a walk stands, and the unknown fields that it met.
#[derive(Default)]
pub struct Trail {
    path: String,
    record: bool,
    unknown: Vec<String>,
}

impl Trail {
    /// A trail that records unknown fields.
    pub fn recording() -> Self {
        Trail { record: true, ..Trail::default() }
    }

    /// A trail below a path.
    pub fn starting(path: &FieldPath) -> Self {
        Trail { path: path.to_string(), ..Trail::default() }
    }

    /// Whether unknown fields are recorded.
    pub fn records(&self) -> bool {
        self.record
    }

    /// The paths of the unknown fields, sorted.
    pub fn into_unknown(mut self) -> Vec<String> {
        self.unknown.sort_unstable();
        self.unknown
    }

    /// Records an unknown field by its whole path.
    pub fn record(&mut self, path: String) {
        if self.record {
            self.unknown.push(path);
        }
    }

    /// `spec.list[0]`
    pub fn path(&self) -> &str {
        &self.path
    }

    fn unknown(&mut self, name: &str) {
        if self.record {
            let dot = if self.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{name}", self.path);
            self.unknown.push(path);
        }
    }

    /// Walks into a field.
    pub fn field<T>(&mut self, name: &str, walk: impl FnOnce(&mut Self) -> T) -> T {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.step(&format!("{dot}{name}"), walk)
    }

    /// Walks into an item.
    pub fn index<T>(&mut self, at: usize, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.step(&format!("[{at}]"), walk)
    }

    fn step<T>(&mut self, step: &str, walk: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(step);
        let out = walk(self);
        self.path.truncate(length);
        out
    }
}

/// Prunes an object of the kind; type and metadata at its root stay.
pub fn prune(object: &mut Value, schema: Option<&Schema>, trail: &mut Trail) {
    match schema {
        Some(schema) => known(object, schema, Walk { resource: true, keeps: false }, trail),
        None => known(object, &Schema::default(), Walk { resource: true, keeps: false }, trail),
    }
}

/// Prunes a value that is no whole object.
pub fn prune_value(value: &mut Value, schema: &Schema, trail: &mut Trail) {
    known(value, schema, Walk::into(schema), trail);
}

/// How a value is walked through.
#[derive(Clone, Copy)]
struct Walk {
    /// It has type and metadata.
    resource: bool,
    /// It is an item of a list that keeps unknown fields.
    keeps: bool,
}

impl Walk {
    fn into(schema: &Schema) -> Self {
        Walk { resource: schema.embedded, keeps: false }
    }
}

fn known(value: &mut Value, schema: &Schema, walk: Walk, trail: &mut Trail) {
    let keeps = walk.keeps || schema.preserve_unknown;
    match value {
        Value::Object(fields) => {
            let mut gone = Vec::new();
            for (name, value) in fields.iter_mut() {
                if walk.resource && TYPE_AND_METADATA.contains(&name.as_str()) {
                    continue;
                }
                if let Some(property) = schema.properties.get(name.as_str()) {
                    trail.field(name, |trail| known(value, property, Walk::into(property), trail));
                    continue;
                }
                match &schema.additional {
                    Additional::Of(of) => {
                        trail.field(name, |trail| known(value, of, Walk::into(of), trail));
                    }
                    Additional::Bool(_) => trail.field(name, |trail| unknown(value, trail)),
                    Additional::Unsaid if keeps => {}
                    Additional::Unsaid => {
                        trail.unknown(name);
                        gone.push(name.clone());
                    }
                }
            }
            gone.iter().for_each(|name| drop(fields.shift_remove(name)));
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                match &schema.items {
                    Some(of) => {
                        let walk = Walk { keeps, ..Walk::into(of) };
                        trail.index(at, |trail| known(item, of, walk, trail));
                    }
                    None if keeps => {}
                    None => trail.index(at, |trail| unknown(item, trail)),
                }
            }
        }
        _ => {}
    }
}

/// A value of which nothing is known: objects lose all their fields.
fn unknown(value: &mut Value, trail: &mut Trail) {
    match value {
        Value::Object(fields) => {
            fields.keys().for_each(|name| trail.unknown(name));
            fields.clear();
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                trail.index(at, |trail| unknown(item, trail));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pruned(schema: Value, mut object: Value) -> (Value, Vec<String>) {
        let mut trail = Trail::recording();
        prune(&mut object, Some(&Schema::compile(&schema)), &mut trail);
        (object, trail.into_unknown())
    }

    #[test]
    fn unknown_fields_go_and_are_named() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"known": {"type": "object", "properties": {"a": {"type": "string"}}}}},
            "any": {"x-kubernetes-preserve-unknown-fields": true},
            "loose": {"type": "object", "additionalProperties": true},
        }}}});
        let object = json!({"kind": "K", "metadata": {"x": 1}, "top": 1, "spec": {
            "zz": 1, "list": [{"a": "1", "b": 2}], "map": {"k": {"a": "1", "b": 2}},
            "free": {"x": {"y": 1}, "known": {"a": "1", "b": 2}}, "any": [{"y": null}],
            "loose": {"a": 1, "b": {"c": 1}},
        }});
        let (object, unknown) = pruned(schema, object);
        assert_eq!(
            object,
            json!({"kind": "K", "metadata": {"x": 1}, "spec": {
                "list": [{"a": "1"}], "map": {"k": {"a": "1"}},
                "free": {"x": {"y": 1}, "known": {"a": "1"}}, "any": [{"y": null}],
                "loose": {"a": 1, "b": {}},
            }})
        );
        assert_eq!(
            unknown,
            [
                "spec.free.known.b",
                "spec.list[0].b",
                "spec.loose.b.c",
                "spec.map.k.b",
                "spec.zz",
                "top"
            ]
        );
    }

    #[test]
    fn embedded_resources_keep_type_and_metadata() {
        let schema = json!({"type": "object", "properties": {"e": {"type": "object",
            "x-kubernetes-embedded-resource": true, "properties": {"data": {"type": "string"}}}}});
        let (object, unknown) = pruned(
            schema,
            json!({"e": {"kind": "K", "apiVersion": "v1", "metadata": {"name": "n"}, "data": "d", "zz": 1}}),
        );
        let kept = json!({"kind": "K", "apiVersion": "v1", "metadata": {"name": "n"}, "data": "d"});
        assert_eq!(object["e"], kept);
        assert_eq!(unknown, ["e.zz"]);
    }
}
