//! Which objects name which owners.

use crate::meta::{Awaits, OwnerRef, Uid, awaits, owner_references};
use reddwarf_core::{ChangeEvent, ObjectKey, StoredObject};
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Keys of objects that are to be looked at.
pub type Due = Vec<ObjectKey>;

/// The owner references of all objects, and the objects whose deletion waits for dependents.
///
/// Objects with neither are not in here.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: HashMap<ObjectKey, Node>,
    /// Who names an owner, by the owner's uid; the owner need not exist.
    dependents: HashMap<Uid, BTreeSet<ObjectKey>>,
    /// Where the owners are stored whose deletion waits for their dependents.
    waiting: HashMap<Uid, ObjectKey>,
}

#[derive(Debug)]
struct Node {
    uid: Uid,
    owners: Box<[Edge]>,
    awaits: Option<Awaits>,
}

/// An owner reference, as far as the graph needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edge {
    uid: Uid,
    blocks: bool,
    /// A hash of kind and name: another one makes the reference a new one.
    names: u64,
}

impl Edge {
    fn of(owner: OwnerRef) -> Self {
        let mut hasher = DefaultHasher::new();
        (&owner.api_version, &owner.kind, &owner.name).hash(&mut hasher);
        Edge { blocks: owner.blocks(), names: hasher.finish(), uid: owner.uid }
    }
}

impl Graph {
    /// Takes in a change; what is to be looked at because of it.
    pub fn apply(&mut self, event: &ChangeEvent) -> Due {
        match (&event.after, &event.before) {
            (Some(after), _) => self.set(after),
            (None, Some(before)) => self.remove(&event.key, &before.index.uid),
            (None, None) => Due::new(),
        }
    }

    /// Takes in an object as it is now.
    pub fn set(&mut self, stored: &StoredObject) -> Due {
        let key = &stored.key;
        let mut due = Due::new();
        if self.nodes.get(key).is_some_and(|node| *node.uid != *stored.index.uid) {
            due = self.forget(key);
        }
        let owners = owner_references(stored).into_iter().map(Edge::of).collect::<Box<[Edge]>>();
        let awaits = awaits(stored);
        if owners.is_empty() && awaits.is_none() {
            due.extend(self.forget(key));
            return due;
        }
        let old = self.nodes.remove(key);
        let (old_owners, awaited) = match &old {
            Some(node) => (&*node.owners, node.awaits),
            None => (&[][..], None),
        };
        self.unlink(key, old_owners, &owners, &mut due);
        if owners.iter().any(|edge| !same_reference(old_owners, edge)) {
            due.push(key.clone());
        }
        let uid = old.as_ref().map_or_else(|| Uid::from(&*stored.index.uid), |o| o.uid.clone());
        let node = Node { uid, owners: self.shared(key, owners), awaits };
        if awaited != awaits {
            self.awaits_now(key, &node, &mut due);
        }
        self.nodes.insert(key.clone(), node);
        due
    }

    /// Takes in that an object is gone.
    pub fn remove(&mut self, key: &ObjectKey, uid: &str) -> Due {
        let mut due = self.forget(key);
        due.extend(self.dependents(uid).cloned());
        due
    }

    /// Takes an object out of the graph; the owners that may go on without it.
    fn forget(&mut self, key: &ObjectKey) -> Due {
        let mut due = Due::new();
        if let Some(node) = self.nodes.remove(key) {
            self.unlink(key, &node.owners, &[], &mut due);
            self.waiting.remove(&node.uid);
        }
        due
    }

    /// Takes away references that are no longer there. An owner that waited for the object, and
    /// need not any more, is due.
    fn unlink(&mut self, key: &ObjectKey, old: &[Edge], new: &[Edge], due: &mut Due) {
        for edge in old {
            let kept = new.iter().any(|e| e.uid == edge.uid);
            let blocks = new.iter().any(|e| e.uid == edge.uid && e.blocks);
            if (edge.blocks && !blocks) || !kept {
                due.extend(self.waiting.get(&edge.uid).cloned());
            }
            if kept {
                continue;
            }
            if let Some(dependents) = self.dependents.get_mut(&edge.uid) {
                dependents.remove(key);
                if dependents.is_empty() {
                    self.dependents.remove(&edge.uid);
                }
            }
        }
    }

    /// Links the object to its owners; answers the references with shared uids.
    fn shared(&mut self, key: &ObjectKey, mut owners: Box<[Edge]>) -> Box<[Edge]> {
        for edge in &mut owners {
            if let Some((uid, _)) = self.dependents.get_key_value(&edge.uid) {
                edge.uid = uid.clone();
            }
            self.dependents.entry(edge.uid.clone()).or_default().insert(key.clone());
        }
        owners
    }

    fn awaits_now(&mut self, key: &ObjectKey, node: &Node, due: &mut Due) {
        match node.awaits {
            None => {
                self.waiting.remove(&node.uid);
            }
            Some(Awaits::Orphaning) => {
                self.waiting.remove(&node.uid);
                due.push(key.clone());
            }
            Some(Awaits::Dependents) => {
                self.waiting.insert(node.uid.clone(), key.clone());
                due.push(key.clone());
                due.extend(self.dependents(&node.uid).cloned());
            }
        }
    }

    /// The objects that name the owner.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = &ObjectKey> {
        self.dependents.get(uid).into_iter().flatten()
    }

    /// The objects for which a foreground deletion of the owner waits.
    pub fn blocking(&self, uid: &str) -> impl Iterator<Item = &ObjectKey> {
        self.dependents(uid).filter(|key| {
            let node = self.nodes.get(*key);
            node.is_some_and(|node| node.owners.iter().any(|e| *e.uid == *uid && e.blocks))
        })
    }

    /// Whether the object's own deletion waits for its dependents.
    pub fn waits(&self, key: &ObjectKey) -> bool {
        self.nodes.get(key).is_some_and(|node| node.awaits == Some(Awaits::Dependents))
    }

    /// How many objects are in here.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no object is in here.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

fn same_reference(old: &[Edge], edge: &Edge) -> bool {
    old.iter().any(|e| e.uid == edge.uid && e.names == edge.names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{blocking, going, key, map, owned_by, stored};
    use serde_json::Value;

    fn set(graph: &mut Graph, object: &Value) -> Vec<String> {
        names(&graph.set(&stored(object, 1)))
    }

    fn names(due: &[ObjectKey]) -> Vec<String> {
        let mut names: Vec<String> = due.iter().map(|k| k.name().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    #[test]
    fn a_dependent_is_looked_at_when_it_names_an_owner_and_when_that_one_goes() {
        let mut graph = Graph::default();
        let (owner, child) = (map("o", "O", &[]), map("c", "C", &[owned_by("o", "O")]));
        assert!(set(&mut graph, &owner).is_empty());
        assert_eq!(graph.len(), 0, "an object without owners costs nothing");
        assert_eq!(set(&mut graph, &child), ["c"]);
        assert!(set(&mut graph, &child).is_empty(), "nothing is new");
        let renamed = map("c", "C", &[owned_by("other", "O")]);
        assert_eq!(set(&mut graph, &renamed), ["c"], "the reference names something else");
        assert_eq!(names(&graph.remove(&key(&owner), "O")), ["c"]);
        assert!(graph.remove(&key(&child), "C").is_empty());
        assert!(graph.is_empty() && graph.dependents.is_empty());
    }

    #[test]
    fn a_waiting_owner_is_looked_at_when_a_dependent_lets_go_of_it() {
        let mut graph = Graph::default();
        let child = map("c", "C", &[blocking("o", "O")]);
        set(&mut graph, &child);
        let owner = going(map("o", "O", &[]), &["foregroundDeletion"]);
        assert_eq!(set(&mut graph, &owner), ["c", "o"]);
        assert!(graph.waits(&key(&owner)));
        assert_eq!(graph.blocking("O").count(), 1);
        let unblocked = map("c", "C", &[owned_by("o", "O")]);
        assert_eq!(set(&mut graph, &unblocked), ["o"]);
        assert_eq!((graph.blocking("O").count(), graph.dependents("O").count()), (0, 1));
        assert_eq!(names(&graph.remove(&key(&child), "C")), ["o"]);
        let released = going(map("o", "O", &[]), &["example.com/x"]);
        set(&mut graph, &released);
        assert!(!graph.waits(&key(&owner)) && graph.waiting.is_empty());
    }

    #[test]
    fn an_object_of_the_same_name_is_another_one() {
        let mut graph = Graph::default();
        set(&mut graph, &map("c", "C1", &[blocking("o", "O")]));
        set(&mut graph, &map("c", "C2", &[owned_by("p", "P")]));
        assert_eq!((graph.dependents("O").count(), graph.dependents("P").count()), (0, 1));
        set(&mut graph, &map("c", "C3", &[]));
        assert!(graph.is_empty() && graph.dependents.is_empty());
    }

    #[test]
    fn an_orphaning_is_looked_at_once() {
        let mut graph = Graph::default();
        let owner = going(map("o", "O", &[]), &["orphan"]);
        assert_eq!(set(&mut graph, &owner), ["o"]);
        assert!(set(&mut graph, &owner).is_empty());
        assert!(!graph.waits(&key(&owner)));
    }
}
