//! Follows the definitions and writes what is to be said of them.

use super::cleanup;
use super::condition;
use super::names::Taken;
use super::settle::settle;
use crate::background::{Background, RETRY_PAUSE};
use crate::custom::DEFINITIONS;
use reddwarf_core::{Collection, Reason, Revision, Status, View};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinSet;

/// Accepts names and empties definitions that go, until it is dropped.
pub(crate) async fn run(background: &Background) {
    let mut session = Session::default();
    let definitions = collection();
    loop {
        let view = background.store.view();
        session.take_in(background, &view);
        session.work(background).await;
        let Ok(mut changes) = background.store.watch(&definitions, view.revision) else {
            tokio::time::sleep(RETRY_PAUSE).await;
            continue;
        };
        let again = !session.due.is_empty();
        tokio::select! {
            _ = changes.next() => {}
            () = tokio::time::sleep(RETRY_PAUSE), if again => {}
            Some(done) = session.cleanups.join_next() => session.cleaned(done),
        }
    }
}

fn collection() -> Collection {
    let (group, plural) = DEFINITIONS;
    Collection::new(group, plural)
}

/// The definition of that name as it is stored now.
pub(super) fn stored(background: &Background, name: &str) -> Option<Value> {
    let view = background.store.view();
    let stored = view.get(&collection().key("", name))?;
    serde_json::from_slice(&stored.bytes).ok()
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
    /// Accepted names by group, then by definition.
    groups: BTreeMap<String, BTreeMap<String, Value>>,
    /// Definitions that are to be looked at.
    due: BTreeSet<String>,
    cleanups: JoinSet<String>,
    cleaning: BTreeSet<String>,
}

impl Session {
    /// Takes in what changed.
    fn take_in(&mut self, background: &Background, view: &View) {
        let mut gone: BTreeSet<String> = self.seen.keys().cloned().collect();
        for stored in view.list(&collection(), None, None) {
            let name = stored.key.name();
            gone.remove(name);
            if self.seen.get(name).is_some_and(|(revision, _)| *revision == stored.revision) {
                continue;
            }
            let definition: Value = serde_json::from_slice(&stored.bytes).unwrap_or_default();
            let group = definition["spec"]["group"].as_str().unwrap_or_default().to_owned();
            let accepted = json!({"status": {
                "acceptedNames": definition["status"]["acceptedNames"],
                "conditions": condition::find(&definition, "NamesAccepted").map(|c| json!([c])),
            }});
            let names = self.groups.entry(group.clone()).or_default();
            let changed = names.get(name) != Some(&accepted);
            names.insert(name.to_owned(), accepted);
            self.seen.insert(name.to_owned(), (stored.revision, group.clone()));
            self.due.insert(name.to_owned());
            if changed {
                self.look_at_refused(&group);
            }
            if cleanup::waits(&definition) && self.cleaning.insert(name.to_owned()) {
                self.cleanups.spawn(cleanup::clean(background.clone(), name.to_owned()));
            }
        }
        for name in gone {
            self.due.remove(&name);
            if let Some((_, group)) = self.seen.remove(&name) {
                if let Some(names) = self.groups.get_mut(&group) {
                    names.remove(&name);
                }
                self.look_at_refused(&group);
            }
        }
    }

    /// Names that were refused may be free now.
    fn look_at_refused(&mut self, group: &str) {
        let names = self.groups.get(group).into_iter().flatten();
        let refused = names.filter(|(_, names)| !condition::holds(names, "NamesAccepted"));
        self.due.extend(refused.map(|(name, _)| name.clone()));
    }

    async fn work(&mut self, background: &Background) {
        for name in std::mem::take(&mut self.due) {
            let Some(definition) = stored(background, &name) else { continue };
            let Some(changed) = self.changed(&definition) else { continue };
            if let Err(status) = write(background, &changed).await {
                tracing::warn!(%status, name, "the conditions of a definition were not written");
                self.due.insert(name);
            } else if let Some(now) = stored(background, &name) {
                // The next definition of the group must know these names already.
                let group = now["spec"]["group"].as_str().unwrap_or_default().to_owned();
                let accepted = json!({"status": {
                    "acceptedNames": now["status"]["acceptedNames"],
                    "conditions": condition::find(&now, "NamesAccepted").map(|c| json!([c])),
                }});
                self.groups.entry(group).or_default().insert(name, accepted);
            }
        }
    }

    /// The definition with its conditions; `None` when nothing changes.
    fn changed(&self, definition: &Value) -> Option<Value> {
        settle(definition, || {
            let group = definition["spec"]["group"].as_str().unwrap_or_default();
            let mut taken = Taken::default();
            self.groups.get(group).into_iter().flatten().for_each(|(_, names)| taken.add(names));
            taken
        })
    }

    fn cleaned(&mut self, done: Result<String, tokio::task::JoinError>) {
        match done {
            Ok(name) => {
                self.cleaning.remove(&name);
                // Whatever it has become is looked at again.
                if let Some((revision, _)) = self.seen.get_mut(&name) {
                    *revision = Revision::ZERO;
                }
            }
            Err(error) => {
                tracing::error!(%error, "the emptying of a definition ended unexpectedly");
                self.cleaning.clear();
                self.cleanups.abort_all();
                self.seen.values_mut().for_each(|(revision, _)| *revision = Revision::ZERO);
            }
        }
    }
}
