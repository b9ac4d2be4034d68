//! The cluster as it was: `/at/<moment>` in front of any path of the API.
//!
//! A request for the past is answered by a server of its own: the same verbs over a store that
//! holds what the request reads and nothing else, with the kinds as they were defined then. So
//! tables, selectors, pages, versions and discovery need nothing of their own.

mod moment;
mod store;

pub use moment::Moment;

use crate::custom::DEFINITIONS;
use crate::errors::{bad_request, history_error, read_error, unavailable, version_too_large};
use crate::http::{Place, Query, RequestInfo};
use crate::list::Token;
use crate::registry::LiveRegistry;
use crate::server::ApiServer;
use crate::subresource::CONNECTIONS;
use crate::verbs::FUTURE_WAIT;
use http::Method;
use jiff::Timestamp;
use parking_lot::Mutex;
use reddwarf_core::status::StatusDetails;
use reddwarf_core::{BranchId, Collection, CommitRef, History, Reason, Revision, Status, View};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use store::PastStore;

/// States of the past whose kinds are kept.
const REGISTRIES_MAX: usize = 16;

/// The kinds of the past that were read lately.
#[derive(Default)]
pub struct Past {
    builtin: OnceLock<Arc<LiveRegistry>>,
    registries: Mutex<VecDeque<(Revision, Arc<LiveRegistry>)>>,
}

/// The server that answers a request for a moment of the past.
///
/// # Errors
/// 400 for what names no moment, 404 for a commit that is not there, 405 for everything but reads,
/// 410 for a moment below the floor, 504 for a revision that is not reached in time.
pub async fn open(
    server: &ApiServer,
    moment: &str,
    method: &Method,
    place: &Place,
    query: &Query,
) -> Result<ApiServer, Box<Status>> {
    refuse_all_but_reads(method, place, query)?;
    let moment = Moment::parse(moment).map_err(bad_request)?;
    let revision = match revision_of_page(query) {
        Some(revision) => revision,
        None => resolve(server, &moment).await?,
    };
    let (registry, mut view) = (registry(server, place, revision).await?, View::default());
    view.revision = revision;
    if let Place::Resource(info) = place {
        view = read(server, &registry, info, revision).await?;
    }
    let store = PastStore { view, present: server.store().clone() };
    Ok(server.over(Arc::new(store), registry))
}

fn refuse_all_but_reads(method: &Method, place: &Place, query: &Query) -> Result<(), Box<Status>> {
    let refused = |what: &str| {
        let message = format!("{what} is not possible in the past, which is read-only");
        let status = Status::failure(Reason::MethodNotAllowed, message);
        Err(Box::new(status.with_details(StatusDetails::default())))
    };
    if *method != Method::GET && *method != Method::HEAD {
        return refused(method.as_str());
    }
    let Place::Resource(info) = place else { return Ok(()) };
    if info.verb(method, query) == "watch" {
        return refused("watch");
    }
    match info.subresource.as_deref() {
        Some(connection) if CONNECTIONS.contains(&connection) => refused(connection),
        _ => Ok(()),
    }
}

/// The state that the first page of a list showed: `/at/-10m` is another moment by now.
fn revision_of_page(query: &Query) -> Option<Revision> {
    let token = Token::decode(query.text("continue")?).ok()?;
    token.revision.map(Revision)
}

/// The end of the commit that a moment names.
///
/// # Errors
/// The failure to be answered.
pub(crate) async fn resolve(server: &ApiServer, moment: &Moment) -> Result<Revision, Box<Status>> {
    let store = server.store();
    // What was applied does not change any more, so that it can be read without a majority, too.
    let is_here =
        matches!(moment, Moment::Commit(CommitRef::Revision(at)) if *at <= store.view().revision);
    if !is_here {
        store.read_barrier().await.map_err(read_error)?;
    }
    let time_ms = match moment {
        Moment::Commit(commit) => return commit_end(server, commit).await,
        Moment::Time(time_ms) if *time_ms > now_ms() => {
            return Err(bad_request("the moment lies in the future"));
        }
        Moment::Time(time_ms) => *time_ms,
        Moment::Ago(ago) => {
            now_ms().saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))
        }
    };
    history(server)?.resolve_time(time_ms).await.map_err(history_error)
}

async fn commit_end(server: &ApiServer, commit: &CommitRef) -> Result<Revision, Box<Status>> {
    if let CommitRef::Revision(revision) = commit {
        let store = server.store();
        if *revision == Revision::ZERO {
            return Ok(Revision::ZERO);
        }
        let view = store.view();
        if view.is_lost(*revision) {
            return Err(lost(*revision, &view));
        }
        if view.lost.iter().any(|lost| lost.through == *revision) {
            return Ok(*revision);
        }
        if store.view().revision < *revision && !store.wait_for(*revision, FUTURE_WAIT).await {
            return Err(version_too_large(revision.0, store.view().revision));
        }
    }
    let found = history(server)?.commit(commit).await.map_err(history_error)?;
    let Some(found) = found else {
        let message = format!("there is no commit {commit}");
        return Err(Box::new(Status::failure(Reason::NotFound, message)));
    };
    Ok(found.header.last)
}

/// 410 of a revision that only a group has told that is gone.
fn lost(revision: Revision, view: &View) -> Box<Status> {
    let lost = view.lost.iter().find(|lost| lost.covers(revision));
    let (after, through) = lost.map_or_else(Default::default, |lost| (lost.after, lost.through));
    let message = format!(
        "revision {revision} was lost: this group was recovered from revision {after}, and counts \
         on from {through}"
    );
    Box::new(Status::failure(Reason::Expired, message))
}

fn history(server: &ApiServer) -> Result<&dyn History, Box<Status>> {
    server.store().history().ok_or_else(|| unavailable("this store keeps no history"))
}

fn now_ms() -> u64 {
    Timestamp::now().as_millisecond().try_into().unwrap_or_default()
}

/// The kinds as they were: built-in ones always, custom ones where a request may be about them.
async fn registry(
    server: &ApiServer,
    place: &Place,
    revision: Revision,
) -> Result<Arc<LiveRegistry>, Box<Status>> {
    let past = server.past();
    if let Place::Resource(info) = place {
        let builtin = past.builtin.get_or_init(|| Arc::new(LiveRegistry::builtin()));
        if builtin.current().has_builtin_group(&info.group) {
            return Ok(builtin.clone());
        }
    }
    let known = |(at, _): &&(Revision, _)| *at == revision;
    if let Some((_, registry)) = past.registries.lock().iter().find(known) {
        return Ok(registry.clone());
    }
    let (group, plural) = DEFINITIONS;
    let definitions = collection(server, &Collection::new(group, plural), None, revision).await?;
    let registry = Arc::new(LiveRegistry::builtin());
    registry.refresh(&PastStore { view: definitions, present: server.store().clone() });
    let mut registries = past.registries.lock();
    if registries.len() == REGISTRIES_MAX {
        registries.pop_front();
    }
    registries.push_back((revision, registry.clone()));
    Ok(registry)
}

/// The objects that a request is about.
async fn read(
    server: &ApiServer,
    registry: &LiveRegistry,
    info: &RequestInfo,
    revision: Revision,
) -> Result<View, Box<Status>> {
    let mut view = View { revision, ..View::default() };
    let registry = registry.current();
    let Some(kind) = registry.resource(&info.group, &info.version, &info.resource) else {
        return Ok(view);
    };
    let kept = &kind.storage.collection;
    let namespace = info.namespace.as_deref();
    let Some(name) = &info.name else {
        return collection(server, kept, namespace, revision).await;
    };
    let key = kept.key(namespace.unwrap_or_default(), name);
    let history = history(server)?;
    let found = history.object_at(BranchId::MAIN, &key, revision).await.map_err(history_error)?;
    if let Some(object) = found {
        view.objects.insert(key, object);
    }
    Ok(view)
}

async fn collection(
    server: &ApiServer,
    collection: &Collection,
    namespace: Option<&str>,
    revision: Revision,
) -> Result<View, Box<Status>> {
    let history = history(server)?;
    let view = history.collection_at(BranchId::MAIN, collection, namespace, revision).await;
    view.map_err(history_error)
}
