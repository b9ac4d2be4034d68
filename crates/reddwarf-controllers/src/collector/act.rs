//! Carries a step out.

use super::plan::{Propagation, Step};
use crate::meta::{Meta, ORPHAN, OwnerRef, Uid, owner_references};
use bytes::Bytes;
use futures::StreamExt;
use reddwarf_core::api::ApiClient;
use reddwarf_core::{
    KindMap, ObjectKey, Reason, Revision, ServedKind, Status, Store, StoredObject,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Dependents of one owner that are written at once.
const WRITES_MAX: usize = 16;
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const MERGE: &str = "application/merge-patch+json";

/// How carrying out a step ended.
#[derive(Debug)]
pub enum Outcome {
    /// It is done, or need not be done any more.
    Done,
    /// The object changed meanwhile: it is to be looked at again.
    Changed,
    /// It failed.
    Failed(Box<Status>),
}

impl From<Result<(), Box<Status>>> for Outcome {
    fn from(result: Result<(), Box<Status>>) -> Self {
        match result {
            Ok(()) => Outcome::Done,
            Err(status) if status.is(Reason::NotFound) => Outcome::Done,
            Err(status) if status.is(Reason::Conflict) => Outcome::Changed,
            Err(status) => Outcome::Failed(status),
        }
    }
}

/// What writes are made with.
#[derive(Clone)]
pub struct Hands {
    pub client: Arc<dyn ApiClient>,
    pub store: Arc<dyn Store>,
    pub kinds: KindMap,
}

/// An object as a plan saw it.
struct Item<'a> {
    stored: &'a StoredObject,
    kind: &'a ServedKind,
    meta: Meta,
}

impl Hands {
    /// Does to an object what the plan, which saw it as `stored`, says.
    pub async fn act(&self, stored: &StoredObject, step: &Step) -> Outcome {
        let Some(kind) = self.kinds.of_key(&stored.key) else { return Outcome::Done };
        let item = Item { stored, kind, meta: Meta::read(stored) };
        match step {
            Step::Nothing | Step::AwaitKind | Step::Impossible => Outcome::Done,
            Step::Disown(owners) => self.disown(&item, owners).await.into(),
            Step::Unblock => match self.unblock(&item).await.into() {
                Outcome::Done => Outcome::Changed,
                other => other,
            },
            Step::Delete(propagation) => self.delete(&item, *propagation).await.into(),
            Step::Orphan(dependents) => match self.orphan(&item, dependents).await {
                Outcome::Done => self.release(&item, ORPHAN).await.into(),
                other => other,
            },
            Step::Release(finalizer) => self.release(&item, finalizer).await.into(),
        }
    }

    /// Deletes the object as it was seen. One that is changed all the time goes nevertheless, as
    /// long as its owners stay the same.
    async fn delete(&self, item: &Item<'_>, propagation: Propagation) -> Result<(), Box<Status>> {
        let seen = item.stored.revision;
        match self.delete_at(item, propagation, Some(seen)).await {
            Err(status) if status.is(Reason::Conflict) => {
                let view = self.store.view();
                let now = view.get(&item.stored.key);
                let same_owners = now.is_some_and(|now| {
                    now.index.uid == item.stored.index.uid
                        && now.revision != seen
                        && owner_references(now) == item.meta.owner_references
                });
                if same_owners {
                    self.delete_at(item, propagation, None).await
                } else {
                    Err(status)
                }
            }
            result => result,
        }
    }

    async fn delete_at(
        &self,
        item: &Item<'_>,
        propagation: Propagation,
        revision: Option<Revision>,
    ) -> Result<(), Box<Status>> {
        let mut preconditions = json!({"uid": item.meta.uid});
        if let Some(revision) = revision {
            preconditions["resourceVersion"] = revision.to_string().into();
        }
        let options = json!({
            "kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions,
            "propagationPolicy": propagation.as_str(),
        });
        let path = item.kind.path(&item.stored.key);
        tracing::debug!(%path, propagation = propagation.as_str(), "collecting an object");
        self.send("DELETE", &path, "application/json", &options).await
    }

    /// Takes references away, all others stay as they are.
    async fn disown(&self, item: &Item<'_>, owners: &[Uid]) -> Result<(), Box<Status>> {
        let removed: Vec<Value> =
            owners.iter().map(|uid| json!({"$patch": "delete", "uid": **uid})).collect();
        let kept = item.meta.owner_references.iter().filter(|r| !owners.contains(&r.uid));
        self.patch_owners(item, removed, kept.map(shown).collect()).await
    }

    /// Makes all references such that they block nothing.
    async fn unblock(&self, item: &Item<'_>) -> Result<(), Box<Status>> {
        let owners = &item.meta.owner_references;
        let open = |reference: &OwnerRef| {
            let blocks = reference.block_owner_deletion.map(|_| false);
            shown(&OwnerRef { block_owner_deletion: blocks, ..reference.clone() })
        };
        let changed = owners.iter().filter(|r| r.blocks()).map(open).collect();
        self.patch_owners(item, changed, owners.iter().map(open).collect()).await
    }

    /// Patches the owner references: by `parts` where the kind has merge keys, and otherwise with
    /// the whole list as it is to be.
    async fn patch_owners(
        &self,
        item: &Item<'_>,
        parts: Vec<Value>,
        whole: Vec<Value>,
    ) -> Result<(), Box<Status>> {
        let path = item.kind.path(&item.stored.key);
        let patch = json!({"metadata": {"uid": item.meta.uid, "ownerReferences": parts}});
        match self.send("PATCH", &path, STRATEGIC, &patch).await {
            Err(status) if status.is(Reason::UnsupportedMediaType) => {
                let whole = if whole.is_empty() { Value::Null } else { whole.into() };
                let version = item.stored.revision.to_string();
                let patch =
                    json!({"metadata": {"resourceVersion": version, "ownerReferences": whole}});
                self.send("PATCH", &path, MERGE, &patch).await
            }
            // The uid in the patch is not that of the object: it is another one by now.
            Err(status) if status.is(Reason::Invalid) && self.is_gone(item) => Ok(()),
            result => result,
        }
    }

    fn is_gone(&self, item: &Item<'_>) -> bool {
        let view = self.store.view();
        view.get(&item.stored.key).is_none_or(|now| now.index.uid != item.stored.index.uid)
    }

    /// Takes the reference to the owner from the dependents.
    async fn orphan(&self, owner: &Item<'_>, dependents: &[ObjectKey]) -> Outcome {
        let view = self.store.view();
        let uid = Uid::from(&*owner.meta.uid);
        let still = dependents
            .iter()
            .filter_map(|key| view.get(key))
            .filter(|stored| stored.index.owners.iter().any(|o| **o == *uid));
        let writes = still.map(|stored| {
            let uid = uid.clone();
            async move {
                let Some(kind) = self.kinds.of_key(&stored.key) else { return Outcome::Done };
                let item = Item { stored, kind, meta: Meta::read(stored) };
                self.disown(&item, &[uid]).await.into()
            }
        });
        let writes: Vec<_> = writes.collect();
        let mut outcomes = futures::stream::iter(writes).buffer_unordered(WRITES_MAX);
        let mut worst = Outcome::Done;
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Outcome::Done => {}
                Outcome::Changed if matches!(worst, Outcome::Failed(_)) => {}
                other => worst = other,
            }
        }
        worst
    }

    /// Takes a finalizer off the object as it was seen.
    async fn release(&self, item: &Item<'_>, finalizer: &str) -> Result<(), Box<Status>> {
        let kept: Vec<&str> =
            item.meta.finalizers.iter().map(|f| &**f).filter(|f| *f != finalizer).collect();
        let kept = if kept.is_empty() { Value::Null } else { json!(kept) };
        let version = item.stored.revision.to_string();
        let patch = json!({"metadata": {"resourceVersion": version, "finalizers": kept}});
        self.send("PATCH", &item.kind.path(&item.stored.key), MERGE, &patch).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<(), Box<Status>> {
        let body = Bytes::from(body.to_string());
        self.client.request(method, path, Some(content_type), Some(body)).await.map(drop)
    }
}

/// An owner reference as JSON.
fn shown(reference: &OwnerRef) -> Value {
    let OwnerRef { api_version, kind, name, uid, controller, block_owner_deletion } = reference;
    let mut shown = json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": **uid});
    for (field, flag) in [("controller", controller), ("blockOwnerDeletion", block_owner_deletion)]
    {
        if let Some(flag) = flag {
            shown[field] = (*flag).into();
        }
    }
    shown
}
