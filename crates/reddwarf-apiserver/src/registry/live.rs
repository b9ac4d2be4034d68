//! The registry as it follows the definitions of custom kinds.

use super::Registry;
use super::served::served;
use crate::custom::{DEFINITIONS, Definition, Served};
use crate::{changesets, commits};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use reddwarf_core::{Collection, Kinds, Revision, ServedKind, View};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// The kinds that are served now. Readers take a [`Registry`] that stays as it is.
pub struct LiveRegistry {
    current: ArcSwap<Registry>,
    /// Moves with every new registry.
    generation: watch::Sender<u64>,
    known: Mutex<Known>,
}

/// The definitions from which the current registry was made.
#[derive(Clone)]
struct Known {
    collection: Collection,
    /// The newest state that was taken in.
    through: Revision,
    /// By name, with the revision at which each was read.
    definitions: BTreeMap<Box<str>, (Revision, Arc<Definition>)>,
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
        }
    }

    /// Begins with the built-in kinds, those of history among them.
    pub fn builtin() -> Self {
        LiveRegistry::new(changesets::add(&commits::add(&Registry::builtin())))
    }

    /// The same kinds, which follow another state from here on.
    pub(crate) fn fork(&self) -> LiveRegistry {
        let known = self.known.lock();
        LiveRegistry {
            current: ArcSwap::new(self.current()),
            generation: watch::Sender::new(0),
            known: Mutex::new(known.clone()),
        }
    }

    /// The kinds that are served now.
    pub fn current(&self) -> Arc<Registry> {
        self.current.load_full()
    }

    /// Brings custom kinds up to the definitions of `view`; an older view than one seen before
    /// changes nothing. Only definitions that changed are read.
    pub fn refresh(&self, view: &View) {
        let mut known = self.known.lock();
        if view.revision <= known.through {
            return;
        }
        known.through = view.revision;
        let before = self.current.load_full();
        let after = known.take_in(view, &before);
        if let Some(registry) = after {
            self.current.store(Arc::new(registry));
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    /// All definitions that are known, established or not.
    pub fn definitions(&self) -> Vec<Arc<Definition>> {
        self.known.lock().definitions.values().map(|(_, d)| d.clone()).collect()
    }
}

impl Known {
    /// The registry after the changes up to `view`; `None` when it stays the same.
    fn take_in(&mut self, view: &View, registry: &Registry) -> Option<Registry> {
        let mut after: Option<Registry> = None;
        let mut put = |group: &str, plural: &str, served: Option<Arc<Served>>| {
            let now = after.as_ref().unwrap_or(registry);
            if served.is_some() || now.definition(group, plural).is_some() {
                after = Some(now.with(group, plural, served));
            }
        };
        let mut gone: BTreeMap<_, _> = std::mem::take(&mut self.definitions);
        for stored in view.list(&self.collection, None, None) {
            let name = stored.key.name();
            let old = gone.remove(name);
            if let Some((revision, definition)) = &old
                && *revision == stored.revision
            {
                self.definitions.insert(name.into(), (*revision, definition.clone()));
                continue;
            }
            let old = old.map(|(_, definition)| definition);
            let definition = match Definition::read(&stored.bytes, stored.revision, old.as_deref())
            {
                Ok(definition) => Arc::new(definition),
                Err(error) => {
                    tracing::error!(name, %error, "a stored definition cannot be read");
                    continue;
                }
            };
            put(&definition.group, &definition.names.plural, definition.served_now());
            self.definitions.insert(name.into(), (stored.revision, definition));
        }
        for (_, definition) in gone.into_values() {
            put(&definition.group, &definition.names.plural, None);
        }
        after
    }
}

#[async_trait]
impl Kinds for LiveRegistry {
    fn served(&self) -> Vec<ServedKind> {
        let current = self.current();
        current.kinds().filter(|kind| kind.stored()).map(|kind| served(kind)).collect()
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
