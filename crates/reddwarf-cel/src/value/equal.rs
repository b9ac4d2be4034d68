//! Whether values are the same.

use super::list::List;
use super::map::{Map, below};
use super::{Fault, Value};
use serde_json::Value as Json;

/// What may be compared before the comparison counts as too much work.
#[derive(Debug)]
pub struct Steps(pub u64);

impl Steps {
    fn take(&mut self) -> Result<(), Fault> {
        self.0 = self.0.checked_sub(1).ok_or(Fault::Cancelled)?;
        Ok(())
    }
}

impl Value<'_> {
    /// Whether two values are the same; numbers are compared across types.
    ///
    /// # Errors
    /// Values of the object are of other types than what they are compared with.
    pub(crate) fn equals(&self, other: &Value<'_>, steps: &mut Steps) -> Result<bool, Fault> {
        steps.take()?;
        let same = match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Null, _) | (_, Value::Null) => false,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::String(a), Value::String(b)) => **a == **b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (
                Value::Int(_) | Value::Uint(_) | Value::Double(_),
                Value::Int(_) | Value::Uint(_) | Value::Double(_),
            ) => super::compare::numbers(self, other).is_some_and(std::cmp::Ordering::is_eq),
            (Value::List(a), Value::List(b)) => return a.equals(b, steps),
            (Value::List(a), _) if a.declared().is_some() => return Err(Fault::no_such_overload()),
            (Value::Map(a), Value::Map(b)) => return a.equals(b, steps),
            (Value::Map(a), _) if a.parts().is_some() => return Err(Fault::no_such_overload()),
            (Value::Optional(a), Value::Optional(b)) => match (a, b) {
                (None, None) => true,
                (Some(a), Some(b)) => return a.equals(b, steps),
                _ => false,
            },
            (Value::Type(a), Value::Type(b)) => a.name() == b.name(),
            (Value::Opaque(a), Value::Opaque(b)) => match a.equals(b) {
                Some(same) => same,
                None => return Err(Fault::no_such_overload()),
            },
            (Value::Opaque(_), _) => return Err(Fault::no_such_overload()),
            (Value::Unknown(a), Value::Unknown(b)) => a == b,
            _ => false,
        };
        Ok(same)
    }
}

impl List<'_> {
    fn equals(&self, other: &List<'_>, steps: &mut Steps) -> Result<bool, Fault> {
        if self.len() != other.len() {
            return Ok(false);
        }
        match self.declared() {
            Some(schema) if schema.list_type == "set" => self.same_items(other, steps),
            Some(schema) if schema.list_type == "map" => {
                self.same_keyed_items(other, &schema.list_keys, steps)
            }
            _ => self.same_sequence(other, steps),
        }
    }

    fn same_sequence(&self, other: &List<'_>, steps: &mut Steps) -> Result<bool, Fault> {
        for (a, b) in self.iter().zip(other.iter()) {
            if !a?.equals(&b?, steps)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same items in any order.
    fn same_items(&self, other: &List<'_>, steps: &mut Steps) -> Result<bool, Fault> {
        let (mine, theirs) = (self.items()?, other.items()?);
        Ok(contains_all(&mine, &theirs, steps)? && contains_all(&theirs, &mine, steps)?)
    }

    /// The same items in any order, told apart by their keys.
    fn same_keyed_items(
        &self,
        other: &List<'_>,
        keys: &[String],
        steps: &mut Steps,
    ) -> Result<bool, Fault> {
        let (mine, theirs) = (self.items()?, other.items()?);
        for item in &theirs {
            let mut found = None;
            for candidate in &mine {
                if same_keys(candidate, item, keys, steps)? {
                    found = Some(candidate);
                }
            }
            match found {
                Some(candidate) if candidate.equals(item, steps)? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

fn contains_all(list: &[Value<'_>], items: &[Value<'_>], steps: &mut Steps) -> Result<bool, Fault> {
    for item in items {
        if !contains(list, item, steps)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn contains(list: &[Value<'_>], item: &Value<'_>, steps: &mut Steps) -> Result<bool, Fault> {
    for candidate in list {
        if candidate.equals(item, steps)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether two objects have the same values in some fields.
pub(crate) fn same_keys(
    a: &Value<'_>,
    b: &Value<'_>,
    keys: &[String],
    steps: &mut Steps,
) -> Result<bool, Fault> {
    let (Value::Map(a), Value::Map(b)) = (a, b) else { return Err(Fault::no_such_overload()) };
    for key in keys {
        let name = Value::text(crate::escape::escape(key).as_deref().unwrap_or(key));
        let same = match (a.get(&name)?, b.get(&name)?) {
            (Some(a), Some(b)) => a.equals(&b, steps)?,
            (None, None) => true,
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Map<'_> {
    fn equals(&self, other: &Map<'_>, steps: &mut Steps) -> Result<bool, Fault> {
        if self.len() != other.len() {
            return Ok(false);
        }
        for key in self.keys() {
            let same = match (self.get(&key)?, other.get(&key)?) {
                (Some(a), Some(b)) => a.equals(&b, steps)?,
                (None, None) => true,
                _ => false,
            };
            if !same {
                return Ok(false);
            }
        }
        self.same_undeclared(other)
    }

    /// Whether fields that no schema declares are the same.
    fn same_undeclared(&self, other: &Map<'_>) -> Result<bool, Fault> {
        let Some((mine, schema)) = self.parts() else { return Ok(true) };
        let mut undeclared = mine.iter().filter(|(name, _)| below(schema, name).is_none());
        let Some((theirs, _)) = other.parts() else {
            return match undeclared.next() {
                Some(_) => Err(Fault::no_such_overload()),
                None => Ok(true),
            };
        };
        Ok(undeclared
            .all(|(name, value)| theirs.get(name).is_none_or(|other: &Json| other == value)))
    }
}
