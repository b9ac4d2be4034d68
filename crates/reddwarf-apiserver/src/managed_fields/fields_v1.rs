//! FieldsV1, the JSON form of a field set.
//!
//! ```text
//! {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": {"f:replicas": {}}}
//! ```
//! An object is a field; `.` says that the field itself is a member, which an object without
//! anything in it says too.

use super::element::{NotAnElement, PathElement};
use super::set::{Node, Set};
use serde_json::{Map, Value};

const SELF: &str = ".";

/// The JSON form of `set`.
pub fn encode(set: &Set<'_>) -> Value {
    Value::Object(contents(set, false))
}

fn contents(set: &Set<'_>, member: bool) -> Map<String, Value> {
    let own = member && !set.is_empty();
    let mut out = Map::with_capacity(set.nodes().len() + usize::from(own));
    if own {
        out.insert(SELF.to_owned(), Value::Object(Map::new()));
    }
    for node in set.nodes() {
        let below = Value::Object(contents(&node.children, node.member));
        out.insert(node.element.to_text(), below);
    }
    out
}

/// Reads the JSON form.
///
/// # Errors
/// A key that is no path element. What is not an object has no members, as upstream has it.
pub fn decode(fields: &Value) -> Result<Set<'_>, NotAnElement> {
    let Value::Object(fields) = fields else { return Ok(Set::default()) };
    let mut nodes = Vec::with_capacity(fields.len());
    for (key, below) in fields.iter().filter(|(key, _)| *key != SELF) {
        let Some(element) = PathElement::parse(key)? else { continue };
        let children = decode(below)?;
        let member = children.is_empty() || below.get(SELF).is_some();
        nodes.push(Node { element, member, children });
    }
    Ok(Set::of_nodes(nodes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn members_with_and_without_children() {
        let fields = json!({
            "f:data": {".": {}, "f:a": {}},
            "f:metadata": {"f:finalizers": {"v:\"x\"": {}}},
            "f:spec": {},
        });
        let set = decode(&fields).expect("valid");
        assert!(set.has(&["data"]) && set.has(&["data", "a"]) && set.has(&["spec"]));
        assert!(!set.has(&["metadata"]));
        assert_eq!(encode(&set), fields);
    }

    #[test]
    fn the_empty_set() {
        assert_eq!(encode(&Set::EMPTY), json!({}));
        assert!(decode(&json!({})).expect("valid").is_empty());
    }

    #[test]
    fn a_key_of_no_known_form_is_refused_and_one_of_a_later_form_left_out() {
        assert!(decode(&json!({"spec": {}})).is_err());
        assert!(decode(&json!({"z:spec": {}})).expect("ignored").is_empty());
    }

    proptest! {
        #[test]
        fn there_and_back(paths in proptest::collection::vec("[a-c](\\.[a-c<\"]){0,3}", 0..10)) {
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let set = Set::of_paths(&paths);
            let fields = encode(&set);
            prop_assert_eq!(decode(&fields).expect("valid"), set);
        }
    }
}
