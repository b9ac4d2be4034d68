//! Objects in other versions that only a webhook can give.
//!
//! Ownership is computed without I/O. Where it needs an object in another version it asks
//! [`Conversions`], which notes what is missing; whoever computes gets that from the webhook and
//! computes again.

use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;

/// An object, and the version in which it is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The object, whose `apiVersion` is the version that it is in.
    pub object: Value,
    /// The version in which it is wanted.
    pub to: String,
}

/// What was converted before a computation, and what turned out to be missing.
pub struct Conversions<'k> {
    known: &'k HashMap<Wanted, Value>,
    missing: RefCell<Vec<Wanted>>,
}

impl<'k> Conversions<'k> {
    /// For a computation that finds these.
    pub fn new(known: &'k HashMap<Wanted, Value>) -> Self {
        Conversions { known, missing: RefCell::default() }
    }

    /// The object in the version `to`; `None` while that is missing.
    pub fn get(&self, object: &Value, from: &str, to: &str) -> Option<Value> {
        let mut object = object.clone();
        object["apiVersion"] = from.into();
        let wanted = Wanted { object, to: to.to_owned() };
        if let Some(known) = self.known.get(&wanted) {
            return Some(known.clone());
        }
        let mut missing = self.missing.borrow_mut();
        if !missing.contains(&wanted) {
            missing.push(wanted);
        }
        None
    }

    /// What is missing. Until that is nothing, the computation's outcome means nothing.
    pub fn into_missing(self) -> Vec<Wanted> {
        self.missing.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_is_noted_once() {
        let mut known = HashMap::new();
        let (object, there) = (json!({"apiVersion": "g/v1"}), json!({"apiVersion": "g/v2"}));
        let conversions = Conversions::new(&known);
        assert_eq!(conversions.get(&object, "g/v1", "g/v2"), None);
        assert_eq!(conversions.get(&object, "g/v1", "g/v2"), None);
        let missing = conversions.into_missing();
        assert_eq!(missing, [Wanted { object: object.clone(), to: "g/v2".into() }]);
        known.extend(missing.into_iter().map(|wanted| (wanted, there.clone())));
        let conversions = Conversions::new(&known);
        assert_eq!(conversions.get(&object, "g/v1", "g/v2"), Some(there));
        assert!(conversions.into_missing().is_empty());
    }
}
