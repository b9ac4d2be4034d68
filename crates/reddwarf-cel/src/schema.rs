//! The structural schema of an object, as far as expressions care.

use serde_json::Value;
use std::collections::BTreeMap;

/// A node of a structural schema.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// `object`, `array`, `string`, …; empty where none is given.
    pub kind: String,
    /// `date-time`, `byte`, …
    pub format: String,
    /// Whether a value is a number or a text.
    pub int_or_string: bool,
    /// Whether a value is an object of its own, with a kind and metadata.
    pub embedded: bool,
    /// Whether fields that are not declared are kept.
    pub preserve: bool,
    /// Whether a value may be null.
    pub nullable: bool,
    /// Whether a default stands for a missing value.
    pub has_default: bool,
    /// The most characters of a text.
    pub max_length: Option<i64>,
    /// The most items of an array.
    pub max_items: Option<i64>,
    /// The most entries of a map.
    pub max_properties: Option<i64>,
    /// The bytes of the longest text that is allowed, where only some are.
    pub longest_choice: Option<i64>,
    /// Fields that must be there.
    pub required: Vec<String>,
    /// Declared fields; `None` where none are.
    pub properties: Option<BTreeMap<String, Schema>>,
    /// What the values of a map are.
    pub additional: Option<Box<Schema>>,
    /// What the items of an array are.
    pub items: Option<Box<Schema>>,
    /// `map`, `set`, `atomic`, or nothing.
    pub list_type: String,
    /// The fields by which items of a `map` array are told apart.
    pub list_keys: Vec<String>,
    /// `granular`, `atomic`, or nothing.
    pub map_type: String,
    /// Rules that a value must satisfy.
    pub rules: Vec<Rule>,
    /// Further restrictions of the same value.
    pub all_of: Vec<Schema>,
}

/// An entry of `x-kubernetes-validations`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The expression.
    pub rule: String,
    /// What to tell if it is not satisfied.
    pub message: String,
    /// An expression for what to tell.
    pub message_expression: String,
    /// The reason to give.
    pub reason: Option<String>,
    /// The field to blame, relative to the value.
    pub field_path: String,
    /// Whether the rule also holds where there is no old value.
    pub optional_old_self: Option<bool>,
}

impl Schema {
    /// Reads a schema; what does not fit is left out.
    pub fn read(json: &Value) -> Self {
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        let flag = |key: &str| json[key].as_bool().unwrap_or_default();
        let list = |key: &str| json[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let texts = |key: &str| -> Vec<String> {
            list(key).iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
        };
        let below = |key: &str| json[key].is_object().then(|| Box::new(Self::read(&json[key])));
        let properties = json["properties"].as_object().filter(|all| !all.is_empty());
        let schema = Schema {
            kind: text("type"),
            format: text("format"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            embedded: flag("x-kubernetes-embedded-resource"),
            preserve: flag("x-kubernetes-preserve-unknown-fields"),
            nullable: flag("nullable"),
            has_default: !json["default"].is_null(),
            max_length: json["maxLength"].as_i64(),
            max_items: json["maxItems"].as_i64(),
            max_properties: json["maxProperties"].as_i64(),
            longest_choice: longest(list("enum")),
            required: texts("required"),
            properties: properties
                .map(|all| all.iter().map(|(k, v)| (k.clone(), Self::read(v))).collect()),
            additional: below("additionalProperties"),
            items: below("items"),
            list_type: text("x-kubernetes-list-type"),
            list_keys: texts("x-kubernetes-list-map-keys"),
            map_type: text("x-kubernetes-map-type"),
            rules: list("x-kubernetes-validations").iter().map(Rule::read).collect(),
            all_of: list("allOf").iter().map(Self::read).collect(),
        };
        schema.completed()
    }

    /// The schema, with the fields that an embedded object always has.
    #[must_use]
    pub fn completed(self) -> Self {
        if self.embedded { self.with_object_meta() } else { self }
    }

    /// Whether the schema or one below has rules.
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty()
            || self.items.as_ref().is_some_and(|below| below.has_rules())
            || self.additional.as_ref().is_some_and(|below| below.has_rules())
            || self.properties.iter().flatten().any(|(_, below)| below.has_rules())
            || self.all_of.iter().any(Schema::has_rules)
    }

    /// Whether values of this map can be compared with those that it had before.
    pub fn correlates_entries(&self) -> bool {
        matches!(self.map_type.as_str(), "" | "granular" | "atomic")
    }

    /// The schema with the fields that every object has.
    #[must_use]
    pub fn with_object_meta(&self) -> Self {
        let mut with = self.clone();
        let text = Schema { kind: "string".to_owned(), ..Schema::default() };
        let mut properties = with.properties.take().unwrap_or_default();
        if has_object_meta(&properties) {
            with.properties = Some(properties);
            return with;
        }
        let names = ["name", "generateName"];
        let named = names.map(|name| (name.to_owned(), text.clone()));
        let metadata = Schema {
            kind: "object".to_owned(),
            properties: Some(named.into()),
            ..Schema::default()
        };
        properties.insert("kind".to_owned(), text.clone());
        properties.insert("apiVersion".to_owned(), text);
        properties.insert("metadata".to_owned(), metadata);
        with.properties = Some(properties);
        with
    }
}

fn has_object_meta(properties: &BTreeMap<String, Schema>) -> bool {
    let is = |of: Option<&Schema>, kind: &str| of.is_some_and(|of| of.kind == kind);
    let metadata = properties.get("metadata");
    let inside = metadata.and_then(|metadata| metadata.properties.as_ref());
    is(properties.get("kind"), "string")
        && is(properties.get("apiVersion"), "string")
        && is(metadata, "object")
        && inside.is_some_and(|all| {
            is(all.get("name"), "string") && is(all.get("generateName"), "string")
        })
}

fn longest(choices: &[Value]) -> Option<i64> {
    let lengths = choices.iter().filter_map(Value::as_str).map(|choice| choice.len() as i64);
    (!choices.is_empty()).then(|| lengths.max().unwrap_or_default())
}

impl Rule {
    /// Reads a rule; what does not fit is left out.
    pub fn read(json: &Value) -> Self {
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        Rule {
            rule: text("rule"),
            message: text("message"),
            message_expression: text("messageExpression"),
            reason: json["reason"].as_str().map(str::to_owned),
            field_path: text("fieldPath"),
            optional_old_self: json["optionalOldSelf"].as_bool(),
        }
    }
}
