//! Every live namespace has a service account `default` and a config map `kube-root-ca.crt`.

use super::{AS_CONTROLLER_MANAGER, Background, RETRY_PAUSE};
use crate::bootstrap::{default_account, root_ca};
use reddwarf_core::{
    Collection, ObjectKey, Reason, Revision, Status, View, WatchClosed, WatchStream,
};
use serde_json::Value;
use std::collections::BTreeSet;

const ACCOUNT: &str = "default";
const ROOT_CA: &str = "kube-root-ca.crt";

pub(super) async fn run(background: &Background) {
    loop {
        if let Err(why) = follow(background).await {
            tracing::debug!(%why, "following namespaces begins anew");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

/// Why following the changes ended.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error("a watch could not be opened")]
    Open(#[from] reddwarf_core::ReadError),
    #[error("a watch was closed")]
    Closed(#[from] WatchClosed),
}

/// Looks at all namespaces once, then at those that a change concerns.
async fn follow(background: &Background) -> Result<(), Interrupted> {
    let view = background.store.view();
    let mut changes = Changes::open(background, view.revision)?;
    let all = view.list(&namespaces(), None, None);
    let mut due: BTreeSet<String> = all.map(|o| o.key.name().to_owned()).collect();
    loop {
        let view = background.store.view();
        let mut failed = BTreeSet::new();
        for name in std::mem::take(&mut due) {
            if let Err(status) = complete(background, &view, &name).await {
                tracing::warn!(%status, namespace = name, "a namespace's defaults were not made");
                failed.insert(name);
            }
        }
        due = failed;
        if due.is_empty() {
            changes.next(&mut due).await?;
        } else {
            tokio::select! {
                more = changes.next(&mut due) => more?,
                () = tokio::time::sleep(RETRY_PAUSE) => {}
            }
        }
    }
}

fn namespaces() -> Collection {
    Collection::new("", "namespaces")
}

/// The three watches that tell which namespaces to look at.
struct Changes {
    namespaces: Box<dyn WatchStream>,
    accounts: Box<dyn WatchStream>,
    config_maps: Box<dyn WatchStream>,
}

impl Changes {
    fn open(background: &Background, from: Revision) -> Result<Self, reddwarf_core::ReadError> {
        let watch = |resource| background.store.watch(&Collection::new("", resource), from);
        Ok(Changes {
            namespaces: watch("namespaces")?,
            accounts: watch("serviceaccounts")?,
            config_maps: watch("configmaps")?,
        })
    }

    /// Waits for changes and adds the namespaces that they concern; cancel safe.
    async fn next(&mut self, due: &mut BTreeSet<String>) -> Result<(), WatchClosed> {
        let batch = tokio::select! {
            batch = self.namespaces.next() => batch?,
            batch = self.accounts.next() => batch?,
            batch = self.config_maps.next() => batch?,
        };
        due.extend(batch.events.iter().filter_map(|event| concerned(&event.key)));
        Ok(())
    }
}

fn concerned(key: &ObjectKey) -> Option<String> {
    match (key.resource(), key.name()) {
        ("namespaces", name) => Some(name.to_owned()),
        ("serviceaccounts", ACCOUNT) | ("configmaps", ROOT_CA) => Some(key.namespace().to_owned()),
        _ => None,
    }
}

/// Makes what a live namespace lacks, and puts right a root certificate that was changed.
async fn complete(background: &Background, view: &View, name: &str) -> Result<(), Box<Status>> {
    let live = view
        .get(&ObjectKey::new("", "namespaces", "", name))
        .is_some_and(|ns| ns.index.field("status.phase") != "Terminating");
    if !live {
        return Ok(());
    }
    if view.get(&ObjectKey::new("", "serviceaccounts", name, ACCOUNT)).is_none() {
        send(background, "POST", name, "serviceaccounts", &default_account()).await?;
    }
    let wanted = root_ca(&background.bootstrap.ca_pem);
    match view.get(&ObjectKey::new("", "configmaps", name, ROOT_CA)) {
        None => send(background, "POST", name, "configmaps", &wanted).await,
        Some(stored) => {
            let stored: Value = serde_json::from_slice(&stored.bytes).unwrap_or_default();
            if stored["data"] == wanted["data"] {
                return Ok(());
            }
            send(background, "PUT", name, &format!("configmaps/{ROOT_CA}"), &wanted).await
        }
    }
}

/// Another writer that was first, or a namespace that just went, is no failure: the watch will
/// tell what has become of it.
async fn send(
    background: &Background,
    method: &str,
    namespace: &str,
    below: &str,
    object: &Value,
) -> Result<(), Box<Status>> {
    let path = format!("/api/v1/namespaces/{namespace}/{below}{AS_CONTROLLER_MANAGER}");
    match background.client.request(method, &path, None, Some(object.to_string().into())).await {
        Ok(_) => Ok(()),
        Err(status)
            if [Reason::AlreadyExists, Reason::NotFound, Reason::Forbidden]
                .iter()
                .any(|r| status.is(*r)) =>
        {
            Ok(())
        }
        Err(status) => Err(status),
    }
}
