//! Keeps `metadata.managedFields` up to date with a request.
//!
//! Not here: reconciling stored sets with a schema whose lists and maps became leaves. The
//! schemas of built-in kinds do not change while objects are stored.

use super::check::{Misfits, check};
use super::conflict;
use super::element::PathElement;
use super::entries::Entries;
use super::entry::{Manager, Operation};
use super::item::Nameless;
use super::last_applied;
use super::set::Set;
use super::updater::{NotApplied, Updater};
use serde_json::{Map, Value};
use std::borrow::Cow;
use thiserror::Error;

/// Owns what an object had before the first server-side apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// The name of a manager that does not say who it is.
const UNKNOWN: &str = "unknown";

/// What no manager owns: it identifies the object, or is the server's.
const NOBODYS_METADATA: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// One request's view of ownership.
pub struct Tracker<'t> {
    /// The rules.
    pub updater: Updater<'t>,
    /// The field manager's name; may be empty.
    pub manager: &'t str,
    /// The subresource through which it writes, empty for the main resource.
    pub subresource: &'t str,
    /// What an object is compared with that was not there.
    pub empty: &'t Value,
    /// Now, RFC 3339 in whole seconds.
    pub now: String,
}

/// The outcome of an apply.
#[derive(Debug)]
pub struct Applied {
    /// The new object, before it is normalized; `None` when nothing changed.
    pub object: Option<Value>,
    /// Its `managedFields`.
    pub managed: Option<Value>,
}

/// Why an apply fails.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The configuration does not have its type.
    #[error("{0}")]
    Misfits(#[from] Misfits),
    /// The configuration conflicts, or cannot be merged.
    #[error(transparent)]
    NotApplied(#[from] NotApplied),
}

impl Tracker<'_> {
    /// The `managedFields` of `new`, which a creation or update makes of `live`.
    ///
    /// An object without any that is updated goes on without. A client may write them itself:
    /// an empty list, or one empty entry, begins anew; what does not parse is ignored.
    pub fn updated(&self, live: Option<&Value>, new: &Value) -> Option<Value> {
        let stored = live.and_then(managed_of);
        let mut entries = match self.base(stored, managed_of(new)) {
            Some(entries) => entries,
            None => Entries::stored(stored),
        };
        if entries.is_empty() && live.is_some() {
            return None;
        }
        let manager = self.identity(self.manager, Operation::Update);
        let live = live.unwrap_or(self.empty);
        match self.record(manager, live, new, &mut entries) {
            Ok(()) => entries.encode(),
            Err(nameless) => {
                tracing::debug!(%nameless, "an update that cannot be compared changes no owner");
                stored.cloned()
            }
        }
    }

    /// Applies `applied` to `live`.
    ///
    /// # Errors
    /// See [`ApplyError`].
    pub fn applied(
        &self,
        live: Option<&Value>,
        applied: &Value,
        force: bool,
    ) -> Result<Applied, ApplyError> {
        let stored = live.and_then(managed_of);
        let live = live.unwrap_or(self.empty);
        let mut entries = Entries::stored(stored);
        if entries.is_empty() {
            let before = self.identity(BEFORE_FIRST_APPLY, Operation::Update);
            self.record(before, self.empty, live, &mut entries).map_err(NotApplied::from)?;
        }
        check(self.updater.ty(), applied)?;
        let manager = self.identity(self.manager, Operation::Apply);
        let mut tried = entries.clone();
        let outcome = match self.updater.apply(live, applied, &mut tried, &manager, force) {
            Err(NotApplied::Conflicts(conflicts)) if self.manager == last_applied::MANAGER => {
                let Some(allowed) = last_applied::allowed(&self.updater, live) else {
                    return Err(NotApplied::Conflicts(conflicts).into());
                };
                let left = conflict::beyond(&conflicts, &allowed.fields());
                if !left.is_empty() {
                    return Err(NotApplied::Conflicts(left).into());
                }
                tried = entries;
                self.updater.apply(live, applied, &mut tried, &manager, true)?
            }
            outcome => outcome?,
        };
        let mut entries = tried;
        if let Some(own) = entries.get(&manager) {
            own.change(strip);
            if outcome.is_some() {
                own.time = Some(Cow::Borrowed(&self.now));
            }
        }
        entries.retain(|entry| !entry.is_empty());
        let managed = entries.encode();
        let object = outcome.map(|mut object| {
            if self.manager == last_applied::MANAGER {
                last_applied::renew(&mut object, applied);
            }
            object
        });
        Ok(Applied { object, managed })
    }

    /// What a client wrote; `None` when what is stored counts.
    fn base<'a>(&self, stored: Option<&Value>, sent: Option<&'a Value>) -> Option<Entries<'a>> {
        // Subresources do not write managedFields.
        let sent = sent.filter(|_| self.subresource.is_empty())?;
        let list = sent.as_array()?;
        if is_reset(list) {
            return Some(Entries::default());
        }
        if stored == Some(sent) {
            return None;
        }
        Entries::sent(list).ok()
    }

    fn identity<'a>(&'a self, name: &'a str, operation: Operation) -> Manager<'a> {
        Manager {
            name: if name.is_empty() { UNKNOWN } else { name }.into(),
            operation,
            api_version: self.updater.api_version().into(),
            subresource: self.subresource.into(),
        }
    }

    /// Gives `manager` what differs between the two objects.
    fn record<'a>(
        &'a self,
        manager: Manager<'a>,
        live: &'a Value,
        new: &'a Value,
        entries: &mut Entries<'a>,
    ) -> Result<(), Nameless> {
        let own = strip(self.updater.update(live, new, entries)?);
        if !own.is_empty() {
            entries.add(manager, own, &self.now);
        }
        entries.cap();
        Ok(())
    }
}

fn managed_of(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

fn is_reset(sent: &[Value]) -> bool {
    match sent {
        [] => true,
        [one] => one.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

/// Takes out what nobody owns.
fn strip(mut fields: Set<'_>) -> Set<'_> {
    fields.retain(|node| {
        let PathElement::Field(name) = &node.element else { return true };
        match name.as_ref() {
            "apiVersion" | "kind" => false,
            "metadata" => {
                node.member = false;
                node.children.retain(|child| match &child.element {
                    PathElement::Field(name) => !NOBODYS_METADATA.contains(&name.as_ref()),
                    _ => true,
                });
                true
            }
            _ => true,
        }
    });
    fields
}
