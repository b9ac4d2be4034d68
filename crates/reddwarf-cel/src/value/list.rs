//! Lists.

use super::{Outcome, Value};
use crate::schema::Schema;
use serde_json::Value as Json;
use std::sync::Arc;

/// A longer chain of joined lists is copied into one.
const JOINS_MAX: u8 = 16;

/// A list: of the object, made by the expression, or two of them one after the other.
#[derive(Clone, Debug)]
pub struct List<'a>(Kind<'a>);

#[derive(Clone, Debug)]
enum Kind<'a> {
    Items(Arc<Vec<Value<'a>>>),
    /// Made by the expression of a list of the object, with what its schema says of it.
    Merged(Arc<Vec<Value<'a>>>, &'a Schema),
    Schema(&'a [Json], &'a Schema),
    Dynamic(&'a [Json]),
    Joined(Arc<Joined<'a>>),
}

#[derive(Debug)]
struct Joined<'a> {
    first: List<'a>,
    second: List<'a>,
    length: usize,
    joins: u8,
}

impl<'a> List<'a> {
    /// A list of its own.
    pub fn of(items: Vec<Value<'a>>) -> Self {
        List(Kind::Items(Arc::new(items)))
    }

    /// A list of its own in which items are told apart as in one of the object.
    pub(crate) fn merged(items: Vec<Value<'a>>, schema: &'a Schema) -> Self {
        List(Kind::Merged(Arc::new(items), schema))
    }

    pub(super) fn of_schema(items: &'a [Json], schema: &'a Schema) -> Self {
        List(Kind::Schema(items, schema))
    }

    pub(super) fn dynamic(items: &'a [Json]) -> Self {
        List(Kind::Dynamic(items))
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Items(items) | Kind::Merged(items, _) => items.len(),
            Kind::Schema(items, _) | Kind::Dynamic(items) => items.len(),
            Kind::Joined(joined) => joined.length,
        }
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at an index.
    ///
    /// # Errors
    /// The item is not what the schema says. There must be one.
    pub fn get(&self, at: usize) -> Option<Outcome<'a>> {
        match &self.0 {
            Kind::Items(items) | Kind::Merged(items, _) => items.get(at).cloned().map(Ok),
            Kind::Schema(items, schema) => {
                let item = items.get(at)?;
                Some(match &schema.items {
                    Some(of) => Value::bind(item, of),
                    None => Ok(Value::Unknown(item)),
                })
            }
            Kind::Dynamic(items) => items.get(at).map(|item| Ok(Value::dynamic(item))),
            Kind::Joined(joined) => match joined.first.get(at) {
                Some(item) => Some(item),
                None => joined.second.get(at - joined.first.len()),
            },
        }
    }

    /// The items in their order.
    pub fn iter(&self) -> impl Iterator<Item = Outcome<'a>> + '_ {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// All items.
    ///
    /// # Errors
    /// One of them is not what the schema says.
    pub fn items(&self) -> Result<Vec<Value<'a>>, super::Fault> {
        self.iter().collect()
    }

    /// The schema of a list of the object.
    pub(crate) fn declared(&self) -> Option<&'a Schema> {
        match &self.0 {
            Kind::Schema(_, schema) | Kind::Merged(_, schema) => Some(schema),
            _ => None,
        }
    }

    /// This list with another after it; `copied` is told how many items had to be copied.
    pub(crate) fn join(self, other: List<'a>, copied: &mut usize) -> Result<Self, super::Fault> {
        if self.is_empty() && !matches!(self.0, Kind::Schema(..)) {
            return Ok(other);
        }
        if other.is_empty() {
            return Ok(self);
        }
        let joins = 1 + self.joins().max(other.joins());
        let length = self.len() + other.len();
        if joins > JOINS_MAX {
            *copied = length;
            let mut items = self.items()?;
            items.extend(other.items()?);
            return Ok(Self::of(items));
        }
        let joined = Joined { first: self, second: other, length, joins };
        Ok(List(Kind::Joined(Arc::new(joined))))
    }

    /// Adds items at the end of a list that nothing else holds, without copying it.
    pub(crate) fn push(&mut self, item: Value<'a>) -> bool {
        if let Kind::Items(items) = &mut self.0
            && let Some(items) = Arc::get_mut(items)
        {
            items.push(item);
            return true;
        }
        false
    }

    fn joins(&self) -> u8 {
        match &self.0 {
            Kind::Joined(joined) => joined.joins,
            _ => 0,
        }
    }
}
