//! What an expression may refer to.

use crate::types::Type;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The declared fields of an object, by the names that expressions use.
pub type Fields = BTreeMap<Arc<str>, Type>;

/// Variables and types that an expression may name, besides the functions that all have.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: HashMap<Arc<str>, Type>,
    objects: HashMap<Arc<str>, Arc<Fields>>,
    /// Objects that an expression may make.
    makeable: Vec<Arc<str>>,
    /// Whether `cel.bind` is known.
    binds: bool,
}

/// Names of types that an expression may use as values.
const TYPES: [(&str, Type); 8] = [
    ("bool", Type::Bool),
    ("bytes", Type::Bytes),
    ("double", Type::Double),
    ("int", Type::Int),
    ("null_type", Type::Null),
    ("string", Type::String),
    ("uint", Type::Uint),
    ("type", Type::Type(None)),
];

impl Environment {
    /// One in which only functions are known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a variable.
    #[must_use]
    pub fn with_variable(mut self, name: &str, of: Type) -> Self {
        self.variables.insert(name.into(), of);
        self
    }

    /// Declares the fields of an object.
    #[must_use]
    pub fn with_object(mut self, name: &Arc<str>, fields: Fields) -> Self {
        self.objects.insert(name.clone(), Arc::new(fields));
        self
    }

    /// Declares an object that an expression may make, whatever its fields are.
    #[must_use]
    pub fn with_makeable(mut self, name: &str) -> Self {
        self.makeable.push(name.into());
        self
    }

    /// Lets an expression name a value with `cel.bind`, as selectors of devices may.
    #[must_use]
    pub fn with_bindings(mut self) -> Self {
        self.binds = true;
        self
    }

    pub(crate) fn binds(&self) -> bool {
        self.binds
    }

    /// Declares the fields of several objects.
    pub fn add_objects(&mut self, objects: impl IntoIterator<Item = (Arc<str>, Fields)>) {
        self.objects.extend(objects.into_iter().map(|(name, of)| (name, Arc::new(of))));
    }

    /// Declares one more field of an object.
    pub fn add_field(&mut self, object: &Arc<str>, name: &str, of: Type) {
        let fields = self.objects.entry(object.clone()).or_default();
        Arc::make_mut(fields).insert(name.into(), of);
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&Type> {
        self.variables.get(name)
    }

    pub(crate) fn object(&self, name: &str) -> Option<&Arc<Fields>> {
        self.objects.get(name)
    }

    /// Whether an object of this name, or one inside another that may be made, may be made.
    pub(crate) fn makes(&self, name: &str) -> bool {
        let inside = |of: &Arc<str>| {
            name == &**of || name.strip_prefix(&**of).is_some_and(|rest| rest.starts_with('.'))
        };
        self.makeable.iter().any(inside)
    }
}

/// The type that a name stands for.
pub(crate) fn type_named(name: &str) -> Option<Type> {
    if let Some((_, of)) = TYPES.iter().find(|(known, _)| *known == name) {
        return Some(of.clone());
    }
    match name {
        "list" => Some(Type::list(Type::Dyn)),
        "map" => Some(Type::map(Type::Dyn, Type::Dyn)),
        "google.protobuf.Duration" => Some(Type::Duration),
        "google.protobuf.Timestamp" => Some(Type::Timestamp),
        "optional_type" => Some(Type::optional(Type::Dyn)),
        "net.IP" | "net.CIDR" => Some(Type::Opaque(name.into(), [].into())),
        _ => None,
    }
}
