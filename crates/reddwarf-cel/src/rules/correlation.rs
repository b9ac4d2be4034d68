//! Which old value stands for a new one, and whether they are the same.
//!
//! A rule that an unchanged value did not satisfy before is told of as a warning only.

use crate::schema::Schema;
use serde_json::{Map, Value as Json};

/// A new value, its old one, and what they are.
#[derive(Clone, Copy)]
pub(super) struct Pair<'v> {
    new: &'v Json,
    old: &'v Json,
    schema: &'v Schema,
}

impl<'v> Pair<'v> {
    pub(super) fn new(new: &'v Json, old: &'v Json, schema: &'v Schema) -> Self {
        Pair { new, old, schema }
    }

    fn key(&self, name: &str) -> Option<Self> {
        let (new, old) = (self.new.as_object()?.get(name)?, self.old.as_object()?.get(name)?);
        let properties = self.schema.properties.as_ref();
        let schema =
            properties.and_then(|all| all.get(name)).or(self.schema.additional.as_deref())?;
        Some(Pair { new, old, schema })
    }

    fn index(&self, at: usize) -> Option<Self> {
        let new = self.new.as_array()?.get(at)?;
        let old = old_item(self.schema, self.old.as_array()?, new)?;
        Some(Pair { new, old, schema: self.schema.items.as_deref()? })
    }

    /// Whether nothing changed; items with keys may have changed places.
    fn is_same(&self) -> bool {
        match (self.new, self.old) {
            (Json::Array(new), Json::Array(old)) => {
                if self.schema.list_type != "map" {
                    return new == old;
                }
                new.len() == old.len()
                    && (0..new.len()).all(|at| self.index(at).is_some_and(|item| item.is_same()))
            }
            (Json::Object(new), Json::Object(old)) => {
                new.len() == old.len()
                    && new.keys().all(|name| self.key(name).is_some_and(|field| field.is_same()))
            }
            (new, old) => new == old,
        }
    }
}

/// Where an evaluation stands with regard to old values.
#[derive(Clone, Copy, Default)]
pub(super) struct Correlation<'v> {
    current: Option<Pair<'v>>,
    parent: Option<Pair<'v>>,
}

impl<'v> Correlation<'v> {
    pub(super) fn of(pair: Option<Pair<'v>>) -> Self {
        Correlation { current: pair, parent: None }
    }

    /// What counts inside `allOf`.
    pub(super) fn without_current(self) -> Self {
        Correlation { current: None, ..self }
    }

    /// Whether the value, or the nearest one around it that has an old value, did not change.
    pub(super) fn is_unchanged(&self) -> bool {
        self.current.or(self.parent).is_some_and(|pair| pair.is_same())
    }

    pub(super) fn key(self, name: &str) -> Self {
        let Some(current) = self.current else { return self };
        if self.parent.is_none() && matches!(name, "apiVersion" | "kind") {
            return Correlation::default();
        }
        Correlation { current: current.key(name), parent: Some(current) }
    }

    pub(super) fn index(self, at: usize) -> Self {
        match self.current {
            Some(current) => Correlation { current: current.index(at), parent: Some(current) },
            None => self,
        }
    }
}

/// The old item with the keys of a new one, in a list whose items have keys.
pub(super) fn old_item<'v>(schema: &Schema, old: &'v [Json], new: &Json) -> Option<&'v Json> {
    if schema.kind != "array" || schema.list_type != "map" || schema.list_keys.is_empty() {
        return None;
    }
    let keys = keys_of(schema, new.as_object()?)?;
    old.iter().find(|item| {
        item.as_object().and_then(|item| keys_of(schema, item)).is_some_and(|other| other == keys)
    })
}

fn keys_of<'j>(schema: &Schema, item: &'j Map<String, Json>) -> Option<Vec<&'j Json>> {
    let scalar = |value: &&Json| value.is_boolean() || value.is_number() || value.is_string();
    schema.list_keys.iter().map(|key| item.get(key).filter(scalar)).collect()
}
