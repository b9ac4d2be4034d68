//! Plans carried out on a small world without a store: whatever happens, garbage goes, all else
//! stays, and nothing waits for ever.

use super::graph::Graph;
use super::plan::{Propagation, Step, look};
use crate::meta::{FOREGROUND, ORPHAN, Uid};
use crate::sample::{self, going, key, map, stored};
use proptest::prelude::*;
use reddwarf_core::{Collection, KindMap, ObjectKey, Revision, ServedKind, View};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Objects in the world: few, so that circles come about.
const OBJECTS: usize = 4;
/// Looks after which a world that is not quiet never will be.
const LOOKS_MAX: usize = 2_000;

fn maps() -> KindMap {
    KindMap::from_iter([ServedKind {
        group: "".into(),
        version: "v1".into(),
        kind: "ConfigMap".into(),
        plural: "configmaps".into(),
        namespaced: true,
        collection: Collection::new("", "configmaps"),
        deletable: true,
        scalable: false,
    }])
}

#[derive(Clone, Debug)]
enum Act {
    /// Makes the object with these owners (number, whether it blocks), unless it is there.
    Make(usize, Vec<(usize, bool)>),
    /// Gives the object one more owner, if both are there: how circles come about.
    Adopt(usize, usize, bool),
    /// Somebody deletes the object.
    Delete(usize, Propagation),
}

fn act() -> impl Strategy<Value = Act> {
    let owners = prop::collection::vec((0..OBJECTS, any::<bool>()), 0..3);
    let policy = prop_oneof![
        Just(Propagation::Background),
        Just(Propagation::Foreground),
        Just(Propagation::Orphan),
    ];
    prop_oneof![
        3 => (0..OBJECTS, owners).prop_map(|(n, owners)| Act::Make(n, owners)),
        2 => (0..OBJECTS, 0..OBJECTS, any::<bool>())
            .prop_map(|(n, owner, blocks)| Act::Adopt(n, owner, blocks)),
        2 => (0..OBJECTS, policy).prop_map(|(n, policy)| Act::Delete(n, policy)),
    ]
}

/// The objects, and what the collector knows and has before it.
struct World {
    objects: BTreeMap<ObjectKey, Value>,
    /// How often the object of each number was made: its uid is another one each time.
    made: [usize; OBJECTS],
    graph: Graph,
    due: VecDeque<ObjectKey>,
    kinds: KindMap,
}

impl World {
    fn new() -> Self {
        World {
            objects: BTreeMap::new(),
            made: [0; OBJECTS],
            graph: Graph::default(),
            due: VecDeque::new(),
            kinds: maps(),
        }
    }

    fn put(&mut self, object: Value) {
        let due = self.graph.set(&stored(&object, 1));
        self.due.extend(due);
        self.objects.insert(key(&object), object);
    }

    fn remove(&mut self, key: &ObjectKey) {
        if let Some(object) = self.objects.remove(key) {
            let due = self.graph.remove(key, object["metadata"]["uid"].as_str().expect("a uid"));
            self.due.extend(due);
        }
    }

    fn uid(&self, n: usize) -> String {
        format!("{n}-{}", self.made[n])
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Make(n, owners) => {
                if self.objects.contains_key(&sample::key(&map(&n.to_string(), "", &[]))) {
                    return;
                }
                let mut named = BTreeSet::new();
                let owners: Vec<Value> = owners
                    .iter()
                    .filter(|(owner, _)| named.insert(*owner))
                    .map(|(owner, blocks)| {
                        let mut owner = sample::owned_by(&owner.to_string(), &self.uid(*owner));
                        owner["blockOwnerDeletion"] = (*blocks).into();
                        owner
                    })
                    .collect();
                self.made[*n] += 1;
                let uid = self.uid(*n);
                self.put(map(&n.to_string(), &uid, &owners));
            }
            Act::Adopt(n, owner, blocks) => self.adopt(*n, *owner, *blocks),
            Act::Delete(n, policy) => {
                self.delete(&key(&map(&n.to_string(), "", &[])), *policy);
            }
        }
    }

    fn adopt(&mut self, n: usize, owner: usize, blocks: bool) {
        let at = |n: usize| key(&map(&n.to_string(), "", &[]));
        let Some(mut object) = self.objects.get(&at(n)).cloned() else { return };
        if !self.objects.contains_key(&at(owner)) {
            return;
        }
        let mut reference = sample::owned_by(&owner.to_string(), &self.uid(owner));
        reference["blockOwnerDeletion"] = blocks.into();
        let mut owners =
            object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        if owners.iter().any(|known| known["uid"] == reference["uid"]) {
            return;
        }
        owners.push(reference);
        object["metadata"]["ownerReferences"] = owners.into();
        self.put(object);
    }

    /// What the API does.
    fn delete(&mut self, key: &ObjectKey, policy: Propagation) {
        let Some(object) = self.objects.get(key).cloned() else { return };
        let finalizers: &[&str] = match policy {
            _ if object["metadata"].get("deletionTimestamp").is_some() => return,
            Propagation::Background => return self.remove(key),
            Propagation::Foreground => &[FOREGROUND],
            Propagation::Orphan => &[ORPHAN],
        };
        self.put(going(object, finalizers));
    }

    fn disown(&mut self, key: &ObjectKey, owners: &[Uid]) {
        let Some(mut object) = self.objects.get(key).cloned() else { return };
        if let Some(references) = object["metadata"]["ownerReferences"].as_array_mut() {
            references.retain(|r| !owners.iter().any(|uid| r["uid"] == **uid));
        }
        self.put(object);
    }

    fn view(&self) -> View {
        let mut view = View::default();
        for object in self.objects.values() {
            let stored = stored(object, 1);
            view.objects.insert(stored.key.clone(), stored);
        }
        view.revision = Revision(1);
        view
    }

    /// Lets the collector do what is to be done.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..LOOKS_MAX {
            let Some(key) = self.due.pop_front() else { return Ok(()) };
            match look(&self.graph, &self.view(), &self.kinds, &key) {
                Step::Nothing | Step::AwaitKind | Step::Impossible => {}
                Step::Disown(owners) => self.disown(&key, &owners),
                Step::Unblock => {
                    let mut object = self.objects[&key].clone();
                    let references = object["metadata"]["ownerReferences"].as_array_mut();
                    for reference in references.into_iter().flatten() {
                        reference["blockOwnerDeletion"] = false.into();
                    }
                    self.put(object);
                    self.due.push_back(key);
                }
                Step::Delete(policy) => self.delete(&key, policy),
                Step::Orphan(dependents) => {
                    let uid =
                        Uid::from(self.objects[&key]["metadata"]["uid"].as_str().expect("one"));
                    dependents.iter().for_each(|d| self.disown(d, std::slice::from_ref(&uid)));
                    self.remove(&key);
                }
                Step::Release(_) => self.remove(&key),
            }
        }
        Err(TestCaseError::fail(format!("no end: {:?}", self.objects)))
    }

    fn is_there(&self, reference: &Value) -> bool {
        let name = reference["name"].as_str().expect("a name");
        let owner = self.objects.get(&key(&map(name, "", &[])));
        owner.is_some_and(|owner| owner["metadata"]["uid"] == reference["uid"])
    }

    /// What holds whenever the collector has nothing left to do.
    fn check(&self) -> Result<(), TestCaseError> {
        for object in self.objects.values() {
            let meta = &object["metadata"];
            prop_assert!(meta.get("deletionTimestamp").is_none(), "it waits for ever: {object}");
            let Some(owners) = meta["ownerReferences"].as_array() else { continue };
            let live = owners.iter().filter(|owner| self.is_there(owner)).count();
            prop_assert!(live == owners.len(), "a reference leads nowhere: {object}");
        }
        let mut all: Vec<&ObjectKey> = Vec::new();
        for object in self.objects.values() {
            all.extend(self.graph.dependents(object["metadata"]["uid"].as_str().expect("a uid")));
        }
        let edges: usize = self
            .objects
            .values()
            .map(|o| o["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len))
            .sum();
        prop_assert_eq!(all.len(), edges, "the graph is that of the objects");
        Ok(())
    }
}

proptest! {
    #[test]
    fn garbage_goes_and_nothing_waits_for_ever(acts in prop::collection::vec(act(), 1..40)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
            world.settle()?;
            world.check()?;
        }
    }

    #[test]
    fn a_leader_that_begins_anew_finishes_the_same(
        acts in prop::collection::vec(act(), 1..20),
        last in 0..OBJECTS,
    ) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
            world.settle()?;
        }
        // The leader is gone when this is asked for, and the next one begins with the objects.
        world.act(&Act::Delete(last, Propagation::Foreground));
        world.graph = Graph::default();
        world.due.clear();
        let objects: Vec<Value> = world.objects.values().cloned().collect();
        objects.into_iter().for_each(|object| world.put(object));
        world.settle()?;
        world.check()?;
    }
}

#[test]
fn an_object_that_owns_itself_goes_when_it_is_deleted() {
    for policy in [Propagation::Background, Propagation::Foreground, Propagation::Orphan] {
        let mut world = World::new();
        world.put(map(
            "0",
            "0-1",
            &[json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "0",
            "uid": "0-1", "blockOwnerDeletion": true})],
        ));
        world.settle().expect("quiet");
        assert_eq!(world.objects.len(), 1);
        world.act(&Act::Delete(0, policy));
        world.settle().expect("quiet");
        assert!(world.objects.is_empty(), "{policy:?}");
    }
}

#[test]
fn a_circle_goes_whichever_way_it_is_deleted() {
    for policy in [Propagation::Background, Propagation::Foreground] {
        let mut world = World::new();
        for act in [
            Act::Make(0, vec![]),
            Act::Make(1, vec![(0, true)]),
            Act::Adopt(0, 1, true),
            Act::Delete(0, policy),
        ] {
            world.act(&act);
            world.settle().expect("quiet");
        }
        assert!(world.objects.is_empty(), "{policy:?}: {:?}", world.objects);
    }
}
