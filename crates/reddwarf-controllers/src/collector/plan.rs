//! What becomes of one object, as a function of the graph and the state.

use super::graph::Graph;
use crate::meta::{FOREGROUND, Meta, ORPHAN, OwnerRef, Uid};
use reddwarf_core::{KindMap, ObjectKey, View};

/// What is to be done about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until something changes.
    Nothing,
    /// Nothing, until a kind is served that an owner reference names.
    AwaitKind,
    /// Nothing, ever: it names an owner that it cannot have.
    Impossible,
    /// Its references to these owners go; it has others that stay.
    Disown(Vec<Uid>),
    /// Its references no longer block: it stands in a circle of foreground deletions.
    Unblock,
    /// It goes.
    Delete(Propagation),
    /// These lose their reference to it, then its finalizer goes.
    Orphan(Vec<ObjectKey>),
    /// This finalizer goes.
    Release(&'static str),
}

impl Step {
    /// Whether the step is right only if the graph lacks no dependent.
    pub fn needs_all_dependents(&self) -> bool {
        matches!(self, Step::Orphan(_) | Step::Release(_))
    }
}

/// `propagationPolicy` of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Dependents go afterwards.
    Background,
    /// Dependents go first.
    Foreground,
    /// Dependents stay.
    Orphan,
}

impl Propagation {
    /// As the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        }
    }
}

/// What a reference leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An object that keeps its dependents.
    Solid,
    /// An object that is being deleted and waits for its dependents to go first.
    Waiting,
    /// Nothing: there is no such object, or it is another one of that name.
    Absent,
    /// Something that no object at this place can have as its owner.
    Impossible,
    /// An object of a kind that is not served.
    Unknown,
}

/// Looks up where an object in `namespace` says that its owner is.
pub fn find(view: &View, kinds: &KindMap, namespace: &str, reference: &OwnerRef) -> Owner {
    let Some(kind) = kinds.referred(&reference.api_version, &reference.kind) else {
        return Owner::Unknown;
    };
    if kind.namespaced && namespace.is_empty() {
        return Owner::Impossible;
    }
    match view.get(&kind.key(namespace, &reference.name)) {
        Some(owner) if *owner.index.uid == *reference.uid => {
            let waits = crate::meta::awaits(owner).is_some() && Meta::read(owner).has(FOREGROUND);
            if waits { Owner::Waiting } else { Owner::Solid }
        }
        _ => Owner::Absent,
    }
}

/// Decides what becomes of the object at `key`.
pub fn look(graph: &Graph, view: &View, kinds: &KindMap, key: &ObjectKey) -> Step {
    let Some(stored) = view.get(key) else { return Step::Nothing };
    let meta = Meta::read(stored);
    if meta.terminating() {
        return going(graph, key, &meta);
    }
    judge(graph, view, kinds, key, &meta)
}

/// An object that is being deleted: only a finalizer of the collector's is its concern.
fn going(graph: &Graph, key: &ObjectKey, meta: &Meta) -> Step {
    if meta.has(ORPHAN) {
        return match graph.dependents(&meta.uid).cloned().collect::<Vec<_>>() {
            dependents if dependents.is_empty() => Step::Release(ORPHAN),
            dependents => Step::Orphan(dependents),
        };
    }
    if !meta.has(FOREGROUND) {
        return Step::Nothing;
    }
    // Those that block it are looked at for themselves: whatever may change what becomes of them
    // makes them due. One that owns itself would wait for ever (and does so upstream).
    match graph.blocking(&meta.uid).any(|blocker| blocker != key) {
        true => Step::Nothing,
        false => Step::Release(FOREGROUND),
    }
}

/// An object that is not being deleted: whether its owners keep it.
fn judge(graph: &Graph, view: &View, kinds: &KindMap, key: &ObjectKey, meta: &Meta) -> Step {
    let (mut solid, mut absent, mut waiting) = (false, Vec::new(), Vec::new());
    for reference in &meta.owner_references {
        match find(view, kinds, key.namespace(), reference) {
            Owner::Solid => solid = true,
            Owner::Absent => absent.push(reference.uid.clone()),
            Owner::Waiting => waiting.push(reference.uid.clone()),
            Owner::Impossible => return Step::Impossible,
            Owner::Unknown => return Step::AwaitKind,
        }
    }
    if meta.owner_references.is_empty() {
        return Step::Nothing;
    }
    if solid {
        // An owner that waits would wait for ever for an object that stays.
        absent.append(&mut waiting);
        return if absent.is_empty() { Step::Nothing } else { Step::Disown(absent) };
    }
    if !waiting.is_empty() && graph.dependents(&meta.uid).next().is_some() {
        let circle = graph.dependents(&meta.uid).any(|dependent| graph.waits(dependent));
        if circle && meta.owner_references.iter().any(OwnerRef::blocks) {
            return Step::Unblock;
        }
        return Step::Delete(Propagation::Foreground);
    }
    Step::Delete(match () {
        () if meta.has(ORPHAN) => Propagation::Orphan,
        () if meta.has(FOREGROUND) => Propagation::Foreground,
        () => Propagation::Background,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, blocking, going, map, owned_by};
    use reddwarf_core::{Collection, ServedKind};
    use serde_json::{Value, json};

    fn few() -> KindMap {
        let kind = |(kind, plural, namespaced): (&str, &str, bool)| ServedKind {
            group: "".into(),
            version: "v1".into(),
            kind: kind.into(),
            plural: plural.into(),
            namespaced,
            collection: Collection::new("", plural),
            deletable: true,
            scalable: false,
        };
        [("ConfigMap", "configmaps", true), ("Node", "nodes", false)]
            .map(kind)
            .into_iter()
            .collect()
    }

    /// What becomes of the first of the objects.
    fn first(objects: &[Value]) -> Step {
        let view = sample::view(objects);
        let mut graph = Graph::default();
        for object in view.objects.values() {
            graph.set(object);
        }
        look(&graph, &view, &few(), &sample::key(&objects[0]))
    }

    fn node(name: &str, uid: &str) -> Value {
        json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": name, "uid": uid}})
    }

    fn disown(uids: &[&str]) -> Step {
        Step::Disown(uids.iter().map(|uid| Uid::from(*uid)).collect())
    }

    #[test]
    fn an_owner_that_is_there_keeps_its_dependents() {
        let child = map("c", "C", &[owned_by("o", "O")]);
        assert_eq!(first(&[child.clone(), map("o", "O", &[])]), Step::Nothing);
        assert_eq!(first(&[child]), Step::Delete(Propagation::Background));
        assert_eq!(first(&[map("c", "C", &[])]), Step::Nothing);
    }

    #[test]
    fn an_owner_made_anew_is_another_one() {
        let child = map("c", "C", &[owned_by("o", "O")]);
        assert_eq!(first(&[child, map("o", "O2", &[])]), Step::Delete(Propagation::Background));
    }

    #[test]
    fn only_references_that_lead_nowhere_go_while_one_owner_stays() {
        let owners = [owned_by("o", "O"), owned_by("x", "X"), owned_by("w", "W")];
        let child = map("c", "C", &owners);
        let waiting = going(map("w", "W", &[]), &["foregroundDeletion"]);
        let state = [child, map("o", "O", &[]), waiting];
        assert_eq!(first(&state), disown(&["X", "W"]));
    }

    #[test]
    fn an_owner_in_another_namespace_is_absent() {
        let child = map("c", "C", &[owned_by("o", "O")]);
        let mut owner = map("o", "O", &[]);
        owner["metadata"]["namespace"] = "other".into();
        assert_eq!(first(&[child, owner]), Step::Delete(Propagation::Background));
    }

    #[test]
    fn a_cluster_scoped_dependent_of_a_namespaced_owner_is_left_alone() {
        let mut child = node("n", "N");
        child["metadata"]["ownerReferences"] = json!([owned_by("o", "O")]);
        assert_eq!(first(&[child]), Step::Impossible);
        let reference = json!({"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "N"});
        let child = map("c", "C", &[reference]);
        assert_eq!(first(&[child.clone(), node("n", "N")]), Step::Nothing);
        assert_eq!(first(&[child]), Step::Delete(Propagation::Background));
    }

    #[test]
    fn a_kind_that_is_not_served_may_have_the_owner() {
        let owner = json!({"apiVersion": "example.com/v1", "kind": "X", "name": "x", "uid": "X"});
        assert_eq!(first(&[map("c", "C", &[owner])]), Step::AwaitKind);
    }

    #[test]
    fn a_finalizer_says_how_dependents_of_a_dependent_go() {
        for (finalizer, propagation) in [
            (ORPHAN, Propagation::Orphan),
            (FOREGROUND, Propagation::Foreground),
            ("example.com/x", Propagation::Background),
        ] {
            let mut child = map("c", "C", &[owned_by("o", "O")]);
            child["metadata"]["finalizers"] = json!([finalizer]);
            assert_eq!(first(&[child]), Step::Delete(propagation));
        }
    }

    #[test]
    fn a_foreground_deletion_waits_for_dependents_that_block_it() {
        let owner = going(map("o", "O", &[]), &[FOREGROUND]);
        let (free, blocker) =
            (map("f", "F", &[owned_by("o", "O")]), map("b", "B", &[blocking("o", "O")]));
        let state = [owner.clone(), free.clone(), blocker.clone()];
        assert_eq!(first(&state), Step::Nothing);
        assert_eq!(first(&[owner.clone(), free.clone()]), Step::Release(FOREGROUND));
        assert_eq!(first(&[free, owner.clone()]), Step::Delete(Propagation::Background));
        let grandchild = map("g", "G", &[owned_by("b", "B")]);
        let state = [blocker, owner, grandchild];
        assert_eq!(first(&state), Step::Delete(Propagation::Foreground));
    }

    #[test]
    fn a_circle_of_foreground_deletions_is_opened() {
        let owner = going(map("a", "A", &[blocking("b", "B")]), &[FOREGROUND]);
        let blocked = map("b", "B", &[blocking("a", "A")]);
        assert_eq!(first(&[blocked, owner.clone()]), Step::Unblock);
        let open = map("b", "B", &[owned_by("a", "A")]);
        let state = [open.clone(), owner.clone()];
        assert_eq!(first(&state), Step::Delete(Propagation::Foreground));
        assert_eq!(first(&[owner, open]), Step::Release(FOREGROUND));
    }

    #[test]
    fn orphans_lose_their_owner_before_it_goes() {
        let owner = going(map("o", "O", &[]), &[ORPHAN]);
        let child = map("c", "C", &[owned_by("o", "O")]);
        let orphan = Step::Orphan(vec![sample::key(&child)]);
        assert_eq!(first(&[owner.clone(), child.clone()]), orphan);
        assert_eq!(first(std::slice::from_ref(&owner)), Step::Release(ORPHAN));
        assert_eq!(first(&[child, owner]), Step::Nothing, "its owner is still there");
    }

    #[test]
    fn what_is_going_for_another_reason_is_left_alone() {
        assert_eq!(first(&[going(map("o", "O", &[]), &["example.com/x"])]), Step::Nothing);
        let child = going(map("c", "C", &[owned_by("o", "O")]), &["example.com/x"]);
        assert_eq!(first(&[child]), Step::Nothing);
    }
}
