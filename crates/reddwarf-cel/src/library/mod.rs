//! The functions that expressions can call.

mod collection;
mod convert;
pub(crate) mod declare;
mod formatting;
mod named_format;
mod network;
mod operator;
mod optional;
mod pattern;
mod quantity;
mod text;
mod time;
mod url;
mod version;

pub(crate) use pattern::Pattern;

use crate::cost::spent::Meter;
use crate::types::Type;
use crate::value::{Fault, Outcome, Value};

/// A call whose arguments are evaluated; a member function's target is the first of them.
pub(crate) struct Call<'c, 'a> {
    pub(crate) name: &'c str,
    /// The overload, if only one is possible.
    pub(crate) overload: &'static str,
    pub(crate) args: &'c mut [Value<'a>],
    /// The pattern, if it was known beforehand.
    pub(crate) pattern: Option<&'c Pattern>,
    pub(crate) meter: &'c mut Meter,
}

/// How a function comes to its result.
pub(crate) type Function = for<'a> fn(Call<'_, 'a>) -> Outcome<'a>;

/// What functions do that are declared but cannot be evaluated here, such as those that ask what
/// someone may do.
pub(crate) fn absent<'a>(_: Call<'_, 'a>) -> Outcome<'a> {
    Err(Fault::no_such_overload())
}

impl<'a> Call<'_, 'a> {
    /// An argument, left out of the call.
    fn take(&mut self, at: usize) -> Value<'a> {
        self.args.get_mut(at).map_or(Value::Null, |arg| std::mem::replace(arg, Value::Null))
    }

    fn text(&self, at: usize) -> Result<&str, Fault> {
        self.args.get(at).and_then(Value::as_str).ok_or_else(|| self.no_such_overload())
    }

    fn int(&self, at: usize) -> Result<i64, Fault> {
        match self.args.get(at) {
            Some(Value::Int(of)) => Ok(*of),
            _ => Err(self.no_such_overload()),
        }
    }

    /// The function does not take arguments of these types.
    fn no_such_overload(&self) -> Fault {
        let types: Vec<String> = self.args.iter().map(Value::type_name).collect();
        Fault::Failed(format!("no such overload: {}({})", self.name, types.join(", ")))
    }
}

/// Functions that turn a value into one of another type.
pub(crate) fn is_conversion(name: &str) -> bool {
    matches!(
        name,
        "bool"
            | "bytes"
            | "double"
            | "duration"
            | "dyn"
            | "int"
            | "string"
            | "timestamp"
            | "type"
            | "uint"
    )
}

/// The function of a name.
pub(crate) fn function(name: &str) -> Option<Function> {
    operator::function(name)
        .or_else(|| convert::function(name))
        .or_else(|| text::function(name))
        .or_else(|| collection::function(name))
        .or_else(|| optional::function(name))
        .or_else(|| time::function(name))
        .or_else(|| quantity::function(name))
        .or_else(|| network::function(name))
        .or_else(|| url::function(name))
        .or_else(|| version::function(name))
        .or_else(|| named_format::function(name))
}

/// A value as errors show it.
pub(crate) fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(of) => of.to_string(),
        Value::Int(of) => of.to_string(),
        Value::Uint(of) => of.to_string(),
        Value::Double(of) => convert::double_text(*of),
        Value::String(text) => text.to_string(),
        Value::Type(of) => type_shown(of),
        other => other.type_name(),
    }
}

fn type_shown(of: &Type) -> String {
    of.name().to_owned()
}
