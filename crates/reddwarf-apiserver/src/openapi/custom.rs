//! Schemas of custom kinds, from their definitions.

use super::Dialect;
use super::schemas::{META, Schemas, common_text};
use crate::custom::review::{schema_rules, structural};
use crate::registry::Kind;
use crate::validation::FieldPath;
use crate::validation::read::{flag, items, text};
use serde_json::{Map, Value, json};

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";

/// `com.example.v1.Widget`
pub(super) fn name(group: &str, version: &str, kind: &str) -> String {
    let reversed: Vec<&str> = group.rsplit('.').collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

impl Schemas<'_> {
    /// Writes the schemas of a custom kind and of its list.
    pub(super) fn add_custom(&mut self, kind: &Kind) {
        let Some(custom) = &kind.custom else { return };
        let mut schema = self.custom_object(kind);
        let list_kind = &*custom.definition.names.list_kind;
        let mut list = self.custom_list(kind, list_kind);
        let selectable = custom.version.selectable.iter();
        let selectable: Vec<Value> =
            selectable.map(|(path, _)| json!({"fieldPath": path})).collect();
        for (schema, kind_name) in [(&mut schema, &*kind.kind), (&mut list, list_kind)] {
            let gvk = json!([{"group": kind.group, "version": kind.version, "kind": kind_name}]);
            schema.insert("x-kubernetes-group-version-kind".to_owned(), gvk);
            if !selectable.is_empty() {
                let selectable = selectable.clone().into();
                schema.insert("x-kubernetes-selectable-fields".to_owned(), selectable);
            }
        }
        let own = name(&kind.group, &kind.version, &kind.kind);
        self.done.insert(own, Value::Object(schema));
        let own = name(&kind.group, &kind.version, list_kind);
        self.done.insert(own, Value::Object(list));
    }

    fn custom_object(&mut self, kind: &Kind) -> Map<String, Value> {
        let nothing = || Map::from_iter([("type".to_owned(), Value::from("object"))]);
        let Some(custom) = &kind.custom else { return nothing() };
        let Some(mut schema) = custom.version.source().filter(is_shown) else { return nothing() };
        let keeps = flag(&schema, PRESERVE) || custom.definition.preserve_unknown;
        if self.dialect() == Dialect::V2 && keeps {
            // `kubectl` would refuse all fields that are not named.
            return nothing();
        }
        unfold(&mut schema);
        if self.dialect() == Dialect::V2 {
            simplify(&mut schema);
        }
        self.embed(&mut schema);
        self.add_type_and_metadata(&mut schema, "ObjectMeta");
        match schema {
            Value::Object(schema) => schema,
            _ => nothing(),
        }
    }

    fn custom_list(&mut self, kind: &Kind, list_kind: &str) -> Map<String, Value> {
        let item = self.reference(&name(&kind.group, &kind.version, &kind.kind));
        let mut list = json!({
            "type": "object", "required": ["items"],
            "description": format!("{list_kind} is a list of {}", kind.kind),
            "properties": {
                "items": {
                    "type": "array", "items": item,
                    "description": format!("List of {}.", kind.plural),
                },
            },
        });
        self.add_type_and_metadata(&mut list, "ListMeta");
        match list {
            Value::Object(list) => list,
            _ => Map::new(),
        }
    }

    fn add_type_and_metadata(&mut self, schema: &mut Value, metadata: &str) {
        if !schema["properties"].is_object() {
            schema["properties"] = json!({});
        }
        let properties = &mut schema["properties"];
        for name in ["apiVersion", "kind"] {
            properties[name] = json!({"type": "string", "description": common_text(name)});
        }
        let reference = self.reference(&format!("{META}.{metadata}"));
        let mut metadata = match self.dialect() {
            Dialect::V2 => reference,
            Dialect::V3 => json!({"allOf": [reference]}),
        };
        metadata["description"] = json!(common_text("metadata"));
        properties["metadata"] = metadata;
        if let Value::Object(properties) = properties {
            properties.sort_keys();
        }
    }

    /// Adds type and metadata to embedded resources.
    fn embed(&mut self, schema: &mut Value) {
        each_below(schema, &mut |below| self.embed(below));
        let hides = self.dialect() == Dialect::V2 && flag(schema, PRESERVE);
        if !flag(schema, EMBEDDED) || hides {
            return;
        }
        self.add_type_and_metadata(schema, "ObjectMeta");
        let mut required = items(schema, "required").to_vec();
        for name in ["kind", "apiVersion"] {
            if !required.iter().any(|r| r == name) {
                required.push(name.into());
            }
        }
        schema["required"] = required.into();
    }
}

/// Whether a schema is one that documents can show.
fn is_shown(schema: &Value) -> bool {
    !schema_rules::any(schema, &schema_rules::has_unknown_type)
        && structural::unsupported(schema).is_none()
        && structural::errors(schema, &FieldPath::new("")).is_empty()
}

/// The schemas of the values inside a value.
fn each_below(schema: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    let Value::Object(fields) = schema else { return };
    for name in ["items", "additionalProperties"] {
        if let Some(below) = fields.get_mut(name).filter(|below| below.is_object()) {
            visit(below);
        }
    }
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(visit);
    }
}

/// Says of an integer or text, which has no type, what it can be.
fn unfold(schema: &mut Value) {
    each_below(schema, &mut unfold);
    if !flag(schema, "x-kubernetes-int-or-string") {
        return;
    }
    let either = json!([{"type": "integer"}, {"type": "string"}]);
    let first = items(schema, "allOf").first();
    if schema["anyOf"] == either || first.is_some_and(|first| first["anyOf"] == either) {
        return;
    }
    if items(schema, "anyOf").is_empty() {
        schema["anyOf"] = either;
        return;
    }
    let mut all = vec![json!({"anyOf": either})];
    all.extend(items(schema, "allOf").iter().cloned());
    schema["allOf"] = all.into();
}

/// Takes out what version 2 cannot say, or what `kubectl` cannot read in it.
fn simplify(schema: &mut Value) {
    let is_nullable = |schema: &Value| flag(schema, "nullable");
    let nullable: Vec<String> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, of)| is_nullable(of))
        .map(|(name, _)| name.clone())
        .collect();
    let nullable_values = is_nullable(&schema["additionalProperties"]);
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| {
            !nullable_values && !nullable.iter().any(|nullable| name == nullable.as_str())
        });
    }
    let (null, keeps) = (is_nullable(schema), flag(schema, PRESERVE));
    let ty = text(schema, "type").to_owned();
    let Value::Object(fields) = schema else { return };
    for name in ["allOf", "oneOf", "anyOf", "not", "nullable"] {
        fields.shift_remove(name);
    }
    if null || keeps {
        fields.shift_remove("items");
        fields.shift_remove("properties");
    }
    let untyped = null || ty == "array" && !fields.contains_key("items") || keeps && ty == "object";
    if untyped {
        fields.shift_remove("type");
    }
    if fields.get("required").is_some_and(|required| required.as_array().is_some_and(Vec::is_empty))
    {
        fields.shift_remove("required");
    }
    each_below(schema, &mut simplify);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_has_no_unions() {
        let mut schema = json!({"type": "object", "required": ["a", "port"], "properties": {
            "a": {"type": "string", "nullable": true},
            "port": {"x-kubernetes-int-or-string": true},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"b": {"type": "string"}}},
        }});
        unfold(&mut schema);
        assert_eq!(
            schema["properties"]["port"]["anyOf"],
            json!([{"type": "integer"}, {"type": "string"}])
        );
        simplify(&mut schema);
        assert_eq!(
            schema,
            json!({"type": "object", "required": ["port"], "properties": {
                "a": {}, "port": {"x-kubernetes-int-or-string": true},
                "free": {"x-kubernetes-preserve-unknown-fields": true},
            }})
        );
    }

    #[test]
    fn names_turn_the_group_around() {
        assert_eq!(name("stable.example.com", "v1", "Widget"), "com.example.stable.v1.Widget");
    }
}
