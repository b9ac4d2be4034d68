//! Ownership of `spec.replicas` as a workload and its `Scale` show it.
//!
//! Whoever owns the workload's replicas owns those of the `Scale`, and the other way round. A
//! request to `/scale` sees only these entries.

use super::entries::Entries;
use super::entry::Entry;
use super::set::Set;
use serde_json::Value;

const REPLICAS: [&str; 2] = ["spec", "replicas"];
const REPLICAS_PATH: [&str; 1] = ["spec.replicas"];
/// The version of a `Scale`.
pub const API_VERSION: &str = "autoscaling/v1";

/// The `managedFields` of the `Scale` of a workload that has `managed` in `api_version`.
pub fn of_scale(managed: Option<&Value>, api_version: &str) -> Option<Value> {
    let mut entries = Entries::stored(managed);
    entries.retain(|entry| entry.manager.api_version == api_version);
    let mut of_scale = Entries::default();
    for mut entry in entries.into_vec() {
        if entry.fields().has(&REPLICAS) {
            entry.change(|_| Set::of_paths(&REPLICAS_PATH));
            entry.manager.api_version = API_VERSION.into();
            of_scale.put(entry);
        }
    }
    of_scale.encode()
}

/// The `managedFields` of the workload after the `Scale` has `of_scale`.
///
/// A manager that came to own the replicas through the `Scale` gets an entry without a time, as
/// upstream gives it.
pub fn of_workload(
    managed: Option<&Value>,
    of_scale: Option<&Value>,
    api_version: &str,
) -> Option<Value> {
    let mut owners = Entries::stored(of_scale);
    let mut out = Entries::default();
    for mut entry in Entries::stored(managed).into_vec() {
        if entry.manager.api_version != api_version {
            continue;
        }
        if entry.fields().has(&REPLICAS) {
            let mut shown = entry.manager.clone();
            shown.api_version = API_VERSION.into();
            // Upstream looks an updater up under the workload's version, does not find it, and
            // splits its entry in two of one identity, the second of which its next read loses.
            if owners.take(&shown).is_none() {
                entry.change(|fields| fields.difference(&Set::of_paths(&REPLICAS_PATH)));
            }
        }
        if !entry.is_empty() {
            out.put(entry);
        }
    }
    for mut owner in owners.into_vec() {
        if !owner.fields().has(&REPLICAS) {
            continue;
        }
        let mut manager = owner.manager.clone();
        manager.api_version = api_version.to_owned().into();
        let entry = Entry::new(manager, Set::of_paths(&REPLICAS_PATH));
        out.put(entry);
    }
    out.encode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(manager: &str, operation: &str, version: &str, sub: &str, fields: Value) -> Value {
        let mut entry = json!({
            "manager": manager, "operation": operation, "apiVersion": version,
            "fieldsType": "FieldsV1", "fieldsV1": fields,
        });
        if !sub.is_empty() {
            entry["subresource"] = sub.into();
        }
        entry
    }

    fn replicas() -> Value {
        json!({"f:spec": {"f:replicas": {}}})
    }

    #[test]
    fn only_owners_of_the_replicas_are_shown() {
        let spec = json!({"f:spec": {"f:replicas": {}, "f:selector": {}}});
        let managed = json!([
            entry("a", "Apply", "apps/v1", "", spec),
            entry("b", "Update", "apps/v1", "", json!({"f:spec": {"f:selector": {}}})),
            entry("c", "Update", "apps/v1", "scale", replicas()),
        ]);
        assert_eq!(
            of_scale(Some(&managed), "apps/v1"),
            Some(json!([
                entry("a", "Apply", API_VERSION, "", replicas()),
                entry("c", "Update", API_VERSION, "scale", replicas()),
            ]))
        );
    }

    #[test]
    fn replicas_change_hands() {
        let spec = json!({"f:spec": {"f:replicas": {}, "f:selector": {}}});
        for operation in ["Apply", "Update"] {
            let managed = json!([entry("test", operation, "apps/v1", "", spec.clone())]);
            let scaled = json!([entry("scale", "Update", API_VERSION, "scale", replicas())]);
            let left = json!({"f:spec": {"f:selector": {}}});
            let mut want = vec![
                entry("test", operation, "apps/v1", "", left),
                entry("scale", "Update", "apps/v1", "scale", replicas()),
            ];
            if operation == "Update" {
                want.reverse();
            }
            assert_eq!(of_workload(Some(&managed), Some(&scaled), "apps/v1"), Some(json!(want)));
        }
    }

    #[test]
    fn an_owner_that_keeps_them_keeps_its_entry() {
        for operation in ["Apply", "Update"] {
            let managed = json!([entry("test", operation, "apps/v1", "", replicas())]);
            let scaled = of_scale(Some(&managed), "apps/v1");
            assert_eq!(of_workload(Some(&managed), scaled.as_ref(), "apps/v1"), Some(managed));
        }
    }

    #[test]
    fn replicas_that_nobody_owns_any_more() {
        let managed = json!([entry("test", "Apply", "apps/v1", "", replicas())]);
        assert_eq!(of_workload(Some(&managed), None, "apps/v1"), None);
    }
}
