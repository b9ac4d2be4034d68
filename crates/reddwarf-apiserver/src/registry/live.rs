//! The registry as it follows the definitions of custom kinds.

use super::Registry;
use crate::custom::{DEFINITIONS, Definition};
use crate::{branches, changesets, commits, diffs, retention};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use futures::FutureExt;
use parking_lot::Mutex;
use reddwarf_core::{
    ChangeEvent, Collection, KindMap, Kinds, Revision, Store, StoredObject, View, WatchBatch,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// The kinds that are served now. Readers take a [`Registry`] that stays as it is.
pub struct LiveRegistry {
    current: ArcSwap<Registry>,
    /// Moves when other kinds are served.
    generation: watch::Sender<u64>,
    known: Mutex<Known>,
    /// Whether watches of what is served no more are to end.
    ends_watches: bool,
}

/// The definitions from which the current registry was made.
#[derive(Clone)]
struct Known {
    collection: Collection,
    /// The newest state that was taken in; zero before the first.
    through: Revision,
    /// By name.
    definitions: BTreeMap<Box<str>, Arc<Definition>>,
}

/// Changed definitions, and the revision that they reach.
struct Changes {
    events: Vec<Arc<ChangeEvent>>,
    through: Revision,
}

impl LiveRegistry {
    /// Begins with these kinds.
    pub fn new(registry: Registry) -> Self {
        let (group, plural) = DEFINITIONS;
        let known = Known {
            collection: Collection::new(group, plural),
            through: Revision::ZERO,
            definitions: BTreeMap::new(),
        };
        LiveRegistry {
            current: ArcSwap::from_pointee(registry),
            generation: watch::Sender::new(0),
            known: Mutex::new(known),
            ends_watches: true,
        }
    }

    /// Begins with the built-in kinds, those of history among them.
    pub fn builtin() -> Self {
        let mut registry = Registry::builtin();
        commits::add(&mut registry);
        branches::add(&mut registry);
        changesets::add(&mut registry);
        diffs::add(&mut registry);
        retention::add(&mut registry);
        LiveRegistry::new(registry)
    }

    /// The same kinds, which follow another state from here on. Watches that others serve do not
    /// end by what that state says.
    pub(crate) fn fork(&self) -> LiveRegistry {
        let known = self.known.lock();
        LiveRegistry {
            current: ArcSwap::new(self.current()),
            generation: watch::Sender::new(0),
            known: Mutex::new(known.clone()),
            ends_watches: false,
        }
    }

    /// The kinds that are served now.
    pub fn current(&self) -> Arc<Registry> {
        self.current.load_full()
    }

    /// Brings custom kinds up to the newest state of `store`. Costs as much as definitions have
    /// changed since the last time.
    pub fn refresh(&self, store: &dyn Store) {
        let mut known = self.known.lock();
        let changes = known.changes(store);
        self.take(|registry| match changes {
            Some(changes) => known.take_in(&changes, registry),
            None => known.take_all(&store.view(), registry),
        });
    }

    /// Takes in changes that a watch of the definitions told; those that are known are skipped.
    pub(crate) fn take_in(&self, batch: WatchBatch) {
        let mut known = self.known.lock();
        let changes = Changes { events: batch.events, through: batch.through };
        self.take(|registry| known.take_in(&changes, registry));
    }

    /// Publishes what `change` makes of the registry; it answers the definitions that it took in.
    fn take(&self, change: impl FnOnce(&mut Registry) -> Vec<Arc<Definition>>) {
        let before = self.current.load_full();
        let mut after = Registry::clone(&before);
        let changed = change(&mut after);
        if changed.is_empty() {
            return;
        }
        let moves = !after.shows_as(&before);
        let after = Arc::new(after);
        self.current.store(after.clone());
        if moves {
            self.generation.send_modify(|generation| *generation += 1);
        }
        if !self.ends_watches {
            return;
        }
        // Whoever watched finds the new kinds when it begins anew.
        for definition in changed {
            let (group, plural) = (&definition.group, &definition.names.plural);
            if let Some(old) = before.definition(group, plural) {
                old.end_unless_in(after.definition(group, plural).map(AsRef::as_ref));
            }
        }
    }
}

impl Known {
    /// What changed since the last time; `None` when that is not known any more.
    fn changes(&self, store: &dyn Store) -> Option<Changes> {
        if self.through == Revision::ZERO {
            return None;
        }
        let mut stream = store.watch(&self.collection, self.through).ok()?;
        let mut events = Vec::new();
        while let Some(batch) = stream.next().now_or_never() {
            events.extend(batch.ok()?.events);
        }
        Some(Changes { events, through: stream.progress() })
    }

    fn take_in(&mut self, changes: &Changes, registry: &mut Registry) -> Vec<Arc<Definition>> {
        let seen = self.through;
        self.through = seen.max(changes.through);
        let fresh = changes.events.iter().filter(|event| event.revision > seen);
        fresh
            .filter_map(|event| match &event.after {
                Some(stored) => self.put(stored, registry),
                None => self.remove(event.key.name(), registry),
            })
            .collect()
    }

    /// Compares all definitions of `view`, the first time or after changes were missed.
    fn take_all(&mut self, view: &View, registry: &mut Registry) -> Vec<Arc<Definition>> {
        if view.revision <= self.through {
            return Vec::new();
        }
        self.through = view.revision;
        let mut gone: BTreeSet<Box<str>> = self.definitions.keys().cloned().collect();
        let mut changed = Vec::new();
        for stored in view.list(&self.collection, None, None) {
            gone.remove(stored.key.name());
            changed.extend(self.put(stored, registry));
        }
        changed.extend(gone.iter().filter_map(|name| self.remove(name, registry)));
        changed
    }

    fn put(&mut self, stored: &StoredObject, registry: &mut Registry) -> Option<Arc<Definition>> {
        let name = stored.key.name();
        let old = self.definitions.get(name);
        if old.is_some_and(|old| old.revision == stored.revision) {
            return None;
        }
        let read = Definition::read(&stored.bytes, stored.revision, old.map(AsRef::as_ref));
        let definition = match read {
            Ok(definition) => Arc::new(definition),
            Err(error) => {
                tracing::error!(name, %error, "a stored definition cannot be read");
                return None;
            }
        };
        registry.define(&definition);
        self.definitions.insert(name.into(), definition.clone());
        Some(definition)
    }

    fn remove(&mut self, name: &str, registry: &mut Registry) -> Option<Arc<Definition>> {
        let definition = self.definitions.remove(name)?;
        registry.undefine(&definition);
        Some(definition)
    }
}

#[async_trait]
impl Kinds for LiveRegistry {
    fn served(&self) -> KindMap {
        self.current.load().told().clone()
    }

    fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    async fn changed(&self, seen: u64) {
        let mut generation = self.generation.subscribe();
        // The sender lives as long as this registry.
        let _ = generation.wait_for(|generation| *generation != seen).await;
    }
}
