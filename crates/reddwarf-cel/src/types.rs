//! Types of expressions.

use std::fmt;
use std::sync::Arc;

/// The type of an expression.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Type {
    /// Known only when the expression is evaluated.
    Dyn,
    /// That of something faulty.
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    /// The type of types; perhaps of one type.
    Type(Option<Arc<Type>>),
    List(Arc<Type>),
    Map(Arc<(Type, Type)>),
    /// An object with declared fields, by name.
    Struct(Arc<str>),
    /// A type of a library, perhaps with parameters.
    Opaque(Arc<str>, Arc<[Type]>),
    /// A parameter of a declared function.
    Param(Arc<str>),
    /// A type that is being found out.
    Var(u32),
}

/// The name of the type of values that may be missing.
pub const OPTIONAL: &str = "optional_type";

impl Type {
    /// A list of items.
    pub fn list(item: Type) -> Self {
        Type::List(Arc::new(item))
    }

    /// A map.
    pub fn map(key: Type, value: Type) -> Self {
        Type::Map(Arc::new((key, value)))
    }

    /// A value that may be missing.
    pub fn optional(of: Type) -> Self {
        Type::Opaque(OPTIONAL.into(), [of].into())
    }

    /// The type of a type.
    pub fn of(of: Type) -> Self {
        Type::Type(Some(Arc::new(of)))
    }

    /// The type inside an optional one.
    pub fn unwrapped(&self) -> Option<&Type> {
        match self {
            Type::Opaque(name, params) if &**name == OPTIONAL => params.first(),
            _ => None,
        }
    }

    /// Whether nothing is known of it.
    pub fn is_dyn(&self) -> bool {
        matches!(self, Type::Dyn)
    }

    /// Whether nothing is known, or something is wrong.
    pub fn is_dyn_or_error(&self) -> bool {
        matches!(self, Type::Dyn | Type::Error)
    }

    /// Whether values of the type may be null though the type does not say so.
    pub fn is_nullable(&self) -> bool {
        matches!(self, Type::Opaque(..) | Type::Struct(_) | Type::Duration | Type::Timestamp)
    }

    /// Whether values have the same size whatever they are.
    pub fn is_scalar(&self) -> bool {
        match self {
            Type::Bool
            | Type::Double
            | Type::Duration
            | Type::Int
            | Type::Timestamp
            | Type::Uint => true,
            _ => self.unwrapped().is_some_and(Type::is_scalar),
        }
    }

    /// The name of the type without its parameters, as values of it have it.
    pub fn name(&self) -> &str {
        match self {
            Type::Dyn => "dyn",
            Type::Error => "!error!",
            Type::Null => "null_type",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Uint => "uint",
            Type::Double => "double",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Duration => "google.protobuf.Duration",
            Type::Timestamp => "google.protobuf.Timestamp",
            Type::Type(_) => "type",
            Type::List(_) => "list",
            Type::Map(_) => "map",
            Type::Struct(name) | Type::Opaque(name, _) | Type::Param(name) => name,
            Type::Var(_) => "_var",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Null => f.write_str("null"),
            Type::Duration => f.write_str("duration"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::Type(Some(of)) => write!(f, "type({of})"),
            Type::List(item) => write!(f, "list({item})"),
            Type::Map(both) => write!(f, "map({}, {})", both.0, both.1),
            Type::Var(number) => write!(f, "_var{number}"),
            Type::Opaque(name, params) if !params.is_empty() => {
                write!(f, "{name}({})", listed(params))
            }
            other => f.write_str(other.name()),
        }
    }
}

/// Types with commas between them.
pub fn listed(types: &[Type]) -> String {
    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
    types.join(", ")
}

/// Reads a type as the tables of functions write it, such as `map(string,list(A))`.
///
/// Returns the type and what stands after it; parameters have names of one capital letter.
pub fn read(text: &str) -> (Type, &str) {
    let end = text.find(['(', ')', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let inside = |rest: &'_ str| read_list(rest).0;
    let simple = match name {
        "dyn" => Type::Dyn,
        "null" => Type::Null,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "net.IP" | "net.CIDR" => Type::Opaque(name.into(), [].into()),
        _ if name.contains('.') => Type::Struct(name.into()),
        "list" | "map" | "optional" | "type" => {
            let mut params = inside(rest).into_iter();
            let first = params.next().unwrap_or(Type::Dyn);
            let of = match name {
                "list" => Type::list(first),
                "map" => Type::map(first, params.next().unwrap_or(Type::Dyn)),
                "optional" => Type::optional(first),
                _ => Type::of(first),
            };
            return (of, read_list(rest).1);
        }
        _ => Type::Param(name.into()),
    };
    (simple, rest)
}

/// Reads types in parentheses.
pub fn read_list(text: &str) -> (Vec<Type>, &str) {
    let mut types = Vec::new();
    let mut rest = text.strip_prefix('(').unwrap_or(text);
    while !rest.is_empty() && !rest.starts_with(')') {
        let (of, after) = read(rest);
        types.push(of);
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    (types, rest.strip_prefix(')').unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_and_shown() {
        for (text, shown) in [
            ("int", "int"),
            ("map(string,list(A))", "map(string, list(A))"),
            ("optional(list(string))", "optional_type(list(string))"),
            ("kubernetes.Quantity", "kubernetes.Quantity"),
            ("type(A)", "type(A)"),
            ("timestamp", "timestamp"),
        ] {
            let (of, rest) = read(text);
            assert_eq!((of.to_string().as_str(), rest), (shown, ""));
        }
        assert_eq!(read_list("(int,list(A))bool").1, "bool");
    }
}
