//! Expressions of webhooks and policies: conditions and variables.

use super::super::expression::{self, Expected};
use super::super::read::{items, text};
use super::super::{ErrorList, FieldError, FieldPath, check, names};
use serde_json::Value;
use std::collections::HashSet;

const CONDITIONS_MAX: usize = 64;
/// Words that CEL keeps to itself.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// What the expressions of webhooks are about.
pub const OF_REQUESTS: [&str; 5] =
    ["object", "oldObject", "request", "authorizer", "namespaceObject"];

/// An expression that must be given; `missing` explains its absence.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The names that it may use.
    pub declared: &'a [&'a str],
    /// What it must come to.
    pub expected: Expected,
    /// Why it must be there.
    pub missing: &'a str,
}

impl Given<'_> {
    /// Checks the expression in a field.
    pub fn check(self, of: &Value, field: &str, path: &FieldPath) -> Option<FieldError> {
        let (expression, at) = (text(of, field), path.child(field));
        if expression.trim().is_empty() {
            return Some(FieldError::required(at, self.missing));
        }
        expression::check(expression, self.declared, self.expected, &at)
    }
}

/// Checks the conditions in the field `matchConditions`.
pub fn match_conditions(of: &Value, declared: &[&str], path: &FieldPath) -> ErrorList {
    let given = Given { declared, expected: Expected::Bool, missing: "" };
    let (conditions, list) = (items(of, "matchConditions"), path.child("matchConditions"));
    let mut errors: ErrorList =
        check::too_many(conditions.len(), CONDITIONS_MAX, &list).into_iter().collect();
    let mut seen: HashSet<&str> = HashSet::new();
    for (at, condition) in conditions.iter().enumerate() {
        let path = list.index(at);
        errors.extend(given.check(condition, "expression", &path));
        let (name, at_name) = (text(condition, "name"), path.child("name"));
        errors.extend(check::required_name(names::qualified_name, name, &at_name));
        if !seen.insert(name) && !name.is_empty() {
            errors.push(FieldError::duplicate(at_name, name));
        }
    }
    errors
}

/// Checks the variables of a policy.
pub fn variables(spec: &Value, declared: &[&str], path: &FieldPath) -> ErrorList {
    let missing = "expression is not specified";
    let given = Given { declared, expected: Expected::Any, missing };
    let list = path.child("variables");
    let mut errors = ErrorList::new();
    for (at, variable) in items(spec, "variables").iter().enumerate() {
        let at = list.index(at);
        let name = text(variable, "name");
        if name.trim().is_empty() {
            errors.push(FieldError::required(at.child("name"), "name is not specified"));
        } else if !is_identifier(name) {
            let detail = "must be a valid CEL identifier";
            errors.push(FieldError::invalid(at.child("name"), name, detail));
        }
        errors.extend(given.check(variable, "expression", &at));
    }
    errors
}

fn is_identifier(name: &str) -> bool {
    names::c_identifier(name).is_empty() && !RESERVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_variables() {
        let spec = json!({"variables": [{"name": "a", "expression": "1"}, {"name": "1x", "expression": " "},
            {"name": "namespace", "expression": "1"}, {}]});
        let errors = variables(&spec, &OF_REQUESTS, &FieldPath::new("s"));
        let fields: Vec<String> = errors.iter().map(|e| e.field.to_string()).collect();
        assert_eq!(
            fields,
            [
                "s.variables[1].name",
                "s.variables[1].expression",
                "s.variables[2].name",
                "s.variables[3].name",
                "s.variables[3].expression",
            ]
        );
    }

    #[test]
    fn conditions_have_names() {
        let of = json!({"matchConditions": [{"name": "a", "expression": "true"}, {"name": "a", "expression": ""}, {}]});
        let errors = match_conditions(&of, &OF_REQUESTS, &FieldPath::new("w"));
        let kinds: Vec<&str> = errors.iter().map(|e| e.kind.reason()).collect();
        assert_eq!(
            kinds,
            [
                "FieldValueRequired",
                "FieldValueDuplicate",
                "FieldValueRequired",
                "FieldValueRequired"
            ]
        );
    }
}
