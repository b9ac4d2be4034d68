//! Checks an applied configuration against its type, in upstream's words.

use super::element::PathElement;
use super::item;
use super::typed::{Atom, ListType, MapType, Relation, ScalarType, Type};
use crate::patch::go_print;
use serde_json::{Map, Value};
use std::fmt;

/// What is wrong with a configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Misfits(Vec<Misfit>);

#[derive(Debug, PartialEq, Eq)]
struct Misfit {
    path: String,
    message: String,
}

/// One misfit as `path: message`; several as a list below `errors:`.
impl fmt::Display for Misfits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [one] = &self.0[..] {
            return one.fmt(f);
        }
        f.write_str("errors:")?;
        self.0.iter().try_for_each(|misfit| write!(f, "\n  {misfit}"))
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

impl std::error::Error for Misfits {}

/// Checks that every value has its type and every item of a list a name of its own.
///
/// # Errors
/// What does not fit.
pub fn check(ty: Type<'_>, value: &Value) -> Result<(), Misfits> {
    let mut checker = Checker { path: Vec::new(), misfits: Vec::new() };
    checker.value(ty, value);
    match checker.misfits.is_empty() {
        true => Ok(()),
        false => Err(Misfits(checker.misfits)),
    }
}

struct Checker<'v> {
    path: Vec<PathElement<'v>>,
    misfits: Vec<Misfit>,
}

impl<'v> Checker<'v> {
    fn fail(&mut self, message: String) {
        let path = self.path.iter().map(ToString::to_string).collect();
        self.misfits.push(Misfit { path, message });
    }

    fn below(&mut self, element: PathElement<'v>, ty: Type<'_>, value: &'v Value) {
        self.path.push(element);
        self.value(ty, value);
        self.path.pop();
    }

    fn value(&mut self, ty: Type<'_>, value: &'v Value) {
        match (ty.atom(Some(value)), value) {
            (_, Value::Null) => {}
            (Atom::Scalar(scalar), value) => self.scalar(scalar, value),
            (Atom::List(list), Value::Array(items)) => self.items(&list, items),
            (Atom::Map(map), Value::Object(fields)) => self.fields(&map, fields),
            (Atom::List(_), other) => {
                self.fail(format!("expected list, got &{{{}}}", shown(other)))
            }
            (Atom::Map(_), other) => self.fail(format!("expected map, got &{{{}}}", shown(other))),
        }
    }

    fn scalar(&mut self, scalar: ScalarType, value: &Value) {
        let composite = value.is_array() || value.is_object();
        let message = match scalar {
            ScalarType::Numeric if !value.is_number() => {
                format!("expected numeric (int or float), got {}", go_type(value))
            }
            ScalarType::Text if !value.is_string() => {
                format!(
                    "expected string, got &value.valueUnstructured{{Value:{}}}",
                    go_syntax(value)
                )
            }
            ScalarType::Bool if !value.is_boolean() => {
                format!("expected boolean, got &{{{}}}", shown(value))
            }
            ScalarType::Any if composite => {
                format!("expected any scalar, got &{{{}}}", shown(value))
            }
            _ => return,
        };
        self.fail(message);
    }

    fn fields(&mut self, map: &MapType<'_>, fields: &'v Map<String, Value>) {
        for (name, value) in fields {
            let element = PathElement::field(name);
            let Some(child) = map.child(name) else {
                self.path.push(element);
                self.fail("field not declared in schema".to_owned());
                self.path.pop();
                return;
            };
            self.below(element, child.ty, value);
        }
    }

    fn items(&mut self, list: &ListType<'_>, items: &'v [Value]) {
        let mut seen: Vec<PathElement<'v>> = Vec::with_capacity(items.len());
        for (at, value) in items.iter().enumerate() {
            let element = match list.relation {
                Relation::Atomic => PathElement::Index(at as i64),
                _ => match item::element(list, value) {
                    Ok(element) => element,
                    Err(error) => return self.fail(format!("element {at}: {error}")),
                },
            };
            if list.relation != Relation::Atomic {
                seen.push(element.clone());
            }
            self.below(element, list.item, value);
        }
        seen.sort();
        for pair in seen.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.fail(format!("duplicate entries for key {}", pair[0]));
        }
    }
}

/// As Go's `%v`.
fn shown(value: &Value) -> String {
    go_print::value(value)
}

/// As Go's `%T`.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// As Go's `%#v`.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(k, v)| format!("{k:?}:{}", go_syntax(v))).collect();
            fields.sort();
            format!("map[string]interface {{}}{{{}}}", fields.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;
    use serde_json::json;

    fn misfits(group: &str, kind: &str, object: Value) -> String {
        let graph = schema::builtin();
        let ty = Type::of(graph, graph.kind(group, "v1", kind).expect("a kind"));
        check(ty, &object).map_or_else(|m| m.to_string(), |()| String::new())
    }

    #[test]
    fn unknown_fields_and_wrong_types() {
        for (object, message) in [
            (json!({"nothing": 1}), ".nothing: field not declared in schema"),
            (
                json!({"data": {"a": 1}}),
                ".data.a: expected string, got &value.valueUnstructured{Value:1}",
            ),
            (json!({"data": ["a"]}), ".data: expected map, got &{[a]}"),
            (json!({"immutable": "yes"}), ".immutable: expected boolean, got &{yes}"),
            (json!({"data": null, "immutable": true}), ""),
        ] {
            assert_eq!(misfits("", "ConfigMap", object), message);
        }
        assert_eq!(
            misfits("apps", "Deployment", json!({"spec": {"replicas": "x"}})),
            ".spec.replicas: expected numeric (int or float), got string"
        );
    }

    #[test]
    fn namesakes() {
        let containers = json!([{"name": "a"}, {"name": "a"}]);
        assert_eq!(
            misfits("", "Pod", json!({"spec": {"containers": containers}})),
            ".spec.containers: duplicate entries for key [name=\"a\"]"
        );
        assert_eq!(
            misfits("", "Pod", json!({"metadata": {"finalizers": ["a", "a"]}})),
            ".metadata.finalizers: duplicate entries for key [=\"a\"]"
        );
    }

    #[test]
    fn several() {
        let object = json!({"data": {"a": 1}, "immutable": 2});
        assert_eq!(
            misfits("", "ConfigMap", object),
            "errors:\n  .data.a: expected string, got &value.valueUnstructured{Value:1}\n  .immutable: expected boolean, got &{2}"
        );
    }

    #[test]
    fn quantities_and_times_take_any_scalar() {
        let resources = json!({"limits": {"cpu": 1, "memory": "1Gi"}});
        let pod = json!({"spec": {"containers": [{"name": "c", "resources": resources}]}});
        assert_eq!(misfits("", "Pod", pod), "");
    }
}
