//! Follows the definitions and writes what is to be said of them.

use super::cleanup;
use super::groups::{Groups, group};
use super::names::Taken;
use super::settle::settle;
use crate::background::{Background, RETRY_PAUSE};
use crate::custom::DEFINITIONS;
use futures::{StreamExt, stream};
use reddwarf_core::{
    ChangeEvent, Collection, Reason, Revision, Status, StoredObject, View, WatchClosed, WatchStream,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::{JoinError, JoinSet};

/// Definitions that are looked at before other tasks get their turn; a new leader looks at all.
const LOOKS_AT_ONCE: usize = 16;
/// Definitions that are written at once.
const WRITES_MAX: usize = 16;

/// Accepts names and empties definitions that go, until it is dropped or the store stops.
pub(crate) async fn run(background: &Background) {
    let mut session = Session::default();
    loop {
        let view = background.store.view();
        session.take_all(background, &view);
        let Ok(changes) = background.store.watch(&collection(), view.revision) else {
            tokio::time::sleep(RETRY_PAUSE).await;
            continue;
        };
        if session.follow(background, changes).await == WatchClosed::Stopping {
            return;
        }
    }
}

fn collection() -> Collection {
    let (group, plural) = DEFINITIONS;
    Collection::new(group, plural)
}

/// The definition of that name as it is stored now.
pub(super) fn stored(background: &Background, name: &str) -> Option<Value> {
    serde_json::from_slice(&found(background, name)?.bytes).ok()
}

fn found(background: &Background, name: &str) -> Option<Arc<StoredObject>> {
    background.store.view().get(&collection().key("", name)).cloned()
}

/// Writes the status of a definition, and the finalizers that go with it.
///
/// # Errors
/// The answer of the API; a definition that is gone or changed meanwhile is no error.
pub(super) async fn write(background: &Background, definition: &Value) -> Result<(), Box<Status>> {
    let (group, plural) = DEFINITIONS;
    let name = crate::object::name(definition);
    let path = format!("/apis/{group}/v1/{plural}/{name}/status");
    let body = definition.to_string().into();
    match background.client.request("PUT", &path, None, Some(body)).await {
        Ok(_) => Ok(()),
        Err(status) if status.is(Reason::NotFound) || status.is(Reason::Conflict) => Ok(()),
        Err(status) => Err(status),
    }
}

/// What the loop keeps between two looks.
#[derive(Default)]
struct Session {
    /// The revision at which each definition was last taken in, and its group.
    seen: BTreeMap<String, (Revision, String)>,
    groups: Groups,
    /// Definitions that are to be looked at.
    due: BTreeSet<String>,
    cleanups: JoinSet<String>,
    cleaning: BTreeSet<String>,
}

impl Session {
    /// Works on what changes until the watch is closed; says why it was.
    async fn follow(
        &mut self,
        background: &Background,
        mut changes: Box<dyn WatchStream>,
    ) -> WatchClosed {
        loop {
            self.work(background).await;
            let again = !self.due.is_empty();
            tokio::select! {
                batch = changes.next() => match batch {
                    Ok(batch) => self.take_in(background, &batch.events),
                    Err(closed) => return closed,
                },
                () = tokio::time::sleep(RETRY_PAUSE), if again => {}
                Some(done) = self.cleanups.join_next() => self.cleaned(background, done),
            }
        }
    }

    /// Compares all definitions with what was seen of them.
    fn take_all(&mut self, background: &Background, view: &View) {
        let mut gone: BTreeSet<String> = self.seen.keys().cloned().collect();
        for stored in view.list(&collection(), None, None) {
            gone.remove(stored.key.name());
            self.put(background, stored);
        }
        gone.iter().for_each(|name| self.remove(name));
    }

    fn take_in(&mut self, background: &Background, events: &[Arc<ChangeEvent>]) {
        for event in events {
            match &event.after {
                Some(stored) => self.put(background, stored),
                None => self.remove(event.key.name()),
            }
        }
    }

    fn put(&mut self, background: &Background, stored: &StoredObject) {
        let name = stored.key.name();
        if self.seen.get(name).is_some_and(|(revision, _)| *revision >= stored.revision) {
            return;
        }
        let definition: Value = serde_json::from_slice(&stored.bytes).unwrap_or_default();
        let group = group(&definition).to_owned();
        self.seen.insert(name.to_owned(), (stored.revision, group));
        self.due.insert(name.to_owned());
        self.due.extend(self.groups.put(&definition));
        if cleanup::waits(&definition) && self.cleaning.insert(name.to_owned()) {
            self.cleanups.spawn(cleanup::clean(background.clone(), name.to_owned()));
        }
    }

    fn remove(&mut self, name: &str) {
        self.due.remove(name);
        if let Some((_, group)) = self.seen.remove(name) {
            self.due.extend(self.groups.remove(&group, name));
        }
    }

    /// Decides on all that is due, then writes it; many definitions often come at once.
    async fn work(&mut self, background: &Background) {
        let mut decided = Vec::new();
        for (at, name) in std::mem::take(&mut self.due).into_iter().enumerate() {
            if at % LOOKS_AT_ONCE == LOOKS_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let Some(found) = found(background, &name) else { continue };
            let definition: Value = serde_json::from_slice(&found.bytes).unwrap_or_default();
            let Some(changed) = self.changed(&definition) else { continue };
            // The next definition of the group must know these names already.
            self.due.extend(self.groups.put(&changed));
            decided.push((name, found.revision, changed));
        }
        let writes = decided.into_iter().map(|(name, revision, changed)| async move {
            let written = write(background, &changed).await;
            (name, revision, written)
        });
        let writes: Vec<_> = writes.collect();
        let mut writes = stream::iter(writes).buffer_unordered(WRITES_MAX);
        while let Some((name, revision, written)) = writes.next().await {
            // Written or not, from now on it has what is stored.
            self.look_again(background, &name);
            if let Err(status) = written {
                tracing::warn!(%status, name, "the conditions of a definition were not written");
            } else if self.seen.get(&name).is_some_and(|(now, _)| *now == revision) {
                // What changes nothing would be written again and again.
                self.due.remove(&name);
            }
        }
    }

    /// The definition with its conditions; `None` when nothing changes.
    fn changed(&self, definition: &Value) -> Option<Value> {
        let none = Taken::default();
        settle(definition, self.groups.taken(group(definition)).unwrap_or(&none))
    }

    /// Whatever became of what was cleaned is looked at again.
    fn cleaned(&mut self, background: &Background, done: Result<String, JoinError>) {
        match done {
            Ok(name) => {
                self.cleaning.remove(&name);
                self.look_again(background, &name);
            }
            // One of those that were ended below.
            Err(error) if error.is_cancelled() => {}
            Err(error) => {
                tracing::error!(%error, "the emptying of a definition ended unexpectedly");
                self.cleanups.abort_all();
                let cleaning = std::mem::take(&mut self.cleaning);
                cleaning.iter().for_each(|name| self.look_again(background, name));
            }
        }
    }

    fn look_again(&mut self, background: &Background, name: &str) {
        if let Some((revision, _)) = self.seen.get_mut(name) {
            *revision = Revision::ZERO;
        }
        match found(background, name) {
            Some(stored) => self.put(background, &stored),
            None => self.remove(name),
        }
    }
}
