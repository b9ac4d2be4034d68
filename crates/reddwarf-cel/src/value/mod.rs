//! Values of expressions.
//!
//! An object stays the JSON that it is: a field is looked up when an expression asks for it, with
//! the part of the schema that says what it is.

mod compare;
mod equal;
mod json;
mod list;
mod map;
mod opaque;
pub(crate) mod time;

pub(crate) use equal::{Steps, same_keys};
pub use list::List;
pub use map::Map;
pub use opaque::{Opaque, SemanticVersion, Url};

use crate::types::{OPTIONAL, Type};
use std::sync::Arc;
use time::Time;

/// A value.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Text<'a>),
    Bytes(Arc<[u8]>),
    /// In nanoseconds.
    Duration(i64),
    Timestamp(Time),
    List(List<'a>),
    Map(Map<'a>),
    Optional(Option<Arc<Value<'a>>>),
    Type(Type),
    /// A value of a library.
    Opaque(Arc<Opaque>),
    /// Something of which the schema says nothing.
    Unknown(&'a serde_json::Value),
}

/// A text, of the object or made by the expression.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    /// Part of the object.
    Borrowed(&'a str),
    /// Made by the expression, or written in it.
    Shared(Arc<str>),
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It was too much work.
    #[error("operation cancelled: actual cost limit exceeded")]
    Cancelled,
    /// Something else; the text is upstream's.
    #[error("{0}")]
    Failed(String),
}

impl Fault {
    /// The arguments are of types that an operator does not take.
    pub fn no_such_overload() -> Self {
        Fault::Failed("no such overload".to_owned())
    }

    /// Any failure.
    pub fn failed<T>(message: impl Into<String>) -> Result<T, Self> {
        Err(Fault::Failed(message.into()))
    }
}

/// What a part of an expression comes to.
pub type Outcome<'a> = Result<Value<'a>, Fault>;

impl<'a> Value<'a> {
    /// A text of its own.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Value::String(Text::Shared(text.into()))
    }

    /// A list of its own.
    pub fn list(items: Vec<Value<'a>>) -> Self {
        Value::List(List::of(items))
    }

    /// A list of texts.
    pub fn texts(texts: Vec<String>) -> Self {
        Value::list(texts.into_iter().map(Value::text).collect())
    }

    /// A value that is there.
    pub fn some(value: Value<'a>) -> Self {
        Value::Optional(Some(Arc::new(value)))
    }

    /// A value of a library.
    pub fn opaque(of: Opaque) -> Self {
        Value::Opaque(Arc::new(of))
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The type of the value, without parameters.
    pub fn type_of(&self) -> Type {
        match self {
            Value::Null => Type::Null,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Uint(_) => Type::Uint,
            Value::Double(_) => Type::Double,
            Value::String(_) => Type::String,
            Value::Bytes(_) => Type::Bytes,
            Value::Duration(_) => Type::Duration,
            Value::Timestamp(_) => Type::Timestamp,
            Value::List(_) => Type::list(Type::Dyn),
            Value::Map(_) => Type::map(Type::Dyn, Type::Dyn),
            Value::Optional(_) => Type::optional(Type::Dyn),
            Value::Type(_) => Type::Type(None),
            Value::Opaque(of) => of.type_of(),
            Value::Unknown(_) => Type::Opaque("unknown".into(), [].into()),
        }
    }

    /// The name of the type of the value.
    pub fn type_name(&self) -> String {
        match self {
            Value::Optional(_) => OPTIONAL.to_owned(),
            other => other.type_of().name().to_owned(),
        }
    }

    /// How large the value counts as: characters, bytes, items, entries, or one.
    pub fn size(&self) -> u64 {
        match self {
            Value::String(text) => text.chars().count() as u64,
            Value::Bytes(bytes) => bytes.len() as u64,
            Value::List(list) => list.len() as u64,
            Value::Map(map) => map.len() as u64,
            Value::Optional(Some(value)) => value.size(),
            Value::Opaque(of) => of.size(),
            _ => 1,
        }
    }

    /// Whether it is what a value of its type is when nothing is set.
    pub fn is_zero(&self) -> bool {
        match self {
            Value::Null | Value::Optional(None) => true,
            Value::Bool(of) => !of,
            Value::Int(of) => *of == 0,
            Value::Uint(of) => *of == 0,
            Value::Double(of) => *of == 0.0,
            Value::String(text) => text.is_empty(),
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::Duration(of) => *of == 0,
            Value::Timestamp(of) => of.is_zero(),
            Value::List(list) => list.is_empty(),
            Value::Map(map) => map.is_empty(),
            Value::Optional(Some(value)) => value.is_zero(),
            Value::Type(_) | Value::Opaque(_) | Value::Unknown(_) => false,
        }
    }
}
