//! Defaults of a schema, and nulls that it does not allow.

use super::schema::Schema;
use serde_json::{Map, Value};

/// Fills in what is absent, or null where null is no value.
pub fn fill(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(fields) => {
            add_absent(fields, schema);
            for (name, value) in fields.iter_mut() {
                if schema.properties.contains_key(name.as_str()) {
                    fill(value, &schema.properties[name.as_str()]);
                } else if let Some(of) = schema.additional.schema() {
                    replace_null(value, of);
                    fill(value, of);
                }
            }
        }
        Value::Array(items) => {
            if let Some(of) = schema.items.as_deref() {
                for item in items {
                    replace_null(item, of);
                    fill(item, of);
                }
            }
        }
        _ => {}
    }
}

fn add_absent(fields: &mut Map<String, Value>, schema: &Schema) {
    for (name, property) in &schema.properties {
        let Some(default) = &property.default else { continue };
        match fields.get(&**name) {
            None => {}
            Some(Value::Null) if !property.nullable => {}
            Some(_) => continue,
        }
        fields.insert(name.to_string(), default.clone());
    }
}

fn replace_null(value: &mut Value, schema: &Schema) {
    if value.is_null() && !schema.nullable {
        *value = schema.default.clone().unwrap_or_default();
    }
}

/// Takes out nulls of fields that can neither be null nor get a default.
pub fn drop_nulls(value: &mut Value, schema: Option<&Schema>) {
    match value {
        Value::Object(fields) => {
            let of = |name: &str| schema.and_then(|schema| schema.field(name));
            fields.retain(|name, value| {
                let of = of(name);
                let drops =
                    value.is_null() && of.is_some_and(|s| !s.nullable && s.default.is_none());
                if !drops {
                    drop_nulls(value, of);
                }
                !drops
            });
        }
        Value::Array(items) => {
            let of = schema.and_then(|schema| schema.items.as_deref());
            items.iter_mut().for_each(|item| drop_nulls(item, of));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shaped(schema: Value, mut object: Value) -> Value {
        let schema = Schema::compile(&schema);
        drop_nulls(&mut object, Some(&schema));
        fill(&mut object, &schema);
        object
    }

    #[test]
    fn absent_values_and_nulls() {
        let schema = json!({"type": "object", "properties": {
            "size": {"type": "integer", "default": 3},
            "nul": {"type": "string", "nullable": true},
            "nuld": {"type": "string", "nullable": true, "default": "d"},
            "notnul": {"type": "string"},
            "nest": {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}},
            "nestd": {"type": "object", "default": {"b": "1"},
                "properties": {"a": {"type": "string", "default": "x"}, "b": {"type": "string"}}},
            "list": {"type": "array", "items": {"type": "object", "properties": {"p": {"type": "integer", "default": 80}}}},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"q": {"type": "integer", "default": 7}}}},
        }});
        assert_eq!(
            shaped(schema.clone(), json!({})),
            json!({"size": 3, "nuld": "d", "nestd": {"a": "x", "b": "1"}})
        );
        assert_eq!(
            shaped(
                schema,
                json!({"size": null, "nul": null, "nuld": null, "notnul": null, "nest": {},
                    "list": [{}, {"p": 1}], "map": {"k": {}}, "nestd": {}})
            ),
            json!({"size": 3, "nul": null, "nuld": null, "nest": {"a": "x"},
                "list": [{"p": 80}, {"p": 1}], "map": {"k": {"q": 7}}, "nestd": {"a": "x"}})
        );
    }
}
