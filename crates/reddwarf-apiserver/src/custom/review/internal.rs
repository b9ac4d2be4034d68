//! Versions and schemas as upstream's older form shows them in messages.

use serde_json::{Map, Value, json};

/// How a field that is not given is shown.
#[derive(Clone, Copy)]
pub(super) enum Zero {
    Null,
    Text,
    No,
}

/// The fields of a schema: their names, those in the older form, and what they are when absent.
pub(super) const FIELDS: [(&str, &str, Zero); 44] = [
    ("id", "ID", Zero::Text),
    ("$schema", "Schema", Zero::Text),
    ("$ref", "Ref", Zero::Null),
    ("description", "Description", Zero::Text),
    ("type", "Type", Zero::Text),
    ("nullable", "Nullable", Zero::No),
    ("format", "Format", Zero::Text),
    ("title", "Title", Zero::Text),
    ("default", "Default", Zero::Null),
    ("maximum", "Maximum", Zero::Null),
    ("exclusiveMaximum", "ExclusiveMaximum", Zero::No),
    ("minimum", "Minimum", Zero::Null),
    ("exclusiveMinimum", "ExclusiveMinimum", Zero::No),
    ("maxLength", "MaxLength", Zero::Null),
    ("minLength", "MinLength", Zero::Null),
    ("pattern", "Pattern", Zero::Text),
    ("maxItems", "MaxItems", Zero::Null),
    ("minItems", "MinItems", Zero::Null),
    ("uniqueItems", "UniqueItems", Zero::No),
    ("multipleOf", "MultipleOf", Zero::Null),
    ("enum", "Enum", Zero::Null),
    ("maxProperties", "MaxProperties", Zero::Null),
    ("minProperties", "MinProperties", Zero::Null),
    ("required", "Required", Zero::Null),
    ("items", "Items", Zero::Null),
    ("allOf", "AllOf", Zero::Null),
    ("oneOf", "OneOf", Zero::Null),
    ("anyOf", "AnyOf", Zero::Null),
    ("not", "Not", Zero::Null),
    ("properties", "Properties", Zero::Null),
    ("additionalProperties", "AdditionalProperties", Zero::Null),
    ("patternProperties", "PatternProperties", Zero::Null),
    ("dependencies", "Dependencies", Zero::Null),
    ("additionalItems", "AdditionalItems", Zero::Null),
    ("definitions", "Definitions", Zero::Null),
    ("externalDocs", "ExternalDocs", Zero::Null),
    ("example", "Example", Zero::Null),
    ("x-kubernetes-preserve-unknown-fields", "XPreserveUnknownFields", Zero::Null),
    ("x-kubernetes-embedded-resource", "XEmbeddedResource", Zero::No),
    ("x-kubernetes-int-or-string", "XIntOrString", Zero::No),
    ("x-kubernetes-list-map-keys", "XListMapKeys", Zero::Null),
    ("x-kubernetes-list-type", "XListType", Zero::Null),
    ("x-kubernetes-map-type", "XMapType", Zero::Null),
    ("x-kubernetes-validations", "XValidations", Zero::Null),
];

fn given<'v>(object: &'v Value, name: &str) -> &'v Value {
    object.get(name).unwrap_or(&Value::Null)
}

/// A schema in the older form.
pub(super) fn schema(source: &Value) -> Value {
    let mut out = Map::new();
    for (name, shown, zero) in FIELDS {
        let value = match (source.get(name), zero) {
            (None, Zero::Null) => Value::Null,
            (None, Zero::Text) => "".into(),
            (None, Zero::No) => false.into(),
            (Some(value), _) => field(name, value),
        };
        out.insert(shown.to_owned(), value);
    }
    Value::Object(out)
}

fn field(name: &str, value: &Value) -> Value {
    let each = |value: &Value| match value {
        Value::Array(items) => Value::Array(items.iter().map(schema).collect()),
        other => other.clone(),
    };
    match name {
        "not" => schema(value),
        "allOf" | "anyOf" | "oneOf" => each(value),
        "properties" | "patternProperties" | "definitions" => {
            let mut names: Vec<&String> =
                value.as_object().into_iter().flat_map(Map::keys).collect();
            names.sort();
            names.into_iter().map(|name| (name.clone(), schema(&value[name.as_str()]))).collect()
        }
        "items" => match value {
            Value::Array(_) => json!({"Schema": null, "JSONSchemas": each(value)}),
            one => json!({"Schema": schema(one), "JSONSchemas": null}),
        },
        "additionalProperties" | "additionalItems" => match value {
            Value::Bool(allows) => json!({"Allows": allows, "Schema": null}),
            one => json!({"Allows": true, "Schema": schema(one)}),
        },
        _ => value.clone(),
    }
}

/// `spec.versions` in the older form, without what all of them have in common.
pub(super) fn versions(versions: &[Value]) -> Value {
    if versions.is_empty() {
        return Value::Null;
    }
    let common = |field: &str| {
        versions.first().is_some_and(|f| versions.iter().all(|v| v.get(field) == f.get(field)))
    };
    let own = |version: &Value, name: &str, show: &dyn Fn(&Value) -> Value| match version.get(name)
    {
        Some(value) if !common(name) => show(value),
        _ => Value::Null,
    };
    let shown = versions.iter().map(|version| {
        let list = |show: fn(&Value) -> Value| {
            move |value: &Value| value.as_array().into_iter().flatten().map(show).collect::<Value>()
        };
        json!({
            "Name": given(version, "name"),
            "Served": version["served"] == true,
            "Storage": version["storage"] == true,
            "Deprecated": version["deprecated"] == true,
            "DeprecationWarning": given(version, "deprecationWarning"),
            "Schema": own(version, "schema", &|s| match s.get("openAPIV3Schema") {
                Some(source) => json!({"OpenAPIV3Schema": schema(source)}),
                None => json!({"OpenAPIV3Schema": null}),
            }),
            "Subresources": own(version, "subresources", &subresources),
            "AdditionalPrinterColumns":
                own(version, "additionalPrinterColumns", &list(column)),
            "SelectableFields": own(version, "selectableFields", &list(|field| {
                json!({"JSONPath": given(field, "jsonPath")})
            })),
        })
    });
    shown.collect()
}

fn subresources(of: &Value) -> Value {
    let scale = of.get("scale").filter(|s| s.is_object()).map(|scale| {
        json!({
            "SpecReplicasPath": given(scale, "specReplicasPath"),
            "StatusReplicasPath": given(scale, "statusReplicasPath"),
            "LabelSelectorPath": given(scale, "labelSelectorPath"),
        })
    });
    json!({"Status": given(of, "status"), "Scale": scale})
}

fn column(of: &Value) -> Value {
    let text = |name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default();
    json!({
        "Name": text("name"), "Type": text("type"), "Format": text("format"),
        "Description": text("description"), "Priority": of["priority"].as_i64().unwrap_or_default(),
        "JSONPath": text("jsonPath"),
    })
}
