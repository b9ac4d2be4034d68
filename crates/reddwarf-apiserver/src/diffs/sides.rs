//! The two states that are compared.

use crate::branches::{Trace, Version, find, no_branch, point};
use crate::errors::{read_error, unavailable};
use crate::server::ApiServer;
use reddwarf_core::{BranchId, LinePoint, ObjectKey, Place, Revision, Status, View};
use serde_json::{Value, json};

/// A state: that of a line at one of its commits.
pub(super) struct Side {
    place: Place,
    trace: Trace,
    /// What the answer says of it.
    shown: Value,
}

/// An object that differs.
pub(super) struct Differing {
    pub(super) key: ObjectKey,
    pub(super) before: Version,
    pub(super) after: Version,
}

impl Side {
    /// The state that a text names: what [`point`] reads, or the present of main when it is empty.
    ///
    /// # Errors
    /// The failure to be answered.
    pub(super) async fn find(server: &ApiServer, text: &str) -> Result<Side, Box<Status>> {
        let found = match text {
            "" | "now" => {
                server.store().read_barrier().await.map_err(read_error)?;
                LinePoint::of_main(server.store().view().head)
            }
            text => point(server, text).await?,
        };
        Side::of(&server.store().view(), found.place())
    }

    fn of(view: &View, place: Place) -> Result<Side, Box<Status>> {
        let trace = Trace::of(view, place)?;
        let mut shown = json!({"revision": place.revision.to_string()});
        if let Some((name, branch)) = view.line(place.line) {
            shown["base"] = branch.at.base.revision.to_string().into();
            shown["branch"] = name.map_or("", |name| name).into();
        }
        Ok(Side { place, trace, shown })
    }

    pub(super) fn shown(&self) -> &Value {
        &self.shown
    }

    /// The text that names this state.
    pub(super) fn text(&self) -> String {
        let revision = self.place.revision;
        match self.shown["branch"].as_str() {
            None => revision.to_string(),
            Some(name) => format!("branches/{name}@{revision}"),
        }
    }
}

/// The state with which a branch is compared: the newest that it has of the line where it began.
///
/// # Errors
/// 404 for a branch that there is not.
pub(super) async fn base_of(server: &ApiServer, name: &str) -> Result<Side, Box<Status>> {
    server.store().read_barrier().await.map_err(read_error)?;
    let view = server.store().view();
    let at = find(server, name).ok_or_else(|| no_branch(name))?.at;
    let line = view.ancestry.has(at.place(), at.from).map(|_| at.from).unwrap_or(BranchId::MAIN);
    let revision = view.ancestry.has(at.place(), line).unwrap_or(Revision::ZERO);
    Side::of(&view, Place { line, revision })
}

/// The objects that differ, by key, only those of `namespace` when it is not empty.
///
/// # Errors
/// The failure to be answered.
pub(super) async fn differing(
    server: &ApiServer,
    from: &Side,
    to: &Side,
    namespace: &str,
) -> Result<Vec<Differing>, Box<Status>> {
    let history = server.store().history();
    let history = history.ok_or_else(|| unavailable("this store keeps no history"))?;
    let mut differing = Vec::new();
    for key in from.trace.differing(&to.trace, history).await? {
        if !namespace.is_empty() && key.namespace() != namespace {
            continue;
        }
        let before = from.trace.version(history, &key).await?;
        let after = to.trace.version(history, &key).await?;
        let revision = |version: &Version| version.as_ref().map(|version| version.revision);
        if revision(&before) != revision(&after) {
            differing.push(Differing { key, before, after });
        }
    }
    Ok(differing)
}
