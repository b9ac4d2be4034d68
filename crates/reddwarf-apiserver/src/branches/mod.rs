//! Branches: `branches` of `history.reddwarf.dev`, and the whole API on one of them below
//! `/branches/<name>`.
//!
//! A request for a branch is answered by a server of its own, the same verbs over a store that
//! shows the branch's base with its changes and that writes to the branch. The object that stands
//! for a branch is stored on main as any other is; `apply` sees to it that there is one as long as
//! the branch exists.

mod begin;
mod follow;
mod history;
mod store;
mod trace;

pub(crate) use begin::{begin, is_branch, point};

use crate::commits::GROUP;
use crate::custom::own;
use crate::errors::{history_error, method_not_allowed, read_error, unavailable};
use crate::http::{Answer, Place};
use crate::registry::{LiveRegistry, Registry, Subresource, Verbs};
use crate::server::ApiServer;
use crate::verbs::{Exchange, Verb};
use crate::{changesets, diffs, retention};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use parking_lot::Mutex;
use reddwarf_core::status::StatusDetails;
use reddwarf_core::{Branch, BranchId, Reason, Revision, Status, Store};
use std::collections::VecDeque;
use std::sync::Arc;
pub(crate) use store::BranchStore;
pub(crate) use trace::{Trace, Version};

const PLURAL: &str = "branches";
const DEFINITION: &[u8] = include_bytes!("definition.json");
/// Branches whose base a member keeps at hand, those that were read last: each holds what has
/// changed on main since.
const OPEN_MAX: usize = 16;

/// Adds the kind.
pub(crate) fn add(registry: &mut Registry) {
    own::serve(registry, DEFINITION, |kind| {
        for (name, body, verb) in [("diff", "Diff", "get"), ("merge", "ChangeSet", "create")] {
            kind.subresources.push(Subresource {
                name,
                group: GROUP.into(),
                version: kind.version.clone(),
                kind: body.into(),
                verbs: Verbs(vec![verb].into()),
            });
        }
    });
}

/// The branches that were read lately.
#[derive(Default)]
pub(crate) struct Branches {
    open: Mutex<VecDeque<Arc<Open>>>,
}

/// A branch at hand.
struct Open {
    store: Arc<BranchStore>,
    registry: Arc<LiveRegistry>,
    /// The head with which the kinds were read.
    kinds_of: Mutex<Revision>,
    /// The newest excision when the base was read, which may take away what stands there.
    excised: Option<Revision>,
}

/// Answers a request for a subresource of a branch.
///
/// # Errors
/// The failure to be answered.
pub(crate) async fn serve_part(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    match (x.subresource(), x.verb) {
        ("diff", Verb::Get) => diffs::of_branch(x).await,
        ("merge", Verb::Create) => changesets::merge(x).await,
        _ => Err(method_not_allowed()),
    }
}

/// The server that answers requests for a branch.
///
/// # Errors
/// 404 for a branch that there is not, 503 when that is not confirmed or its base cannot be read.
pub(crate) async fn open(server: &ApiServer, name: &str) -> Result<ApiServer, Box<Status>> {
    let (open, branch) = at_hand(server, name).await?;
    let mut kinds_of = open.kinds_of.lock();
    if *kinds_of < branch.at.head.revision {
        open.registry.refresh(&*open.store);
        *kinds_of = branch.at.head.revision;
    }
    Ok(server.on_branch(open.store.clone(), open.registry.clone()))
}

/// Does what must follow a write to a branch, which `server` answered.
///
/// It sends requests within this one, whose future would otherwise hold itself.
pub(crate) fn follow<'a>(
    present: &'a ApiServer,
    server: &'a ApiServer,
    name: &'a str,
    method: &'a Method,
    place: &'a Place,
) -> BoxFuture<'a, ()> {
    async move {
        if let Some(branch) = find(present, name) {
            follow::follow(server, &branch, method, place).await;
        }
    }
    .boxed()
}

async fn at_hand(server: &ApiServer, name: &str) -> Result<(Arc<Open>, Arc<Branch>), Box<Status>> {
    let mut found = find(server, name);
    if found.is_none() {
        // It may have been made on another member just now.
        server.store().read_barrier().await.map_err(read_error)?;
        found = find(server, name);
    }
    let branch = found.ok_or_else(|| no_branch(name))?;
    let open = match known(server, branch.at.id) {
        Some(open) => open,
        None => first(server, &branch).await?,
    };
    Ok((open, branch))
}

/// 404 for a branch that there is not.
pub(crate) fn no_branch(name: &str) -> Box<Status> {
    let message = format!("{PLURAL}.{GROUP} {name:?} not found");
    let details = StatusDetails {
        name: name.to_owned(),
        group: GROUP.to_owned(),
        kind: PLURAL.to_owned(),
        ..StatusDetails::default()
    };
    Box::new(Status::failure(Reason::NotFound, message).with_details(details))
}

/// The branch as this member's state has it.
pub(crate) fn find(server: &ApiServer, name: &str) -> Option<Arc<Branch>> {
    server.store().view().branches.get(name).cloned()
}

fn known(server: &ApiServer, id: BranchId) -> Option<Arc<Open>> {
    let mut all = server.branches().open.lock();
    let at = all.iter().position(|open| open.store.id() == id)?;
    let open = all.remove(at)?;
    if open.excised != retention::newest_excision(&server.store().view()) {
        return None;
    }
    all.push_back(open.clone());
    Some(open)
}

/// The branch of this number, over those below it; each is read where the next one began.
fn store_of(
    server: &ApiServer,
    id: BranchId,
) -> BoxFuture<'_, Result<Arc<BranchStore>, Box<Status>>> {
    async move {
        if let Some(open) = known(server, id) {
            return Ok(open.store.clone());
        }
        let present = server.store().clone();
        let view = present.view();
        let (name, branch) = view.line(id).ok_or_else(|| no_branch("of that number"))?;
        let below = match branch.at.from {
            BranchId::MAIN => None,
            from => Some(store_of(server, from).await?),
        };
        let history = match &below {
            Some(below) => below.history(),
            None => present.history(),
        };
        let history = history.ok_or_else(|| unavailable("this store keeps no history"))?;
        let base = history.state_at(branch.at.base.revision).await.map_err(history_error)?;
        let name = name.map_or("", |name| name);
        Ok(Arc::new(BranchStore::new(present.clone(), name, branch, base, below)))
    }
    .boxed()
}

async fn first(server: &ApiServer, branch: &Branch) -> Result<Arc<Open>, Box<Status>> {
    let excised = retention::newest_excision(&server.store().view());
    let store = store_of(server, branch.at.id).await?;
    let registry = Arc::new(LiveRegistry::builtin());
    registry.refresh(&*store);
    let kinds_of = Mutex::new(branch.at.head.revision);
    let open = Arc::new(Open { store, registry, kinds_of, excised });
    let mut all = server.branches().open.lock();
    if all.len() == OPEN_MAX {
        all.pop_front();
    }
    all.push_back(open.clone());
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_stored() {
        let mut registry = Registry::builtin();
        add(&mut registry);
        let kind = registry.resource(GROUP, "v1alpha1", PLURAL).expect("it is served");
        assert!(is_branch(kind) && kind.stored() && !kind.namespaced());
        assert_eq!(kind.storage.collection.as_str(), reddwarf_core::branch::BRANCHES);
    }
}
