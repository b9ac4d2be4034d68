//! The words in which defaults are declared. Paths are dotted; what is missing or malformed on
//! the way to a value is left to validation.

use serde_json::{Map, Value};

/// The value at `path`, unless it is absent or null.
pub fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(object, |at, part| at.get(part)).filter(|v| !v.is_null())
}

/// The same, to be changed.
pub fn at_mut<'a>(object: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(object, |at, part| at.get_mut(part)).filter(|v| !v.is_null())
}

/// The text at `path`, `""` when there is none.
pub fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    at(object, path).and_then(Value::as_str).unwrap_or_default()
}

/// The items of the list at `path`; none when there is no list.
pub fn list<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    at(object, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Calls `change` for every item of the list at `path`.
pub fn each(object: &mut Value, path: &str, change: impl FnMut(&mut Value)) {
    if let Some(Value::Array(items)) = at_mut(object, path) {
        items.iter_mut().for_each(change);
    }
}

/// Calls `change` for the value at `path` when there is one.
pub fn within(object: &mut Value, path: &str, change: impl FnOnce(&mut Value)) {
    if let Some(value) = at_mut(object, path) {
        change(value);
    }
}

/// Sets the value at `path` when it is absent or null; makes the objects on the way.
pub fn fill(object: &mut Value, path: &str, value: impl Into<Value>) {
    if let Some(slot) = slot(object, path)
        && slot.is_null()
    {
        *slot = value.into();
    }
}

/// Sets the value at `path` when it is absent, null, `""` or 0: the default of a field whose
/// zero means that it was not given.
pub fn fill_empty(object: &mut Value, path: &str, value: impl Into<Value>) {
    if let Some(slot) = slot(object, path) {
        let empty = match slot {
            Value::Null => true,
            Value::String(s) => s.is_empty(),
            Value::Number(n) => n.as_i64() == Some(0),
            _ => false,
        };
        if empty {
            *slot = value.into();
        }
    }
}

/// Sets the value at `path`; makes the objects on the way.
pub fn put(object: &mut Value, path: &str, value: impl Into<Value>) {
    if let Some(slot) = slot(object, path) {
        *slot = value.into();
    }
}

/// The map at `path`, made when it is absent; `None` when something else is there.
pub fn entries<'a>(object: &'a mut Value, path: &str) -> Option<&'a mut Map<String, Value>> {
    let slot = slot(object, path)?;
    if slot.is_null() {
        *slot = Map::new().into();
    }
    slot.as_object_mut()
}

/// Removes the value at `path`.
pub fn remove(object: &mut Value, path: &str) -> Option<Value> {
    let (parent, field) = match path.rsplit_once('.') {
        Some((parent, field)) => (at_mut(object, parent)?, field),
        None => (object, path),
    };
    parent.as_object_mut()?.shift_remove(field)
}

/// Makes the field at `path` of `new` what it is in `old`.
pub fn keep(new: &mut Value, old: &Value, path: &str) {
    match at(old, path) {
        Some(value) => put(new, path, value.clone()),
        None => drop(remove(new, path)),
    }
}

/// The place of `path`, null when it was absent; `None` when something on the way is no object.
fn slot<'a>(object: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(object, |at, part| {
        if at.is_null() {
            *at = Map::new().into();
        }
        Some(at.as_object_mut()?.entry(part).or_insert(Value::Null))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn filling_keeps_what_is_there() {
        let mut object = json!({"a": {"b": 0}, "text": "x"});
        fill(&mut object, "a.b", 1);
        fill(&mut object, "a.c.d", "new");
        fill(&mut object, "text.inside", 1);
        assert_eq!(object, json!({"a": {"b": 0, "c": {"d": "new"}}, "text": "x"}));
        fill_empty(&mut object, "a.b", 1);
        assert_eq!(object["a"]["b"], 1);
    }

    #[test]
    fn keeping_removes_what_was_not_there() {
        let mut new = json!({"status": {"a": 1}, "spec": 1});
        keep(&mut new, &json!({}), "status");
        assert_eq!(new, json!({"spec": 1}));
    }
}
