//! Places of values within an object.

use serde_json::Value;
use std::fmt;

/// One step from a value to a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathSegment {
    /// The field of a struct, or the entry of a map.
    Field(Box<str>),
    /// The item of a list whose key fields have these values; null is that of a field which the
    /// item does not have.
    Key(Vec<(Box<str>, Value)>),
    /// The item of a set.
    Value(Value),
}

/// The place of a value within an object, whatever the order of the lists on the way.
///
/// `Display` writes it for people: `.spec.containers[name=web].image`, `.metadata.finalizers[=x]`,
/// and `.` for the object itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(Vec<PathSegment>);

impl PathSegment {
    /// The step to a field.
    pub fn field(name: &str) -> Self {
        PathSegment::Field(name.into())
    }

    /// Where the item stands that this selects of a list.
    pub fn index_in(&self, items: &[Value]) -> Option<usize> {
        match self {
            PathSegment::Field(_) => None,
            PathSegment::Key(fields) => items.iter().position(|item| has_keys(item, fields)),
            PathSegment::Value(value) => items.iter().position(|item| item == value),
        }
    }

    fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match (self, value) {
            (PathSegment::Field(name), Value::Object(fields)) => fields.get(&**name),
            (_, Value::Array(items)) => items.get(self.index_in(items)?),
            _ => None,
        }
    }

    fn get_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        match (self, value) {
            (PathSegment::Field(name), Value::Object(fields)) => fields.get_mut(&**name),
            (_, Value::Array(items)) => {
                let at = self.index_in(items)?;
                items.get_mut(at)
            }
            _ => None,
        }
    }
}

fn has_keys(item: &Value, fields: &[(Box<str>, Value)]) -> bool {
    item.is_object()
        && fields.iter().all(|(name, value)| item.get(&**name).unwrap_or(&Value::Null) == value)
}

impl FieldPath {
    /// The whole object.
    pub fn root() -> Self {
        FieldPath::default()
    }

    /// The steps from the object.
    pub fn segments(&self) -> &[PathSegment] {
        &self.0
    }

    /// Goes one step further.
    pub fn push(&mut self, segment: PathSegment) {
        self.0.push(segment);
    }

    /// Takes the last step back.
    pub fn pop(&mut self) -> Option<PathSegment> {
        self.0.pop()
    }

    /// The value there.
    pub fn get<'v>(&self, object: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(object, |value, segment| segment.get(value))
    }

    /// The value there, to be changed.
    pub fn get_mut<'v>(&self, object: &'v mut Value) -> Option<&'v mut Value> {
        self.0.iter().try_fold(object, |value, segment| segment.get_mut(value))
    }

    /// The place as a JSON pointer (RFC 6901) into `object`, whose lists give items their indexes;
    /// `None` when an item on the way is not in it. The last field need not be there.
    pub fn pointer_in(&self, object: &Value) -> Option<String> {
        let mut pointer = String::new();
        let mut value = Some(object);
        for segment in &self.0 {
            pointer.push('/');
            match (segment, value) {
                (PathSegment::Field(name), _) => {
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                }
                (item, Some(Value::Array(items))) => {
                    pointer.push_str(&item.index_in(items)?.to_string());
                }
                _ => return None,
            }
            value = value.and_then(|value| segment.get(value));
        }
        Some(pointer)
    }
}

impl From<Vec<PathSegment>> for FieldPath {
    fn from(segments: Vec<PathSegment>) -> Self {
        FieldPath(segments)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.is_empty() {
            true => f.write_str("."),
            false => self.0.iter().try_for_each(|segment| segment.fmt(f)),
        }
    }
}

impl fmt::Display for PathSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathSegment::Field(name) if is_plain(name, "_-") => write!(f, ".{name}"),
            PathSegment::Field(name) => write!(f, "[{}]", Shown(name)),
            PathSegment::Value(value) => write!(f, "[={}]", ShownValue(value)),
            PathSegment::Key(fields) => {
                let mut separator = "[";
                for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                    write!(f, "{separator}{name}={}", ShownValue(value))?;
                    separator = ",";
                }
                f.write_str("]")
            }
        }
    }
}

fn is_plain(text: &str, also: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
    !text.is_empty() && text.chars().all(plain)
}

/// A text within brackets, quoted where it could be taken for something else.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match is_plain(self.0, "_-./:*@") {
            true => f.write_str(self.0),
            false => write!(f, "{}", Value::from(self.0)),
        }
    }
}

struct ShownValue<'a>(&'a Value);

impl fmt::Display for ShownValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) if serde_json::from_str::<Value>(text).is_err() => {
                Shown(text).fmt(f)
            }
            other => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path(segments: &[PathSegment]) -> FieldPath {
        segments.to_vec().into()
    }

    fn key(fields: &[(&str, Value)]) -> PathSegment {
        PathSegment::Key(fields.iter().map(|(name, v)| ((*name).into(), v.clone())).collect())
    }

    #[test]
    fn paths_for_people() {
        let field = PathSegment::field;
        let web = key(&[("name", json!("web"))]);
        let port = key(&[("containerPort", json!(80)), ("protocol", json!("TCP"))]);
        let bare = key(&[("containerPort", json!(80)), ("protocol", Value::Null)]);
        let cases = [
            (path(&[]), "."),
            (
                path(&[field("spec"), field("containers"), web.clone(), field("image")]),
                ".spec.containers[name=web].image",
            ),
            (path(&[field("ports"), port]), ".ports[containerPort=80,protocol=TCP]"),
            (path(&[field("ports"), bare]), ".ports[containerPort=80]"),
            (
                path(&[field("labels"), field("app.kubernetes.io/name")]),
                ".labels[app.kubernetes.io/name]",
            ),
            (path(&[field("a]b"), field("")]), r#"["a]b"][""]"#),
            (path(&[field("finalizers"), PathSegment::Value(json!("x/y"))]), ".finalizers[=x/y]"),
            (
                path(&[PathSegment::Value(json!("80")), PathSegment::Value(json!(80))]),
                r#"[="80"][=80]"#,
            ),
        ];
        for (path, text) in cases {
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn values_and_pointers() {
        let object = json!({"a/b": {"list": [{"k": 1}, {"k": 2, "v": "x"}], "set": ["p", "q"]}});
        let below = |segments: &[PathSegment]| {
            let mut path = path(&[PathSegment::field("a/b")]);
            segments.iter().for_each(|segment| path.push(segment.clone()));
            path
        };
        let (list, set) = (PathSegment::field("list"), PathSegment::field("set"));
        let second = key(&[("k", json!(2)), ("other", Value::Null)]);
        let cases = [
            (below(&[]), Some("/a~1b")),
            (
                below(&[list.clone(), second.clone(), PathSegment::field("v")]),
                Some("/a~1b/list/1/v"),
            ),
            (below(&[set.clone(), PathSegment::Value(json!("q"))]), Some("/a~1b/set/1")),
            (below(&[set, PathSegment::Value(json!("r"))]), None),
            (below(&[list.clone(), key(&[("k", json!(3))])]), None),
        ];
        for (path, pointer) in cases {
            assert_eq!(path.pointer_in(&object).as_deref(), pointer, "{path}");
            let value = pointer.and_then(|pointer| object.pointer(pointer));
            assert_eq!(path.get(&object), value, "{path}");
        }
        let absent = below(&[list.clone(), second.clone(), PathSegment::field("new")]);
        assert_eq!(absent.pointer_in(&object).as_deref(), Some("/a~1b/list/1/new"));
        let mut changed = object.clone();
        let place = below(&[list, second]);
        *place.get_mut(&mut changed).expect("there") = Value::Null;
        assert_eq!(changed.pointer("/a~1b/list/1"), Some(&Value::Null));
    }
}
