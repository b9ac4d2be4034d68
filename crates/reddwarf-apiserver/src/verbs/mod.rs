//! The verbs: from a decoded request to an answer.

mod apply;
mod attempt;
mod connect;
mod conversion;
mod create;
mod delete;
mod delete_collection;
mod exchange;
mod identity;
mod list;
mod modify;
mod ownership;
mod post;
mod read;
mod removal;
mod watch;

pub(crate) use attempt::ATTEMPTS_MAX;
pub use exchange::Exchange;
pub(crate) use exchange::shortened;
pub use read::{FUTURE_WAIT, not_older};
pub(crate) use watch::{Source, open as open_watch};

use crate::errors::{method_not_allowed, no_such_resource, not_found};
use crate::http::{Answer, RequestInfo};
use crate::registry::Kind;
use crate::{branches, changesets, commits, diffs};
use http::Method;
use reddwarf_core::Status;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read many.
    List,
    /// Follow changes.
    Watch,
    /// Make a new object, or post to a subresource.
    Create,
    /// Replace an object.
    Update,
    /// Change parts of an object.
    Patch,
    /// Delete an object.
    Delete,
    /// Delete many.
    DeleteCollection,
}

impl Verb {
    /// As authorization and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
        }
    }

    /// Finds the verb of a method on a path.
    ///
    /// # Errors
    /// See [`NoVerb`].
    pub fn of(
        method: &Method,
        info: &RequestInfo,
        kind: &Kind,
        watch: bool,
    ) -> Result<Verb, NoVerb> {
        let cluster_wide = info.namespace.is_none();
        let misplaced =
            if kind.namespaced() { cluster_wide && info.name.is_some() } else { !cluster_wide };
        if kind.custom.is_some() {
            let across = kind.namespaced() && cluster_wide;
            if misplaced || across && *method != Method::GET {
                return Err(NoVerb::Nowhere);
            }
            let unknown = |sub: &String| kind.subresource(sub).is_none();
            if info.subresource.as_ref().is_some_and(unknown) {
                let name = info.name.as_deref().unwrap_or_default();
                return Err(not_found(kind, name).into());
            }
        } else if misplaced {
            return Err(no_such_resource().into());
        }
        let verbs = match info.subresource.as_deref() {
            None => &kind.verbs,
            Some(name) => {
                let sub = kind.subresource(name).ok_or_else(no_such_resource)?;
                if !info.rest.is_empty() && name != "proxy" {
                    return Err(no_such_resource().into());
                }
                &sub.verbs
            }
        };
        let verb = Verb::of_method(method, info, watch).ok_or_else(method_not_allowed)?;
        let needs_namespace = matches!(verb, Verb::Create | Verb::DeleteCollection);
        // A definition on its way out lists fewer verbs than its objects still take.
        let served = verbs.has(verb.as_str()) || kind.custom.is_some();
        if !served || (needs_namespace && kind.namespaced() && cluster_wide) {
            return Err(method_not_allowed().into());
        }
        Ok(verb)
    }

    fn of_method(method: &Method, info: &RequestInfo, watch: bool) -> Option<Verb> {
        let named = info.name.is_some();
        Some(match *method {
            Method::GET if info.watch => Verb::Watch,
            _ if info.watch => return None,
            Method::GET if named => Verb::Get,
            Method::GET if watch => Verb::Watch,
            Method::GET => Verb::List,
            Method::POST if named && info.subresource.is_none() => return None,
            Method::POST => Verb::Create,
            Method::PUT if named => Verb::Update,
            Method::PATCH if named => Verb::Patch,
            Method::DELETE if named => Verb::Delete,
            Method::DELETE => Verb::DeleteCollection,
            _ => return None,
        })
    }
}

/// Why a request asks for nothing.
pub enum NoVerb {
    /// The path leads nowhere: a custom kind is not served there at all.
    Nowhere,
    /// 404 for a path that names nothing, 405 for a method that the path does not take.
    Refused(Box<Status>),
}

impl From<Box<Status>> for NoVerb {
    fn from(status: Box<Status>) -> Self {
        NoVerb::Refused(status)
    }
}

/// Serves one request.
///
/// # Errors
/// The failure to be answered.
pub async fn serve(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    if crate::subresource::CONNECTIONS.contains(&x.subresource()) {
        return connect::connect(x).await;
    }
    if commits::is_commit(x.kind) {
        return commits::serve(x).await;
    }
    if changesets::is_change_set(x.kind) {
        return changesets::serve(x).await;
    }
    if diffs::is_diff(x.kind) {
        return diffs::serve(x).await;
    }
    if branches::is_branch(x.kind) && !x.subresource().is_empty() {
        return branches::serve_part(x).await;
    }
    match x.verb {
        Verb::Get => read::get(x).await,
        Verb::List => list::list(x).await,
        Verb::Watch => watch::watch(x).await,
        Verb::Create if x.subresource().is_empty() && x.kind.stored() => create::create(x).await,
        Verb::Create => post::post(x).await,
        Verb::Update => modify::update(x).await,
        Verb::Patch => modify::patch(x).await,
        Verb::Delete => delete::delete(x).await,
        Verb::DeleteCollection => delete_collection::delete_collection(x).await,
    }
}
