//! What a deletion does to an object: marks it, or removes it.

use super::Exchange;
use super::attempt::Failure;
use super::exchange::{still_at, time_after};
use crate::allocation;
use crate::custom;
use crate::object::{deletion_grace_seconds, finalizers, generation, set_meta, terminating};
use crate::options::{DeleteOptions, Propagation};
use crate::registry::Kind;
use crate::representation::shown;
use jiff::Timestamp;
use reddwarf_core::{Change, Precondition, Revision, StoredObject, View};
use serde_json::{Value, json};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Whether the kind is `Namespace`, whose deletion its own finalizers hold.
pub fn is_namespace(kind: &Kind) -> bool {
    kind.group.is_empty() && kind.plural == "namespaces"
}

/// Whether the kind is `CustomResourceDefinition`, whose deletion its objects hold.
pub fn is_definition(kind: &Kind) -> bool {
    (kind.group.as_ref(), kind.plural.as_ref()) == custom::DEFINITIONS
}

/// Kinds whose deletion answers with the object rather than with a `Status`.
pub fn returns_deleted(kind: &Kind) -> bool {
    const KINDS: [(&str, &str); 19] = [
        ("", "namespaces"),
        ("", "persistentvolumeclaims"),
        ("", "persistentvolumes"),
        ("", "pods"),
        ("", "podtemplates"),
        ("", "resourcequotas"),
        ("", "serviceaccounts"),
        ("", "services"),
        ("resource.k8s.io", "deviceclasses"),
        ("resource.k8s.io", "resourceclaims"),
        ("resource.k8s.io", "resourceclaimtemplates"),
        ("resource.k8s.io", "resourceslices"),
        ("storage.k8s.io", "csidrivers"),
        ("storage.k8s.io", "csinodes"),
        ("storage.k8s.io", "storageclasses"),
        ("storage.k8s.io", "volumeattachments"),
        ("storage.k8s.io", "volumeattributesclasses"),
        ("certificates.k8s.io", "podcertificaterequests"),
        ("certificates.k8s.io", "clustertrustbundles"),
    ];
    KINDS.contains(&(kind.group.as_ref(), kind.plural.as_ref()))
}

/// Kinds whose dependents outlive them unless the request says otherwise.
fn orphans_by_default(kind: &Kind) -> bool {
    matches!(
        (kind.group.as_ref(), kind.plural.as_ref()),
        ("", "replicationcontrollers") | ("batch", "jobs")
    )
}

/// What a deletion comes to.
pub enum Fate {
    /// The object stays as it is.
    Unchanged,
    /// It is marked, and waits for a node or for finalizers.
    Marked(Value),
    /// It is removed; a value is what it looks like in its last moment, which is stored first.
    Removed(Option<Value>),
}

/// Decides what becomes of `old`.
pub fn decide(kind: &Kind, old: &Value, options: &DeleteOptions) -> Fate {
    if is_namespace(kind) {
        return of_namespace(old, options);
    }
    if is_definition(kind) && !terminating(old) {
        return Fate::Marked(custom::lifecycle::marked(old));
    }
    let (graceful, pending, mut object) = match kind.strategy.grace_seconds {
        None => (false, false, old.clone()),
        Some(default_seconds) => gracefully(old, default_seconds, options),
    };
    let wanted = wanted_finalizers(kind, old, options);
    let held = !wanted.is_empty();
    set_finalizers(&mut object, &wanted);
    if held && !terminating(&object) {
        mark(&mut object, 0);
    } else if held && !graceful && !pending && deletion_grace_seconds(&object).is_none() {
        set_meta(&mut object, "deletionGracePeriodSeconds", Some(json!(0)));
    }
    let seconds = deletion_grace_seconds(&object).unwrap_or(0);
    if held || (graceful || pending) && seconds > 0 {
        return if object == *old { Fate::Unchanged } else { Fate::Marked(object) };
    }
    Fate::Removed((graceful && object != *old).then_some(object))
}

/// The object with its grace: (changed, already on its way, object).
fn gracefully(
    old: &Value,
    default_seconds: fn(&Value) -> u64,
    options: &DeleteOptions,
) -> (bool, bool, Value) {
    let mut object = old.clone();
    if terminating(old) {
        let Some(left) = deletion_grace_seconds(old) else { return (false, false, object) };
        return match options.grace_seconds.map(|s| if s < 0 { 1 } else { s }) {
            Some(asked) if asked < left => {
                shorten(&mut object, left - asked);
                set_meta(&mut object, "deletionGracePeriodSeconds", Some(json!(asked)));
                (true, false, object)
            }
            _ => (false, true, object),
        };
    }
    let usual = i64::try_from(default_seconds(old)).unwrap_or(i64::MAX);
    let seconds = match options.grace_seconds {
        Some(asked) if usual > 0 => {
            if asked < 0 {
                1
            } else {
                asked
            }
        }
        _ => usual,
    };
    mark(&mut object, seconds);
    (true, false, object)
}

fn shorten(object: &mut Value, by_seconds: i64) {
    let at: Option<Timestamp> = object
        .pointer("/metadata/deletionTimestamp")
        .and_then(Value::as_str)
        .and_then(|t| t.parse().ok());
    let earlier = at.and_then(|t| Timestamp::from_second(t.as_second() - by_seconds).ok());
    if let Some(earlier) = earlier {
        set_meta(object, "deletionTimestamp", Some(earlier.to_string().into()));
    }
}

fn mark(object: &mut Value, seconds: i64) {
    set_meta(object, "deletionTimestamp", Some(time_after(seconds)));
    set_meta(object, "deletionGracePeriodSeconds", Some(json!(seconds)));
    let generation = generation(object);
    if generation > 0 {
        set_meta(object, "generation", Some(json!(generation + 1)));
    }
}

fn of_namespace(old: &Value, options: &DeleteOptions) -> Fate {
    let mut object = old.clone();
    if !terminating(old) {
        set_meta(&mut object, "deletionTimestamp", Some(time_after(0)));
        object["status"]["phase"] = "Terminating".into();
        if options.propagation == Some(Propagation::Orphan) {
            set_finalizers(&mut object, &[&finalizers(old)[..], &[ORPHAN]].concat());
        }
    }
    let spec = old.pointer("/spec/finalizers").and_then(Value::as_array);
    let held = spec.is_some_and(|f| !f.is_empty()) || !finalizers(&object).is_empty();
    match (held, terminating(old)) {
        (true, true) => Fate::Unchanged,
        (true, false) => Fate::Marked(object),
        (false, _) => Fate::Removed(None),
    }
}

/// The finalizers with which a deletion leaves the object: what the request says of dependents
/// stands above what the object's finalizers say, and that above what is usual for the kind.
fn wanted_finalizers<'a>(kind: &Kind, old: &'a Value, options: &DeleteOptions) -> Vec<&'a str> {
    let stored = finalizers(old);
    let held = stored.iter().copied().find(|f| [ORPHAN, FOREGROUND].contains(f));
    let added = match options.propagation {
        _ if has_no_dependents(kind) => None,
        Some(Propagation::Orphan) => Some(ORPHAN),
        Some(Propagation::Foreground) => Some(FOREGROUND),
        Some(Propagation::Background) => None,
        None => held.or_else(|| orphans_by_default(kind).then_some(ORPHAN)),
    };
    let ours = stored.iter().filter(|f| [ORPHAN, FOREGROUND].contains(*f));
    if ours.clone().count() == usize::from(added.is_some()) && ours.copied().next() == added {
        return stored;
    }
    let others = stored.iter().copied().filter(|f| ![ORPHAN, FOREGROUND].contains(f));
    others.chain(added).collect()
}

/// Kinds that upstream's collector knows nothing of.
fn has_no_dependents(kind: &Kind) -> bool {
    kind.kind == "Event"
}

fn set_finalizers(object: &mut Value, wanted: &[&str]) {
    let value = (!wanted.is_empty()).then(|| json!(wanted));
    if finalizers(object) != wanted {
        match value {
            Some(value) => set_meta(object, "finalizers", Some(value)),
            None => set_meta(object, "finalizers", None),
        }
    }
}

/// Removes a stored object, and what it holds, in one commit; answers the deletion's revision.
///
/// # Errors
/// The proposal's.
pub async fn remove(
    x: &Exchange<'_>,
    stored: &StoredObject,
    view: &View,
    also: Vec<(Precondition, Change)>,
) -> Result<Revision, Failure> {
    let mut preconditions = vec![still_at(&stored.key, stored.revision)];
    let mut changes = vec![Change::Delete { key: stored.key.clone() }];
    // Custom objects hold nothing that is allocated, and to show one may need a webhook.
    if x.kind.custom.is_none() {
        let object = shown(x.kind, &stored.bytes);
        x.extend(allocation::on_remove(x.kind, &object, view), &mut preconditions, &mut changes);
    }
    for (precondition, change) in also {
        preconditions.push(precondition);
        changes.push(change);
    }
    Ok(x.propose(preconditions, changes).await?.first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    #[test]
    fn the_request_says_what_becomes_of_dependents_then_the_object_then_the_kind() {
        let registry = Registry::builtin();
        let left = |resource: (&str, &str), finalizers: Value, propagation| {
            let kind = registry.resource(resource.0, "v1", resource.1).expect("served");
            let object = json!({"metadata": {"name": "o", "finalizers": finalizers}});
            let options = DeleteOptions { propagation, ..Default::default() };
            match decide(kind, &object, &options) {
                Fate::Marked(object) => object["metadata"]["finalizers"].clone(),
                Fate::Removed(_) => Value::Null,
                Fate::Unchanged => json!("unchanged"),
            }
        };
        let (map, job) = (("", "configmaps"), ("batch", "jobs"));
        let (orphan, foreground) = (Propagation::Orphan, Propagation::Foreground);
        let background = Some(Propagation::Background);
        assert_eq!(left(map, json!([]), None), Value::Null);
        assert_eq!(left(job, json!([]), None), json!(["orphan"]));
        assert_eq!(left(job, json!([]), background), Value::Null);
        assert_eq!(left(map, json!(["orphan"]), None), json!(["orphan"]));
        assert_eq!(left(job, json!(["foregroundDeletion"]), None), json!(["foregroundDeletion"]));
        assert_eq!(left(map, json!(["orphan", "x"]), background), json!(["x"]));
        assert_eq!(left(map, json!(["orphan", "x"]), Some(orphan)), json!(["orphan", "x"]));
        let turned = left(map, json!(["orphan", "x"]), Some(foreground));
        assert_eq!(turned, json!(["x", "foregroundDeletion"]));
        assert_eq!(left(("", "events"), json!([]), Some(foreground)), Value::Null);
    }

    #[test]
    fn a_removal_that_was_interrupted_is_finished_by_the_next_deletion() {
        let registry = Registry::builtin();
        let pods = registry.resource("", "v1", "pods").expect("pods");
        let at_once = DeleteOptions { grace_seconds: Some(0), ..Default::default() };
        let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n"}});
        let Fate::Removed(Some(marked)) = decide(pods, &pod, &at_once) else {
            panic!("a bound pod is marked, then removed");
        };
        // The member that marked it dies here.
        for options in [DeleteOptions::default(), at_once] {
            assert!(matches!(decide(pods, &marked, &options), Fate::Removed(None)));
        }
    }
}
