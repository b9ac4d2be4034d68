//! One step of a path into an object.

use super::leaf::Leaf;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// Selects a child of a value; the order is the one in which field sets list their members.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement<'a> {
    /// The field of a struct, or the entry of a map.
    Field(Cow<'a, str>),
    /// The item of a keyed list with these keys, sorted by name.
    Key(Box<[(Cow<'a, str>, Leaf<'a>)]>),
    /// The item of a set.
    Value(Leaf<'a>),
    /// The item of a list at that place; only messages and foreign sets have these.
    Index(i64),
}

/// A text that is no path element.
#[derive(Debug, Error)]
pub enum NotAnElement {
    /// It has no type, as in `f:`.
    #[error("no type in front of a colon in {0:?}")]
    Untyped(String),
    /// What follows the type does not parse.
    #[error("not a path element: {text:?}")]
    Malformed {
        /// The element.
        text: String,
        /// What is wrong with its JSON.
        #[source]
        source: serde_json::Error,
    },
    /// An index is no number.
    #[error("not an index: {0:?}")]
    Index(String),
}

impl<'a> PathElement<'a> {
    /// The element that selects a field.
    pub fn field(name: &'a str) -> Self {
        PathElement::Field(Cow::Borrowed(name))
    }

    /// Reads the form that it has in FieldsV1: `f:name`, `k:{"name":"x"}`, `v:"x"` or `i:0`.
    ///
    /// `None` is a type that a later version may know, and that is left out.
    ///
    /// # Errors
    /// See [`NotAnElement`].
    pub fn parse(text: &'a str) -> Result<Option<Self>, NotAnElement> {
        let (kind, rest) = match (text.get(..1), text.get(1..2), text.get(2..)) {
            (Some(kind), Some(":"), Some(rest)) => (kind, rest),
            _ => return Err(NotAnElement::Untyped(text.to_owned())),
        };
        let malformed = |source| NotAnElement::Malformed { text: text.to_owned(), source };
        Ok(Some(match kind {
            "f" => PathElement::field(rest),
            "v" => PathElement::Value(serde_json::from_str(rest).map_err(malformed)?),
            "k" => {
                let keys: Keys<'a> = serde_json::from_str(rest).map_err(malformed)?;
                PathElement::key(keys.0)
            }
            "i" => match rest.parse() {
                Ok(at) => PathElement::Index(at),
                Err(_) => return Err(NotAnElement::Index(text.to_owned())),
            },
            _ => return Ok(None),
        }))
    }

    /// The element of these keys, in any order.
    pub fn key(mut keys: Vec<(Cow<'a, str>, Leaf<'a>)>) -> Self {
        if keys.len() > 1 {
            keys.sort_by(|a, b| a.0.cmp(&b.0));
        }
        PathElement::Key(keys.into())
    }

    /// The form that it has in FieldsV1.
    pub fn to_text(&self) -> String {
        match self {
            PathElement::Field(name) => {
                let mut out = String::with_capacity(2 + name.len());
                out.push_str("f:");
                out.push_str(name);
                out
            }
            PathElement::Key(keys) => {
                let mut out = String::with_capacity(32);
                out.push_str("k:{");
                for (at, (name, leaf)) in keys.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push('"');
                    out.push_str(name);
                    out.push_str("\":");
                    leaf.write_json(&mut out);
                }
                out.push('}');
                out
            }
            PathElement::Value(leaf) => {
                let mut out = String::from("v:");
                leaf.write_json(&mut out);
                out
            }
            PathElement::Index(at) => format!("i:{at}"),
        }
    }
}

/// The keys of a list item, as they are written.
struct Keys<'a>(Vec<(Cow<'a, str>, Leaf<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Keys<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the keys of a list item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys<'de>, A::Error> {
        let mut keys = Vec::with_capacity(2);
        while let Some(Leaf::Text(name)) = map.next_key::<Leaf<'de>>()? {
            keys.push((name, map.next_value()?));
        }
        Ok(Keys(keys))
    }
}

/// As messages show it: `.name`, `[name="x"]`, `[="x"]`, `[0]`.
impl fmt::Display for PathElement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathElement::Field(name) => write!(f, ".{name}"),
            PathElement::Key(keys) => {
                f.write_str("[")?;
                for (at, (name, leaf)) in keys.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(f, "{comma}{name}={leaf}")?;
                }
                f.write_str("]")
            }
            PathElement::Value(leaf) => write!(f, "[={leaf}]"),
            PathElement::Index(at) => write!(f, "[{at}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        for (text, shown) in [
            ("f:spec", ".spec"),
            ("f:", "."),
            (r#"k:{"containerPort":80,"protocol":"TCP"}"#, r#"[containerPort=80,protocol="TCP"]"#),
            (r#"v:"a.b/c""#, r#"[="a.b/c"]"#),
            ("i:3", "[3]"),
        ] {
            let element = PathElement::parse(text).expect("an element").expect("a known type");
            assert_eq!(element.to_text(), text);
            assert_eq!(element.to_string(), shown);
        }
    }

    #[test]
    fn what_is_not_an_element() {
        for text in ["", "f", "spec", "é:x", "k:[1]", "v:", "i:x"] {
            assert!(PathElement::parse(text).is_err(), "{text}");
        }
        assert!(PathElement::parse("z:new").expect("ignored").is_none());
    }

    #[test]
    fn keys_are_sorted_by_name() {
        let element = PathElement::parse(r#"k:{"protocol":"UDP","port":53}"#);
        let element = element.expect("an element").expect("a known type");
        assert_eq!(element.to_text(), r#"k:{"port":53,"protocol":"UDP"}"#);
    }

    #[test]
    fn fields_come_first() {
        let texts = ["i:0", r#"v:"a""#, r#"k:{"a":1}"#, "f:z", "f:a"];
        let mut elements: Vec<_> =
            texts.iter().map(|t| PathElement::parse(t).expect("one").expect("known")).collect();
        elements.sort();
        let sorted: Vec<String> = elements.iter().map(PathElement::to_text).collect();
        assert_eq!(sorted, ["f:a", "f:z", r#"k:{"a":1}"#, r#"v:"a""#, "i:0"]);
    }
}
