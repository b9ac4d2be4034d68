//! The place of a definition's own rules (`x-kubernetes-validations`).
//!
//! Rules are expressions that a schema cannot say. They are compiled with the schema and run
//! after it: an object that breaks its schema may not have the types that they count on. The
//! expressions themselves are the matter of `reddwarf-cel`.

use super::schema::{Additional, ListType, Schema};
use crate::validation::{ErrorKind, ErrorList, FieldError, FieldPath};
use reddwarf_cel::{Finding, FindingKind, Rule, Rules, Schema as Structural};
use serde_json::Value;
use std::sync::OnceLock;

/// The rules of a schema, compiled when they are first run.
#[derive(Debug, Default)]
pub struct Compiled(OnceLock<Option<Rules>>);

impl Compiled {
    fn of(&self, schema: &Schema, whole: bool) -> Option<&Rules> {
        self.0.get_or_init(|| Rules::new(structural(schema), whole || schema.embedded)).as_ref()
    }
}

/// Runs the rules of a schema, at any depth, on a value that is created (`old` absent) or
/// updated. The value stands at `path`, which is empty for a whole object. `errors` is what was
/// found wrong before; some of it keeps the rules from running.
pub fn check(
    schema: &Schema,
    new: &Value,
    old: Option<&Value>,
    path: &FieldPath,
    errors: &mut ErrorList,
) {
    let at = path.to_string();
    let Some(rules) = schema.compiled.of(schema, at.is_empty()) else { return };
    if errors.iter().any(blocks) {
        let detail = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
        errors.push(FieldError::invalid(FieldPath::new("<nil>"), "null", detail));
        return;
    }
    let verdict = rules.evaluate(new, old, &at);
    errors.extend(verdict.findings.into_iter().map(error));
}

/// Errors after which values may not have the types that rules count on.
fn blocks(error: &FieldError) -> bool {
    matches!(
        error.kind,
        ErrorKind::NotSupported
            | ErrorKind::Required
            | ErrorKind::TooLong
            | ErrorKind::TooMany
            | ErrorKind::TypeInvalid
    )
}

/// Compiles the rules of a definition's schema at `path`: `source` is `openAPIV3Schema` as the
/// definition has it, `old` the same of the definition that it replaces. Called only for schemas
/// that are structural; `errors` is what else is wrong with it, and rules of faulty parts are
/// passed over.
pub fn compile(
    source: &Value,
    old: Option<&Value>,
    path: &FieldPath,
    errors: &ErrorList,
) -> ErrorList {
    let is_faulty = |at: &str| {
        let within = |field: &str| {
            field
                .strip_prefix(at)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        errors.iter().any(|error| within(&error.field.to_string()))
    };
    let unchanged = old == Some(source);
    let schema = Structural::read(source);
    let found = reddwarf_cel::review(&schema, unchanged, &path.to_string(), &is_faulty);
    found.into_iter().map(error).collect()
}

fn error(finding: Finding) -> FieldError {
    let kind = match finding.kind {
        FindingKind::Invalid => ErrorKind::Invalid,
        FindingKind::Forbidden => ErrorKind::Forbidden,
        FindingKind::Required => ErrorKind::Required,
        FindingKind::Duplicate => ErrorKind::Duplicate,
        FindingKind::Internal => ErrorKind::Internal,
    };
    let field = FieldPath::new(if finding.path.is_empty() { "<nil>" } else { &finding.path });
    FieldError { kind, field, value: finding.value, detail: finding.detail }
}

/// The schema as rules see it.
fn structural(schema: &Schema) -> Structural {
    let limits = &schema.limits;
    let texts = |texts: &[Box<str>]| texts.iter().map(|text| text.to_string()).collect();
    let (list_type, list_keys) = match &schema.list {
        ListType::Atomic => ("", Vec::new()),
        ListType::Set => ("set", Vec::new()),
        ListType::Map(keys) => ("map", texts(keys)),
    };
    let longest = limits.allowed.iter().map(|one| one.as_str().map_or(0, str::len)).max();
    let properties = schema.properties.iter();
    let properties = properties.map(|(name, of)| (name.to_string(), structural(of)));
    let of = Structural {
        kind: schema.ty.to_string(),
        format: limits.format.to_string(),
        int_or_string: schema.int_or_string,
        embedded: schema.embedded,
        preserve: schema.preserve_unknown,
        nullable: schema.nullable,
        has_default: schema.default.is_some(),
        max_length: limits.length_max,
        max_items: limits.items_max,
        max_properties: limits.properties_max,
        longest_choice: longest.map(|length| length as i64),
        required: texts(&limits.required),
        properties: (!schema.properties.is_empty()).then(|| properties.collect()),
        additional: match &schema.additional {
            Additional::Of(of) => Some(Box::new(structural(of))),
            _ => None,
        },
        items: schema.items.as_deref().map(|of| Box::new(structural(of))),
        list_type: list_type.to_owned(),
        list_keys,
        map_type: if schema.atomic_map { "atomic" } else { "" }.to_owned(),
        rules: schema.rules.iter().map(Rule::read).collect(),
        all_of: limits.all_of.iter().map(structural).collect(),
    };
    of.completed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn source() -> Value {
        json!({"type": "object", "properties": {"spec": {"type": "object",
            "properties": {"n": {"type": "integer"}, "s": {"type": "string"}},
            "x-kubernetes-validations": [
                {"rule": "self.n > 0", "message": "n must be positive", "fieldPath": ".n"}]}}})
    }

    #[test]
    fn an_object_is_told_of_its_rules() {
        let schema = Schema::compile(&source());
        let run = |n: i64, mut errors: ErrorList| {
            let object = json!({"spec": {"n": n, "s": "x"}});
            check(&schema, &object, None, &FieldPath::new(""), &mut errors);
            errors.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(run(1, ErrorList::new()), Vec::<String>::new());
        assert_eq!(run(0, ErrorList::new()), ["spec.n: Invalid value: n must be positive"]);
        let blocked = run(0, vec![FieldError::required(FieldPath::new("spec.x"), "")]);
        assert_eq!(blocked.len(), 2);
        assert!(blocked[1].contains("some validation rules were not checked"));
    }

    #[test]
    fn a_definition_is_told_of_its_rules() {
        let mut source = source();
        source["properties"]["spec"]["x-kubernetes-validations"][0]["rule"] = "self.zz > 0".into();
        let path = FieldPath::new("schema");
        let errors = compile(&source, None, &path, &ErrorList::new());
        assert_eq!(errors.len(), 1);
        let at = "schema.properties[spec].x-kubernetes-validations[0].rule";
        assert_eq!(errors[0].field.to_string(), at);
        let faulty = vec![FieldError::forbidden(FieldPath::new("schema.properties[spec].id"), "")];
        assert_eq!(compile(&source, None, &path, &faulty), ErrorList::new());
    }
}
