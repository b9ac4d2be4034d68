//! The rules of ownership: what a write takes from whom.

use super::compare::{Comparison, compare, equal};
use super::conflict::{self, Conflict};
use super::contents::field_set;
use super::entries::Entries;
use super::entry::{Entry, Manager};
use super::item::Nameless;
use super::merge::merge;
use super::prune::prune;
use super::set::Set;
use super::typed::Type;
use super::versions::Versions;
use serde_json::Value;
use thiserror::Error;

/// The rules for one kind in one version.
pub struct Updater<'u> {
    /// The version in which its objects are given, and the others.
    pub versions: Versions<'u>,
    /// Fields that this path does not change.
    pub reset: Set<'static>,
}

/// Why a configuration is not applied.
#[derive(Debug, Error)]
pub enum NotApplied {
    /// Others own fields that it changes.
    #[error("{} conflicts", .0.len())]
    Conflicts(Vec<Conflict>),
    /// The live object has items that cannot be told apart.
    #[error("failed to merge config: {0}")]
    Nameless(#[from] Nameless),
}

impl<'u> Updater<'u> {
    /// The version in which objects are given.
    pub fn api_version(&self) -> &'u str {
        self.versions.own()
    }

    /// The type of the objects.
    pub fn ty(&self) -> Type<'u> {
        self.versions.ty(self.api_version()).unwrap_or(Type::DEDUCED)
    }

    /// Takes what `new` changes from all entries, and answers what the writer owns of it now.
    ///
    /// # Errors
    /// An item of a list cannot be told apart from the others; the entries are untouched.
    pub fn update<'a>(
        &self,
        live: &'a Value,
        new: &'a Value,
        entries: &mut Entries<'a>,
    ) -> Result<Set<'a>, Nameless> {
        let changes = compare(self.ty(), live, new)?.without(&self.reset);
        if !changes.is_empty() && !entries.is_empty() {
            // Conflicts are not looked for, so that there are none.
            drop(self.take(live, new, &changes, entries, None, true));
        }
        entries.retain(|entry| !entry.is_empty());
        Ok(changes.set_by_new())
    }

    /// Applies a configuration that was checked. Answers the new object, or `None` when the
    /// configuration changes nothing.
    ///
    /// # Errors
    /// See [`NotApplied`].
    pub fn apply<'a>(
        &self,
        live: &'a Value,
        applied: &'a Value,
        entries: &mut Entries<'a>,
        manager: &Manager<'a>,
        force: bool,
    ) -> Result<Option<Value>, NotApplied> {
        let merged = merge(self.ty(), live, applied)?;
        let fields = field_set(self.ty(), applied).without(&self.reset);
        let last = entries.take(manager);
        let mut own = Entry::new(manager.clone(), fields);
        let dropped = last.as_ref().is_some_and(|last| self.drops(last, &mut own));
        own.time = last.as_ref().and_then(|last| last.time.clone());
        entries.put(own);
        let new = match last {
            Some(last) if dropped => {
                prune(merged, self.api_version(), last, entries, &self.versions)
            }
            _ => merged,
        };
        let changes = compare(self.ty(), live, &new)?.without(&self.reset);
        if !changes.is_empty() {
            self.take(live, &new, &changes, entries, Some(manager), force)?;
        }
        entries.retain(|entry| !entry.is_empty());
        Ok((!equal(live, &new)).then_some(new))
    }

    /// Whether the last configuration had fields that the new one lacks.
    fn drops(&self, last: &Entry<'_>, own: &mut Entry<'_>) -> bool {
        if last.manager.api_version != self.api_version() {
            return true;
        }
        !last.clone().fields().clone().difference(own.fields()).is_empty()
    }

    /// Takes the changed fields from every entry but `own`.
    ///
    /// # Errors
    /// The conflicts, unless `force` is set.
    fn take(
        &self,
        live: &Value,
        new: &Value,
        changes: &Comparison<'_>,
        entries: &mut Entries<'_>,
        own: Option<&Manager<'_>>,
        force: bool,
    ) -> Result<(), NotApplied> {
        let others = OtherVersions::of(self, live, new, entries);
        let compared = others.compare(self)?;
        let changes_in = |version: &str| match version == self.api_version() {
            true => Some(changes),
            false => compared.iter().find(|(v, _)| *v == version).map(|(_, changes)| changes),
        };
        let is_own = |entry: &Entry<'_>| own.is_some_and(|own| entry.manager.is(own));
        entries.retain(|e| is_own(e) || changes_in(&e.manager.api_version).is_some());
        let mut conflicts = Vec::new();
        for entry in entries.iter_mut().filter(|e| !force && !is_own(e)) {
            if let Some(changes) = changes_in(&entry.manager.api_version.clone()) {
                let manager = entry.manager.clone();
                let contested = [&changes.modified, &changes.added]
                    .map(|set| entry.fields().intersection(set))
                    .into_iter()
                    .reduce(Set::union)
                    .unwrap_or_default();
                conflicts.extend(conflict::with_manager(&manager, &contested));
            }
        }
        if !conflicts.is_empty() {
            return Err(NotApplied::Conflicts(conflicts));
        }
        for entry in entries.iter_mut().filter(|e| !is_own(e)) {
            if let Some(changes) = changes_in(&entry.manager.api_version.clone()) {
                let sets = [&changes.modified, &changes.added, &changes.removed];
                entry.change(|fields| sets.into_iter().fold(fields, Set::difference));
            }
        }
        Ok(())
    }
}

/// Both objects in the other versions that entries are in.
struct OtherVersions<'v> {
    converted: Vec<(String, Type<'v>, Value, Value)>,
}

impl<'v> OtherVersions<'v> {
    fn of(updater: &Updater<'v>, live: &Value, new: &Value, entries: &mut Entries<'_>) -> Self {
        let mut converted: Vec<(String, Type<'v>, Value, Value)> = Vec::new();
        let (versions, from) = (&updater.versions, updater.api_version());
        for entry in entries.iter_mut() {
            let version = entry.manager.api_version.as_ref();
            if version == from || converted.iter().any(|(v, ..)| v == version) {
                continue;
            }
            let old = versions.convert(live, from, version);
            let new = versions.convert(new, from, version);
            if let (Some(ty), Some(old), Some(new)) = (versions.ty(version), old, new) {
                converted.push((version.to_owned(), ty, old, new));
            }
        }
        OtherVersions { converted }
    }

    fn compare(&self, updater: &Updater<'_>) -> Result<Vec<(&str, Comparison<'_>)>, Nameless> {
        let compared = self.converted.iter().map(|(version, ty, old, new)| {
            Ok((version.as_str(), compare(*ty, old, new)?.without(&updater.reset)))
        });
        compared.collect()
    }
}
