//! Where the items of a list stand, found by what tells them apart: as fast for a long list as
//! for a short one.

use super::go_print;
use serde_json::Value;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Positions of items by their identity; the first of several alike counts.
#[derive(Default)]
pub(super) struct Identities(HashMap<String, usize>);

impl Identities {
    /// Those of a list; items without the merge key `key` have none.
    pub fn of(list: &[Value], key: Option<&str>) -> Self {
        let mut all = Identities::default();
        for (at, item) in list.iter().enumerate() {
            let id = match key {
                Some(key) => item.get(key),
                None => Some(item),
            };
            if let Some(id) = id {
                all.insert_at(id, at);
            }
        }
        all
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where the item with this identity stands.
    pub fn place(&self, id: &Value) -> Option<usize> {
        self.0.get(&text(id)).copied()
    }

    /// Adds an identity at a position, unless it is there; whether it was not.
    pub fn insert_at(&mut self, id: &Value, at: usize) -> bool {
        match self.0.entry(text(id)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(at);
                true
            }
        }
    }

    /// Adds an identity behind the others.
    pub fn insert(&mut self, id: &Value) -> bool {
        self.insert_at(id, self.0.len())
    }
}

/// The same text for equal values, and only for them.
fn text(id: &Value) -> String {
    match id {
        Value::Object(map) => {
            let mut fields: Vec<String> =
                map.iter().map(|(key, value)| format!("{key:?}:{}", text(value))).collect();
            fields.sort_unstable();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(","))
        }
        scalar => scalar.to_string(),
    }
}

/// What tells an item apart: the item, or its merge key's value.
pub(super) fn identity<'v>(item: &'v Value, key: Option<&str>) -> Result<&'v Value, String> {
    let Some(key) = key else { return Ok(item) };
    let Value::Object(map) = item else {
        return Err("expected a map[string]interface {}, but received a scalar".to_owned());
    };
    map.get(key).ok_or_else(|| no_merge_key(item, key))
}

/// The refusal of an item without its merge key.
fn no_merge_key(item: &Value, key: &str) -> String {
    format!("map: {} does not contain declared merge key: {key}", go_print::value(item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places() {
        let list = [json!({"k": "a"}), json!({"x": 1}), json!({"k": 1}), json!({"k": "a", "n": 2})];
        let by_key = Identities::of(&list, Some("k"));
        assert_eq!(by_key.place(&json!("a")), Some(0));
        assert_eq!(by_key.place(&json!(1)), Some(2));
        assert_eq!(by_key.place(&json!("1")), None);
        let whole = Identities::of(&list, None);
        assert_eq!(whole.place(&json!({"n": 2, "k": "a"})), Some(3), "in any order of the fields");
    }
}
