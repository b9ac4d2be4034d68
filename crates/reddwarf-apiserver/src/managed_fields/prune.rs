//! Removes what an applier no longer applies and nobody else owns.

use super::contents::field_set;
use super::entries::Entries;
use super::entry::Entry;
use super::remove::remove;
use super::set::Set;
use super::typed::Type;
use super::versions::Versions;
use serde_json::Value;
use std::borrow::Cow;

/// The object without the fields that the applier's `last` configuration had, its new one does
/// not have, and no entry owns.
///
/// `entries` has the applier's new fields already. The object is in `api_version`.
pub fn prune(
    merged: Value,
    api_version: &str,
    last: Entry<'_>,
    entries: &mut Entries<'_>,
    versions: &Versions<'_>,
) -> Value {
    let Some(pruning) = Pruning::begin(&merged, api_version, last, versions) else {
        return merged;
    };
    match pruning.run(entries) {
        Some(pruned) => pruned,
        None => merged,
    }
}

struct Pruning<'p> {
    versions: &'p Versions<'p>,
    /// The version of the object.
    api_version: &'p str,
    /// The version of the last configuration, in which fields are removed.
    last_version: String,
    /// The last configuration's fields.
    last: Set<'p>,
    /// The merged object in that version.
    merged: Cow<'p, Value>,
}

impl<'p> Pruning<'p> {
    fn begin(
        merged: &'p Value,
        api_version: &'p str,
        mut last: Entry<'p>,
        versions: &'p Versions<'p>,
    ) -> Option<Self> {
        let fields = std::mem::take(last.fields());
        let last_version = last.manager.api_version.into_owned();
        let merged = convert(versions, Cow::Borrowed(merged), api_version, &last_version)?;
        let nothing = fields.is_empty();
        (!nothing).then_some(Pruning { versions, api_version, last_version, last: fields, merged })
    }

    fn run(self, entries: &mut Entries<'_>) -> Option<Value> {
        let ty = self.versions.ty(&self.last_version)?;
        let last = self.last.clone().with_named_fields(Some(ty));
        let whole = all_fields(ty, &self.merged);
        let pruned = remove(ty, &self.merged, &last);
        let pruned = self.add_back_owned(&whole, pruned, entries)?;
        // Fields of nobody come back too: what the applier did not own before.
        let gone = whole.difference(&all_fields(ty, &pruned)).intersection(&last);
        let pruned = remove(ty, &self.merged, &gone);
        let pruned = Cow::Owned(pruned);
        Some(convert(self.versions, pruned, &self.last_version, self.api_version)?.into_owned())
    }

    /// Puts back what somebody owns (the applier's new configuration, too): first in the
    /// version in which fields were removed, so that later conversions find what they need.
    fn add_back_owned(
        &self,
        whole: &Set<'_>,
        pruned: Value,
        entries: &mut Entries<'_>,
    ) -> Option<Value> {
        let mut versions: Vec<String> = vec![self.last_version.clone()];
        for entry in entries.iter_mut() {
            if versions.iter().all(|v| *v != entry.manager.api_version) {
                versions.push(entry.manager.api_version.to_string());
            }
        }
        let (mut kept, mut kept_version) = (pruned, self.last_version.clone());
        for version in versions {
            let Some(ty) = self.versions.ty(&version) else { continue };
            let merged = Cow::Borrowed(&*self.merged);
            let merged = convert(self.versions, merged, &self.last_version, &version);
            let pruned = convert(self.versions, Cow::Borrowed(&kept), &kept_version, &version);
            if let (Some(merged), Some(pruned)) = (merged, pruned) {
                let left = all_fields(ty, &pruned);
                let mut gone = match version == self.last_version {
                    true => whole.clone().difference(&left),
                    false => all_fields(ty, &merged).difference(&left),
                };
                for entry in entries.iter_mut().filter(|e| e.manager.api_version == version) {
                    let owned = entry.fields().clone().with_named_fields(Some(ty));
                    gone = gone.difference(&owned);
                }
                (kept, kept_version) = (remove(ty, &merged, &gone), version);
            }
        }
        let kept = Cow::Owned(kept);
        Some(convert(self.versions, kept, &kept_version, &self.last_version)?.into_owned())
    }
}

/// The object in another version; as it is when that is its own.
fn convert<'v>(
    versions: &Versions<'_>,
    object: Cow<'v, Value>,
    from: &str,
    to: &str,
) -> Option<Cow<'v, Value>> {
    match from == to {
        true => Some(object),
        false => versions.convert(&object, from, to).map(Cow::Owned),
    }
}

/// The fields of an object, named ones included.
fn all_fields<'a>(ty: Type<'_>, object: &'a Value) -> Set<'a> {
    field_set(ty, object).with_named_fields(Some(ty))
}
