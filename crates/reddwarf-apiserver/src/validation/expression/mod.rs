//! Expressions in CEL that policies, webhooks and selectors of devices are written in.

mod scope;

pub use scope::Scope;

use super::{FieldError, FieldPath};
use reddwarf_cel::{Compiled, Type};
use serde_json::Value;

/// What an expression must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A condition.
    Bool,
    /// A condition on a device.
    DeviceBool,
    /// A text.
    Text,
    /// A text, or nothing.
    TextOrNull,
    /// A partial object to apply.
    Object,
    /// A list of changes.
    JsonPatch,
    /// Anything.
    Any,
}

impl Expected {
    /// Whether an expression of the type will do.
    fn takes(self, of: &Type) -> bool {
        let is = |of: &Type, name: &str| matches!(of, Type::Struct(found) if &**found == name);
        match self {
            Expected::Any => true,
            Expected::Bool => *of == Type::Bool,
            Expected::DeviceBool => matches!(of, Type::Bool | Type::Dyn),
            Expected::Text => *of == Type::String,
            Expected::TextOrNull => matches!(of, Type::String | Type::Null),
            Expected::Object => is(of, scope::OBJECT),
            Expected::JsonPatch => {
                matches!(of, Type::List(item) if is(item, scope::JSON_PATCH))
            }
        }
    }

    fn refusal(self, of: &Type) -> String {
        let of = match of {
            Type::Null => "null_type".to_owned(),
            of => of.to_string(),
        };
        match self {
            Expected::Any => String::new(),
            Expected::Bool => format!("must evaluate to bool but got {of}"),
            Expected::DeviceBool => format!("must evaluate to bool or the unknown type, not {of}"),
            Expected::Text => format!("must evaluate to string but got {of}"),
            Expected::TextOrNull => {
                format!("must evaluate to one of [string null_type] but got {of}")
            }
            Expected::Object => format!("must evaluate to Object but got {of}"),
            Expected::JsonPatch => format!("must evaluate to list(JSONPatch) but got {of}"),
        }
    }
}

/// Checks an expression over what `scope` declares.
pub fn check(
    expression: &str,
    scope: &Scope,
    expected: Expected,
    path: &FieldPath,
) -> Option<FieldError> {
    let detail = match compiled(expression, scope) {
        Ok(compiled) if expected.takes(compiled.output()) => return None,
        Ok(compiled) => expected.refusal(compiled.output()),
        Err(detail) => detail,
    };
    Some(FieldError::invalid(path.clone(), Value::from(expression), detail))
}

/// Compiles an expression.
///
/// # Errors
/// What is wrong with it, with the places.
fn compiled(expression: &str, scope: &Scope) -> Result<Compiled, String> {
    let compiled = reddwarf_cel::compile(expression, scope.environment())
        .map_err(|issues| format!("compilation failed: {issues}"))?;
    match compiled.program() {
        Ok(_) => Ok(compiled),
        Err(fault) => Err(format!("program instantiation failed: {fault}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(expression: &str, expected: Expected) -> Option<String> {
        let spec = json!({"paramKind": {}, "variables": [
            {"name": "x", "expression": "object.spec.x"}, {"name": "n", "expression": "1 + 1"},
            {"name": "bad", "expression": "1 +"}, {"name": "good", "expression": "variables.n > 1"}]});
        let scope = Scope::of_mutation(&spec);
        check(expression, &scope, expected, &FieldPath::new("e")).map(|error| error.detail)
    }

    #[test]
    fn expressions_that_pass() {
        for good in [
            "true",
            "!object.spec.paused && -1 < object.spec.replicas",
            "object.spec.containers.all(c, c.image.startsWith('registry/') || has(c.x))",
            "request.userInfo.username != 'x' && request.kind.group == ''",
            "object.metadata.?labels[?'a'].orValue({'k': [1, 2,], }) == {}",
            "variables.x ? 'a' in ['b'] : object.y > 1.5e3",
            "variables.good && params.x == variables.bad",
            "quantity('1Gi').isGreaterThan(quantity(object.x)) // a comment",
            "[1, 2].exists_one(i, i == 1) && {'a': 1}.all(k, v, v > 0)",
            "object.`a-b` == r\"\\d\" + \"\"\"x\"y\"\"\"",
            "object.x.matches('^a\\'b$')",
            ".object.x == null",
            "authorizer.group('').resource('pods').namespace('a').check('create').allowed()",
            "authorizer.requestResource.check('update').allowed()",
            "namespaceObject.metadata.labels['a'] == 'b'",
        ] {
            assert_eq!(of(good, Expected::Bool), None, "{good}");
        }
        for good in [
            "Object{spec: Object.spec{replicas: 3}}",
            "has(object.x) ? Object{} : Object{metadata: Object.metadata{labels: {'a': 'b'}}}",
        ] {
            assert_eq!(of(good, Expected::Object), None, "{good}");
        }
        for good in [
            "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: variables.x}]",
            "has(object.x) ? [] : [JSONPatch{op: 'test', path: '/x', value: 1}]",
        ] {
            assert_eq!(of(good, Expected::JsonPatch), None, "{good}");
        }
    }

    #[test]
    fn expressions_that_do_not() {
        for (bad, expected, detail) in [
            ("1", Expected::Bool, "must evaluate to bool but got int"),
            ("object.x", Expected::Bool, "must evaluate to bool but got dyn"),
            ("'a'", Expected::Bool, "must evaluate to bool but got string"),
            ("-1", Expected::Text, "must evaluate to string but got int"),
            ("1", Expected::Object, "must evaluate to Object but got int"),
            ("[1]", Expected::JsonPatch, "must evaluate to list(JSONPatch) but got list(int)"),
            ("1", Expected::DeviceBool, "must evaluate to bool or the unknown type, not int"),
            (
                "true",
                Expected::TextOrNull,
                "must evaluate to one of [string null_type] but got bool",
            ),
            (
                "nothing.here",
                Expected::Any,
                "compilation failed: ERROR: <input>:1:1: undeclared reference to 'nothing' (in container '')\n | nothing.here\n | ^",
            ),
            (
                "variables.none",
                Expected::Any,
                "compilation failed: ERROR: <input>:1:10: undefined field 'none'\n | variables.none\n | .........^",
            ),
            (
                "object.",
                Expected::Any,
                "compilation failed: ERROR: <input>:1:8: Syntax error: no viable alternative at input '.'\n | object.\n | .......^",
            ),
        ] {
            assert_eq!(of(bad, expected).as_deref(), Some(detail));
        }
        assert_eq!(of("null", Expected::TextOrNull), None);
    }

    #[test]
    fn selectors_of_devices() {
        let of = |expression: &str| {
            let path = FieldPath::new("e");
            check(expression, Scope::of_devices(), Expected::DeviceBool, &path).map(|e| e.detail)
        };
        for good in [
            "device.driver == 'd' && device.attributes['d'].model == 'm'",
            "device.capacity['d'].memory.isGreaterThan(quantity('1Gi'))",
            "cel.bind(a, device.attributes['d'], a.x && a.y)",
            "device.attributes['d'].fits",
        ] {
            assert_eq!(of(good), None, "{good}");
        }
        assert!(of("device.").is_some_and(|detail| detail.contains("no viable alternative")));
    }
}
