//! One version of a definition, and what all versions have in common.

use super::{default, internal, parts, schema_rules, structural};
use crate::custom::rules;
use crate::validation::read::{flag, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath};
use serde_json::Value;

/// What upstream asks of a definition: what was accepted once is not refused later.
pub(super) struct Asked<'v> {
    /// Every version has a schema.
    pub schema: bool,
    /// Schemas are structural.
    pub structural: bool,
    /// Some schema has a default.
    pub has_defaults: bool,
    /// Defaults have no unknown fields.
    pub pruned_defaults: bool,
    /// What schemas are asked themselves.
    pub rules: schema_rules::Asked,
    /// `spec.versions` of the definition that is replaced.
    pub old: &'v [Value],
}

fn schemas(spec: &Value) -> impl Iterator<Item = &Value> {
    items(spec, "versions").iter().filter_map(|v| v.pointer("/schema/openAPIV3Schema"))
}

impl<'v> Asked<'v> {
    /// Of the `spec` of a definition that replaces `old`.
    pub fn of(spec: &Value, old: Option<&'v Value>) -> Self {
        let anywhere = |spec: &Value, wanted: &dyn Fn(&Value) -> bool| {
            schemas(spec).any(|schema| schema_rules::any(schema, wanted))
        };
        let was = |wanted: &dyn Fn(&Value) -> bool| old.is_some_and(|old| anywhere(old, wanted));
        let has_defaults = anywhere(spec, &|schema| schema.get("default").is_some());
        let extended = anywhere(spec, &schema_rules::is_extended);
        let nowhere = FieldPath::new("");
        let was_structural = old.is_none_or(|old| {
            schemas(old).all(|schema| {
                structural::unsupported(schema).is_none()
                    && structural::errors(schema, &nowhere).is_empty()
            })
        });
        Asked {
            schema: old.is_none_or(|old| schemas(old).count() == items(old, "versions").len()),
            structural: was_structural
                || has_defaults
                || extended
                || !flag(spec, "preserveUnknownFields"),
            has_defaults,
            pruned_defaults: old.is_none_or(|old| {
                schemas(old).all(|schema| default::errors(schema, true, &nowhere).is_empty())
            }),
            rules: schema_rules::Asked {
                types: !was(&schema_rules::has_unknown_type),
                atomic_sets: !was(&schema_rules::has_granular_set),
                keys: !was(&|schema| !schema_rules::key_errors(schema, &nowhere).is_empty()),
            },
            old: old.map(|old| items(old, "versions")).unwrap_or_default(),
        }
    }

    fn old_version(&self, name: &str) -> Option<&'v Value> {
        self.old.iter().find(|version| text(version, "name") == name)
    }
}

/// What all versions have in common, which upstream puts above them.
pub(super) struct Promoted<'v> {
    first: Option<&'v Value>,
    schema: bool,
    subresources: bool,
    columns: bool,
    selectable: bool,
}

impl<'v> Promoted<'v> {
    /// Of `spec.versions`.
    pub fn of(versions: &'v [Value]) -> Self {
        let first = versions.first();
        let common = |field: &str| {
            first.is_some_and(|first| versions.iter().all(|v| v.get(field) == first.get(field)))
        };
        Promoted {
            first,
            schema: common("schema"),
            subresources: common("subresources"),
            columns: common("additionalPrinterColumns"),
            selectable: common("selectableFields"),
        }
    }

    /// The common `openAPIV3Schema`.
    pub fn schema(&self) -> Option<&'v Value> {
        self.first?.pointer("/schema/openAPIV3Schema").filter(|_| self.schema)
    }
}

fn has_status(version: &Value) -> bool {
    version["subresources"].get("status").is_some_and(|status| !status.is_null())
}

/// Checks a version, but for what all versions have in common.
pub(super) fn errors(
    version: &Value,
    promoted: &Promoted<'_>,
    asked: &Asked<'_>,
    path: &FieldPath,
) -> ErrorList {
    let mut errors: ErrorList = deprecation_errors(version, path);
    let schema = version.pointer("/schema/openAPIV3Schema");
    if let Some(schema) = schema.filter(|_| !promoted.schema) {
        let old = asked.old_version(text(version, "name"));
        let old = old.and_then(|old| old.pointer("/schema/openAPIV3Schema"));
        let at = path.child("schema");
        errors.extend(schema_errors(schema, old, has_status(version), asked, &at));
    }
    if !promoted.subresources {
        let at = path.child("subresources");
        errors.extend(parts::subresource_errors(version.get("subresources"), &at));
    }
    if !promoted.columns {
        let columns = items(version, "additionalPrinterColumns");
        errors.extend(parts::column_errors(columns, &path.child("additionalPrinterColumns")));
    }
    let fields = items(version, "selectableFields");
    if !promoted.selectable && !fields.is_empty() {
        let at = path.child("selectableFields");
        match schema.filter(|_| !promoted.schema) {
            Some(schema) => {
                let old = asked.old_version(text(version, "name"));
                let too_many = parts::were_too_many(version, old);
                errors.extend(parts::selectable_errors(fields, schema, too_many, &at));
            }
            None => {
                let detail =
                    "may only be set when `version.schema.openAPIV3Schema` is not included";
                errors.push(FieldError::invalid(at, "", detail));
            }
        }
    }
    errors
}

/// Checks what all versions have in common.
pub(super) fn promoted_errors(
    versions: &[Value],
    promoted: &Promoted<'_>,
    asked: &Asked<'_>,
    path: &FieldPath,
) -> ErrorList {
    let Some(first) = promoted.first else { return ErrorList::new() };
    let mut errors = ErrorList::new();
    if let Some(schema) = promoted.schema() {
        let old = asked.old_version(text(first, "name"));
        let old = old.and_then(|old| old.pointer("/schema/openAPIV3Schema"));
        let status = versions.iter().any(has_status);
        errors.extend(schema_errors(schema, old, status, asked, &path.child("validation")));
    }
    if promoted.subresources {
        let at = path.child("subresources");
        errors.extend(parts::subresource_errors(first.get("subresources"), &at));
    }
    if promoted.columns {
        let columns = items(first, "additionalPrinterColumns");
        errors.extend(parts::column_errors(columns, &path.child("additionalPrinterColumns")));
    }
    let fields = items(first, "selectableFields");
    if promoted.selectable && !fields.is_empty() {
        let at = path.child("selectableFields");
        match promoted.schema() {
            Some(schema) => {
                let old = asked.old_version(text(first, "name"));
                let too_many = parts::were_too_many(first, old);
                errors.extend(parts::selectable_errors(fields, schema, too_many, &at));
            }
            None => {
                let detail = "may only be set when validations.schema is included";
                errors.push(FieldError::invalid(at, "", detail));
            }
        }
    }
    errors
}

fn deprecation_errors(version: &Value, path: &FieldPath) -> ErrorList {
    let Some(warning) = version.get("deprecationWarning").and_then(Value::as_str) else {
        return ErrorList::new();
    };
    let mut wrong = Vec::new();
    if !flag(version, "deprecated") {
        wrong.push("can only be set for deprecated versions".to_owned());
    } else {
        if warning.len() > 256 {
            wrong.push("must be <= 256 characters long".to_owned());
        }
        if warning.is_empty() {
            wrong.push("must not be an empty string".to_owned());
        }
        let odd = warning.char_indices().find(|(_, c)| c.is_control());
        wrong.extend(odd.map(|(at, _)| {
            format!("must only contain printable UTF-8 characters; non-printable character found at index {at}")
        }));
    }
    let field = path.child("deprecationWarning");
    wrong.into_iter().map(|why| FieldError::invalid(field.clone(), warning, why)).collect()
}

/// Checks a schema; `path` is that of the object that holds it.
fn schema_errors(
    schema: &Value,
    old: Option<&Value>,
    with_status: bool,
    asked: &Asked<'_>,
    path: &FieldPath,
) -> ErrorList {
    let at = path.child("openAPIV3Schema");
    let mut errors = ErrorList::new();
    if with_status {
        errors.extend(root_error(schema, path));
    }
    if flag(schema, "nullable") {
        let field = path.child("openAPIV3Schema.nullable");
        errors.push(FieldError::forbidden(field, "nullable cannot be true at the root"));
    }
    let mut unsupported = None;
    let mut structural = false;
    if asked.structural {
        unsupported = structural::unsupported(schema);
        if unsupported.is_none() {
            let mut found = structural::errors(schema, &at);
            if found.is_empty() {
                found = default::errors(schema, asked.pruned_defaults, &at);
                structural = found.is_empty();
            }
            errors.extend(found);
        }
    }
    errors.extend(schema_rules::errors(schema, &asked.rules, &at));
    if let Some(why) = unsupported.filter(|_| errors.is_empty()) {
        errors.push(FieldError::invalid(at.clone(), "", why));
    }
    if structural {
        let found = rules::compile(schema, old, &at, &errors);
        errors.extend(found);
    }
    errors
}

/// Fields that may stand at the root of a schema whose kind has `/status`, as upstream names
/// them.
const AT_ROOT: [&str; 22] = [
    "Description",
    "Type",
    "Format",
    "Title",
    "Maximum",
    "ExclusiveMaximum",
    "Minimum",
    "ExclusiveMinimum",
    "MaxLength",
    "MinLength",
    "Pattern",
    "MaxItems",
    "MinItems",
    "UniqueItems",
    "MultipleOf",
    "Required",
    "Items",
    "Properties",
    "ExternalDocs",
    "Example",
    "XPreserveUnknownFields",
    "XValidations",
];

fn root_error(schema: &Value, path: &FieldPath) -> Option<FieldError> {
    let given = internal::FIELDS.iter().filter(|(name, ..)| schema.get(*name).is_some());
    for (_, shown, _) in given {
        if *shown == "Type" {
            if text(schema, "type") != "object" {
                let field = path.child("openAPIV3Schema.type");
                let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
                return Some(FieldError::invalid(field, text(schema, "type"), detail));
            }
        } else if !AT_ROOT.contains(shown) {
            let field = path.child("openAPIV3Schema");
            let detail = format!(
                "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
                AT_ROOT.join(" ")
            );
            return Some(FieldError::invalid(field, internal::schema(schema), detail));
        }
    }
    None
}
