//! How the parts of an object's values belong together.

use crate::FieldPath;
use serde_json::Value;

/// How the parts of a list or map belong together, as `x-kubernetes-list-type`,
/// `x-kubernetes-list-map-keys` and `x-kubernetes-map-type` say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relation {
    /// They do not stand alone: the list or map is one value.
    Atomic,
    /// The fields of a map or struct stand for themselves.
    Granular,
    /// A list of scalars, told apart by their values.
    Set,
    /// A list of maps, told apart by these fields.
    Keyed(Vec<Box<str>>),
}

/// What a kind says of its lists and maps, for comparing and merging objects field by field.
pub trait Topology: Send + Sync {
    /// The relation of the parts of `value`, a list or map that stands at `path`.
    ///
    /// Lists are [`Relation::Atomic`], [`Relation::Set`] or [`Relation::Keyed`], maps
    /// [`Relation::Atomic`] or [`Relation::Granular`]. What the kind does not know is told as
    /// [`Schemaless`] tells it.
    fn relation(&self, path: &FieldPath, value: &Value) -> Relation;
}

/// The topology of an object without a schema: maps are granular, lists are atomic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Schemaless;

impl Topology for Schemaless {
    fn relation(&self, _: &FieldPath, value: &Value) -> Relation {
        if value.is_object() { Relation::Granular } else { Relation::Atomic }
    }
}
