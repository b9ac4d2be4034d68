//! Ownership of `spec.replicas` as a workload and its `Scale` show it.
//!
//! Whoever owns the workload's replicas owns those of the `Scale`, and the other way round. A
//! request to `/scale` sees only these entries.

use super::entries::Entries;
use super::entry::Entry;
use super::set::Set;
use crate::custom::scale::names;
use crate::registry::Kind;
use serde_json::Value;

const REPLICAS: [&str; 2] = ["spec", "replicas"];
const REPLICAS_PATH: [&str; 1] = ["spec.replicas"];

/// Where the replicas stand in the versions of a workload.
pub struct Replicas {
    /// The version of the request.
    own: String,
    /// Every version with its path; none where it has no `/scale`.
    versions: Vec<(String, Option<String>)>,
}

impl Replicas {
    /// Those of a kind.
    pub fn of(kind: &Kind) -> Self {
        let own = kind.api_version();
        let versions = match &kind.custom {
            None => vec![(own.clone(), Some("spec.replicas".to_owned()))],
            Some(custom) => {
                let definition = &custom.definition;
                let version = |v: &std::sync::Arc<crate::custom::Version>| {
                    let path = v.scale.as_ref().map(|paths| paths.spec_replicas_path.clone());
                    (reddwarf_core::gvk::api_version(&definition.group, &v.name), path)
                };
                definition.versions.iter().map(version).collect()
            }
        };
        Replicas { own, versions }
    }

    /// The names that lead to the replicas; `None` for a version that is not known.
    fn path(&self, api_version: &str) -> Option<Option<Vec<&str>>> {
        let (_, path) = self.versions.iter().find(|(version, _)| version == api_version)?;
        Some(path.as_deref().map(names))
    }
}

fn set_of<'a>(path: &[&'a str]) -> Set<'a> {
    let mut set = Set::default();
    set.insert(path);
    set
}

/// The version of a `Scale`.
pub const API_VERSION: &str = "autoscaling/v1";

/// The `managedFields` of the `Scale` of a workload that has `managed`.
pub fn of_scale(managed: Option<&Value>, replicas: &Replicas) -> Option<Value> {
    let entries = Entries::stored(managed);
    let mut of_scale = Entries::default();
    for mut entry in entries.into_vec() {
        let path = replicas.path(&entry.manager.api_version).flatten();
        if path.is_some_and(|path| entry.fields().has(&path)) {
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
    replicas: &Replicas,
) -> Option<Value> {
    let mut owners = Entries::stored(of_scale);
    let mut out = Entries::default();
    for mut entry in Entries::stored(managed).into_vec() {
        let version = entry.manager.api_version.to_string();
        let Some(path) = replicas.path(&version) else { continue };
        if let Some(path) = path.filter(|path| entry.fields().has(path)) {
            let mut shown = entry.manager.clone();
            shown.api_version = API_VERSION.into();
            // Upstream looks an updater up under the workload's version, does not find it, and
            // splits its entry in two of one identity, the second of which its next read loses.
            if owners.take(&shown).is_none() {
                entry.change(|fields| fields.difference(&set_of(&path)));
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
        let Some(path) = replicas.path(&replicas.own).flatten() else { continue };
        let mut manager = owner.manager.clone();
        manager.api_version = replicas.own.clone().into();
        out.put(Entry::new(manager, set_of(&path)));
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

    fn apps() -> Replicas {
        let path = "spec.replicas".to_owned();
        Replicas { own: "apps/v1".into(), versions: vec![("apps/v1".into(), Some(path))] }
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
            of_scale(Some(&managed), &apps()),
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
            assert_eq!(of_workload(Some(&managed), Some(&scaled), &apps()), Some(json!(want)));
        }
    }

    #[test]
    fn an_owner_that_keeps_them_keeps_its_entry() {
        for operation in ["Apply", "Update"] {
            let managed = json!([entry("test", operation, "apps/v1", "", replicas())]);
            let scaled = of_scale(Some(&managed), &apps());
            assert_eq!(of_workload(Some(&managed), scaled.as_ref(), &apps()), Some(managed));
        }
    }

    #[test]
    fn replicas_that_nobody_owns_any_more() {
        let managed = json!([entry("test", "Apply", "apps/v1", "", replicas())]);
        assert_eq!(of_workload(Some(&managed), None, &apps()), None);
    }

    #[test]
    fn the_replicas_of_a_custom_kind_stand_elsewhere() {
        let versions = [("g/v1", Some(".spec.n")), ("g/v2", None)];
        let versions = versions.map(|(v, path)| (v.to_owned(), path.map(str::to_owned)));
        let custom = Replicas { own: "g/v1".into(), versions: versions.into() };
        let of = |field: &str| json!({"f:spec": {field: {}}});
        let managed = json!([
            entry("a", "Update", "g/v1", "", of("f:n")),
            entry("b", "Update", "g/v2", "", of("f:x")),
            entry("c", "Update", "g/v0", "", of("f:n")),
        ]);
        let shown = json!([entry("a", "Update", API_VERSION, "", replicas())]);
        assert_eq!(of_scale(Some(&managed), &custom), Some(shown));
        let scaled = json!([entry("s", "Update", API_VERSION, "scale", replicas())]);
        let after = of_workload(Some(&managed), Some(&scaled), &custom).expect("owners");
        let mut owners: Vec<_> =
            after.as_array().expect("a list").iter().map(|e| e["manager"].clone()).collect();
        owners.sort_by_key(ToString::to_string);
        assert_eq!(owners, ["b", "s"], "a version that is gone has no owners");
    }
}
