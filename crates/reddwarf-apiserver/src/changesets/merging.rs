//! Bringing live objects to what is wished of them, field by field.

use super::managed;
use super::refusal::{about, named};
use super::session::{Session, path};
use super::wish::Wish;
use crate::commits::fields::with_topology;
use crate::object::{meta, name, set_meta, terminating};
use crate::registry::Kind;
use reddwarf_core::gvk::parse_api_version;
use reddwarf_core::status::{StatusCause, StatusDetails};
use reddwarf_core::{
    Change, CommitRef, FieldPath, ObjectKey, Reason, Revision, Status, StoredObject,
};
use reddwarf_versioning::{Conflict, Merged, Side, UNDECIDED, merge};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Conflicts that one answer tells one by one.
const CONFLICTS_MAX: usize = 100;
/// Digits of its id by which a commit is named.
const NAMED_DIGITS: usize = 12;
/// What is an object's own rather than its content.
const IDENTITY: [&str; 6] =
    ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink"];

/// Whose version is taken where both sides changed a field.
#[derive(Clone, Debug, Default)]
pub(super) struct Preference {
    /// Paths of which the live version is kept, as conflicts name them; `*` for all.
    pub(super) ours: Vec<String>,
    /// Paths of which the wished version is taken.
    pub(super) theirs: Vec<String>,
}

impl Preference {
    fn side(&self, key: &ObjectKey, path: &FieldPath) -> Option<Side> {
        let path = path.to_string();
        let whole = format!("{}: {path}", named(key));
        let meant =
            |one: &String| *one == "*" || *one == path || *one == whole || *one == named(key);
        if self.theirs.iter().any(meant) {
            return Some(Side::Theirs);
        }
        self.ours.iter().any(meant).then_some(Side::Ours)
    }
}

/// A conflict of one object.
struct Found {
    key: ObjectKey,
    conflict: Conflict,
    /// The revisions of our version and of theirs, where the object exists there.
    sides: [Option<Revision>; 2],
}

/// An object that changes.
struct Target {
    key: ObjectKey,
    /// The object as it is to be, without what is its own.
    object: Value,
    /// Its managed fields.
    managed: Value,
    /// The uid that it has where it comes from.
    uid: String,
    owners: Vec<String>,
    /// The object as the other line has it, where a branch takes it over: it is the same one there.
    known: Option<Value>,
}

impl Session<'_> {
    /// Brings the live objects to what is wished.
    ///
    /// # Errors
    /// 409 with all conflicts as causes; the failure of the first object that cannot become what
    /// it is to be.
    pub(super) async fn bring(
        &mut self,
        wishes: Vec<Wish>,
        preference: &Preference,
    ) -> Result<(), Box<Status>> {
        let into_branch = self.x.server.branch().is_some() && self.set.source.is_merge();
        let (mut targets, mut gone, mut conflicts) = (Vec::new(), Vec::new(), Vec::new());
        for wish in wishes {
            let live = self.staging.overlay().base().get(&wish.key).cloned();
            // What was compared must still be so when the others change.
            self.staging.overlay().rely_on(&wish.key);
            let [ours, theirs] = [&live, &wish.wished].map(content);
            let base = wish.base.content();
            let merged = self.merged(&wish.key, [&base, &ours, &theirs], preference);
            let key = &wish.key;
            let revision = |version: &Option<Arc<StoredObject>>| Some(version.as_ref()?.revision);
            let sides = [revision(&live), revision(&wish.wished)];
            let told = |conflict| Found { key: key.clone(), conflict, sides };
            conflicts.extend(merged.conflicts.into_iter().map(told));
            if merged.value == ours {
                continue;
            }
            match merged.value {
                None => gone.push(wish.key),
                Some(object) => {
                    let versions = [wish.base.newest(), &live, &wish.wished];
                    let mut target = target(wish.key.clone(), object, versions);
                    target.known = target.known.filter(|_| into_branch);
                    targets.push(target);
                }
            }
            tokio::task::yield_now().await;
        }
        if !conflicts.is_empty() {
            return Err(self.conflicting(&conflicts).await);
        }
        self.put_all(targets).await?;
        // Namespaces and definitions go last: what is in them goes first.
        gone.sort_by_key(|key| std::cmp::Reverse(rank(key)));
        for key in gone {
            self.remove(&key).await?;
        }
        Ok(())
    }

    fn merged(
        &self,
        key: &ObjectKey,
        [base, ours, theirs]: [&Option<Value>; 3],
        preference: &Preference,
    ) -> Merged {
        let prefer = |path: &FieldPath| preference.side(key, path);
        let of_kind = theirs.as_ref().or(ours.as_ref()).unwrap_or(&Value::Null);
        let registry = self.staging.server.registry();
        with_topology(&registry, key, of_kind, |topology| {
            merge(base.as_ref(), ours.as_ref(), theirs.as_ref(), topology, &prefer)
        })
    }

    /// Puts objects, owners before what they own, and each into what it needs.
    async fn put_all(&mut self, mut targets: Vec<Target>) -> Result<(), Box<Status>> {
        targets.sort_by_key(|target| rank(&target.key));
        let mut left: BTreeSet<String> = targets.iter().map(|one| one.uid.clone()).collect();
        let mut uids: BTreeMap<String, String> = BTreeMap::new();
        while !targets.is_empty() {
            let ready = |one: &Target| one.owners.iter().all(|uid| !left.contains(uid));
            // Owners that own each other wait for nothing.
            let at = targets.iter().position(ready).unwrap_or(0);
            let target = targets.remove(at);
            let now = self.put(&target, &uids).await?;
            left.remove(&target.uid);
            uids.insert(target.uid, now);
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Puts one object; answers its uid.
    async fn put(
        &mut self,
        target: &Target,
        uids: &BTreeMap<String, String>,
    ) -> Result<String, Box<Status>> {
        let key = &target.key;
        let mut object = target.object.clone();
        own_anew(&mut object, uids);
        let kind = self.kind_of(key, &object)?;
        let live = self.live(key);
        let of_one = path(&kind, key.namespace(), key.name());
        match &live {
            // A new object has no status yet: what another one had come to is not true of it.
            None => {
                let (all, _) = of_one.rsplit_once('/').unwrap_or_default();
                self.send_json(key, "POST", all, &object).await?;
                if let Some(known) = &target.known {
                    self.rewrite(self.x.put(key.clone(), known));
                }
            }
            Some(live) => {
                keep_identity(&mut object, live);
                self.send_json(key, "PUT", &of_one, &object).await?;
                self.put_status(&kind, key, &of_one, &object).await?;
            }
        }
        if live.is_some() || target.known.is_none() {
            self.keep_managed(key, &target.managed);
        }
        self.follow_up(key).await?;
        self.applied.push(key.clone());
        Ok(self.live(key).map(|live| meta(&live, "uid").to_owned()).unwrap_or_default())
    }

    async fn put_status(
        &mut self,
        kind: &Kind,
        key: &ObjectKey,
        of_one: &str,
        object: &Value,
    ) -> Result<(), Box<Status>> {
        let Some(live) = self.live(key) else { return Ok(()) };
        if kind.subresource("status").is_none() || live["status"] == object["status"] {
            return Ok(());
        }
        let mut changed = live.clone();
        match &object["status"] {
            Value::Null => drop(changed.as_object_mut().and_then(|map| map.shift_remove("status"))),
            status => changed["status"] = status.clone(),
        }
        self.send_json(key, "PUT", &format!("{of_one}/status"), &changed).await
    }

    async fn remove(&mut self, key: &ObjectKey) -> Result<(), Box<Status>> {
        let Some(live) = self.live(key) else { return Ok(()) };
        let kind = self.kind_of(key, &live)?;
        let path = path(&kind, key.namespace(), key.name());
        let path = format!("{path}?propagationPolicy=Background");
        self.send(key, "DELETE", &path, None).await?;
        self.pruned.push(key.clone());
        Ok(())
    }

    async fn send_json(
        &mut self,
        key: &ObjectKey,
        method: &str,
        path: &str,
        object: &Value,
    ) -> Result<(), Box<Status>> {
        self.send(key, method, path, Some(("application/json", object))).await
    }

    /// The fields stay whose they are on both sides, rather than all become the merger's.
    fn keep_managed(&mut self, key: &ObjectKey, managed: &Value) {
        let Some(mut live) = self.live(key) else { return };
        if managed.as_array().is_none_or(Vec::is_empty)
            || live["metadata"]["managedFields"] == *managed
        {
            return;
        }
        set_meta(&mut live, "managedFields", Some(managed.clone()));
        let change = self.x.put(key.clone(), &live);
        self.rewrite(change);
    }

    fn rewrite(&self, change: Change) {
        let written = self.staging.overlay().write(&[], vec![change]);
        debug_assert!(written.is_ok(), "the object was put just now");
    }

    /// 409 that tells every conflict, and who made the two versions.
    async fn conflicting(&self, conflicts: &[Found]) -> Box<Status> {
        let mut causes = Vec::new();
        for Found { key, conflict, sides: [ours, theirs] } in conflicts.iter().take(CONFLICTS_MAX) {
            let message = format!(
                "base {}, ours {}{}, theirs {}{}",
                shown(&conflict.base),
                shown(&conflict.ours),
                self.made_by(*ours).await,
                shown(&conflict.theirs),
                self.made_by(*theirs).await,
            );
            let field = format!("{}: {}", named(key), conflict.path);
            causes.push(StatusCause { reason: "MergeConflict".to_owned(), field, message });
        }
        let keys: BTreeSet<&ObjectKey> = conflicts.iter().map(|one| &one.key).collect();
        let plural = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            _ => format!("{count} {what}s"),
        };
        let message = format!(
            "{} in {}; nothing was changed",
            plural(conflicts.len(), "conflict"),
            plural(keys.len(), "object")
        );
        let details = StatusDetails { causes, ..StatusDetails::default() };
        Box::new(Status::failure(Reason::Conflict, message).with_details(details))
    }

    /// Who made a version: ` (ann, commit 0123456789ab)`.
    async fn made_by(&self, revision: Option<Revision>) -> String {
        let history = self.x.server.store().history();
        let (Some(revision), Some(history)) = (revision, history) else { return String::new() };
        match history.commit(&CommitRef::Revision(revision)).await {
            Ok(Some(commit)) => {
                let id = commit.id.to_string();
                format!(" ({}, commit {})", commit.header.author.user, &id[..NAMED_DIGITS])
            }
            _ => String::new(),
        }
    }

    /// The object as it stands in the set.
    fn live(&self, key: &ObjectKey) -> Option<Value> {
        serde_json::from_slice(&self.staging.overlay().view().get(key)?.bytes).ok()
    }

    fn kind_of(&self, key: &ObjectKey, object: &Value) -> Result<Arc<Kind>, Box<Status>> {
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = parse_api_version(api_version).unwrap_or_default();
        let registry = self.staging.server.registry();
        registry.resource(group, version, key.resource()).cloned().ok_or_else(|| {
            let message = format!("no matches for {} in version {api_version:?}", key.resource());
            about(key, Box::new(Status::failure(Reason::NotFound, message)))
        })
    }
}

/// What is compared of a version: all but what is its own. One that is on its way out is gone.
pub(super) fn content(version: &Option<Arc<StoredObject>>) -> Option<Value> {
    let object: Value = serde_json::from_slice(&version.as_ref()?.bytes).ok()?;
    if terminating(&object) {
        return None;
    }
    Some(without_own(object))
}

/// An object without what is its own.
pub(crate) fn without_own(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|field, _| !IDENTITY.contains(&field.as_str()));
    }
    object
}

fn target(key: ObjectKey, object: Value, versions: [&Option<Arc<StoredObject>>; 3]) -> Target {
    let [base, ours, theirs] = versions.map(|version| {
        let bytes = version.as_ref().map(|object| object.bytes.clone()).unwrap_or_default();
        serde_json::from_slice::<Value>(&bytes).unwrap_or_default()
    });
    let owners = object["metadata"]["ownerReferences"].as_array();
    let owners = owners.into_iter().flatten().filter_map(|owner| owner["uid"].as_str());
    Target {
        key,
        managed: managed::merged(&base, &ours, &theirs),
        uid: meta(&theirs, "uid").to_owned(),
        owners: owners.map(str::to_owned).collect(),
        known: Some(theirs),
        object,
    }
}

/// Owners that came anew have another uid.
fn own_anew(object: &mut Value, uids: &BTreeMap<String, String>) {
    let owners = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut);
    for owner in owners.into_iter().flatten() {
        let now = owner["uid"].as_str().and_then(|uid| uids.get(uid));
        if let Some(now) = now.filter(|now| !now.is_empty()) {
            owner["uid"] = now.as_str().into();
        }
    }
}

/// Gives an object the identity that it has.
pub(crate) fn keep_identity(object: &mut Value, live: &Value) {
    for field in IDENTITY {
        let value = live["metadata"].get(field).cloned();
        set_meta(object, field, value);
    }
    debug_assert_eq!(name(object), name(live));
}

/// Definitions of kinds first, then namespaces.
fn rank(key: &ObjectKey) -> u8 {
    match key.collection() {
        "apiextensions.k8s.io/customresourcedefinitions" => 0,
        "/namespaces" => 1,
        _ => 2,
    }
}

fn shown(value: &Option<Value>) -> String {
    const SHOWN_MAX: usize = 200;
    if value.as_ref().is_some_and(|value| *value == UNDECIDED) {
        return UNDECIDED.trim_start_matches('\0').to_owned();
    }
    let mut text = value.as_ref().map_or("absent".to_owned(), Value::to_string);
    if text.len() > SHOWN_MAX {
        let end = (0..=SHOWN_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}
