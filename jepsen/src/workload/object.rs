//! ConfigMaps as the objects of histories.

use crate::history::{Edn, value};
use serde_json::{Value, json};

/// Label that says whether the content is even or odd.
pub const PARITY: &str = "parity";
/// What names of the workloads' objects begin with; others in the namespace are not theirs.
const PREFIX: &str = "k-";

/// Resource version, uid and content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Resource version.
    pub rev: u64,
    /// Unique id.
    pub uid: String,
    /// Content, when it has one that workloads write.
    pub val: Option<u64>,
}

impl State {
    /// Of an object; `None` when it has no version.
    pub fn of(object: &Value) -> Option<State> {
        let uid = object["metadata"]["uid"].as_str()?.to_owned();
        let val = object["data"]["v"].as_str().and_then(|v| v.parse().ok());
        Some(State { rev: version(object)?, uid, val })
    }

    /// `{:rev R :uid "U" :val v}`
    pub fn to_edn(&self) -> Edn {
        value::map([
            ("rev", value::number(self.rev)),
            ("uid", value::text(&self.uid)),
            ("val", self.val.map_or(Edn::Nil, value::number)),
        ])
    }
}

/// The resource version of an object or a list.
pub fn version(object: &Value) -> Option<u64> {
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}

/// The name of object `k`.
pub fn name(k: u64) -> String {
    format!("{PREFIX}{k}")
}

/// The number of an object of the workloads.
pub fn key(object: &Value) -> Option<u64> {
    object["metadata"]["name"].as_str()?.strip_prefix(PREFIX)?.parse().ok()
}

/// ConfigMap `k` with content `v`, to be written over version `rev`, or over any.
pub fn config_map(k: u64, v: u64, rev: Option<u64>) -> Value {
    let parity = if v.is_multiple_of(2) { "even" } else { "odd" };
    let mut object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name(k), "labels": {PARITY: parity}},
        "data": {"v": v.to_string()},
    });
    if let Some(rev) = rev {
        object["metadata"]["resourceVersion"] = rev.to_string().into();
    }
    object
}

/// `[k state]` of an object of the workloads.
pub fn item(object: &Value) -> Option<Edn> {
    Some(Edn::Vector(vec![value::number(key(object)?), State::of(object)?.to_edn()]))
}

/// `[k x]`
pub fn pair(k: u64, x: Edn) -> Edn {
    Edn::Vector(vec![value::number(k), x])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut object = config_map(3, 7, Some(12));
        object["metadata"]["uid"] = "U".into();
        assert_eq!(object["metadata"]["labels"][PARITY], "odd");
        let state = State { rev: 12, uid: "U".into(), val: Some(7) };
        assert_eq!((key(&object), State::of(&object)), (Some(3), Some(state)));
        assert_eq!(
            item(&object).expect("an item").to_string(),
            "[3 {:rev 12, :uid \"U\", :val 7}]"
        );
    }
}
