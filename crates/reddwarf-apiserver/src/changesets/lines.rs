//! What a merge of two lines wishes: what the one changed since their merge base.

use super::merging::content;
use super::spec::Merge;
use super::wish::{Base, Wish, Wishes};
use crate::branches::{Trace, Version, no_branch};
use crate::commits::fields::with_topology;
use crate::errors::{bad_request, read_error, unavailable};
use crate::registry::Registry;
use crate::server::ApiServer;
use futures::FutureExt;
use futures::future::BoxFuture;
use reddwarf_core::{
    BranchId, History, LinePoint, Links, ObjectKey, Place, Revision, Status, Store, View,
};
use reddwarf_versioning::common;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the line that the merge names has changed, for the line that `server` answers for.
///
/// # Errors
/// 404 for a line that is not there, 410 where the history does not reach back far enough.
pub(super) async fn of_line(server: &ApiServer, merge: &Merge) -> Result<Wishes, Box<Status>> {
    let into = server.branch();
    let store = server.main();
    let (view, source) = newest(store, &merge.branch).await?;
    let target = match into {
        None => Place { line: BranchId::MAIN, revision: view.head.revision },
        Some(branch) => branch.branch(&view).ok_or_else(|| no_branch(branch.name()))?.at.place(),
    };
    if source.line == target.line {
        return Err(bad_request(format!("{} cannot be merged into itself", merge.branch)));
    }
    let history = store.history().ok_or_else(|| unavailable("this store keeps no history"))?;
    let (from, into) = (view.own_place(source.place()), view.own_place(target));
    let bases = view.ancestry.merge_bases(from, into);
    let message = match merge.branch.as_str() {
        "main" => "Merge main".to_owned(),
        name => format!("Merge branch {name}"),
    };
    if bases == [from] {
        return Ok(Wishes { message, ..Wishes::default() });
    }
    let trace = Trace::of(&view, from)?;
    let mut keys = BTreeSet::new();
    for base in &bases {
        let had = |line| view.ancestry.has(*base, line).unwrap_or(Revision::ZERO);
        keys.extend(trace.changed_since(history, had).await?);
    }
    let common = Common::new(&view, history, server.registry(), bases)?;
    let mut wishes = Vec::new();
    for key in keys {
        let wished = trace.version(history, &key).await?;
        let base = common.base(&key).await?;
        // Unless nothing that counts has changed.
        if base.content() != content(&wished) {
            wishes.push(Wish { key, base, wished });
        }
    }
    let links = Links { merges: Some(source), ..Links::default() };
    Ok(Wishes { wishes, links: Some(links), message })
}

/// Main's newest state, and the newest commit of a line of that name.
async fn newest(store: &Arc<dyn Store>, name: &str) -> Result<(View, LinePoint), Box<Status>> {
    let mut view = store.view();
    if name == "main" {
        let main = LinePoint::of_main(view.head);
        return Ok((view, main));
    }
    if !view.branches.contains_key(name) {
        // It may have been made on another member just now.
        store.read_barrier().await.map_err(read_error)?;
        view = store.view();
    }
    let branch = view.branches.get(name).ok_or_else(|| no_branch(name))?;
    let source = LinePoint { line: branch.at.id, at: branch.at.head };
    Ok((view, source))
}

/// What two lines have in common.
struct Common<'m> {
    view: &'m View,
    history: &'m dyn History,
    registry: Arc<Registry>,
    bases: Vec<Place>,
    /// Those of the merge bases; what they come from in turn is seldom asked for.
    traces: BTreeMap<Place, Trace>,
}

impl<'m> Common<'m> {
    fn new(
        view: &'m View,
        history: &'m dyn History,
        registry: Arc<Registry>,
        bases: Vec<Place>,
    ) -> Result<Self, Box<Status>> {
        let traces = bases.iter().map(|place| Ok((*place, Trace::of(view, *place)?)));
        let traces = traces.collect::<Result<_, Box<Status>>>()?;
        Ok(Common { view, history, registry, bases, traces })
    }

    /// What both lines' versions of an object come from.
    async fn base(&self, key: &ObjectKey) -> Result<Base, Box<Status>> {
        let mut versions = Vec::with_capacity(self.bases.len());
        for place in &self.bases {
            versions.push(self.version(*place, key).await?);
        }
        let revision = |version: &Version| version.as_ref().map(|object| object.revision);
        let newest = versions.iter().max_by_key(|version| revision(version)).cloned().flatten();
        if versions.iter().all(|version| revision(version) == revision(&newest)) {
            return Ok(Base::Version(newest));
        }
        let content = self.content(key, self.bases.clone()).await?;
        Ok(Base::Several { content, newest })
    }

    async fn version(&self, place: Place, key: &ObjectKey) -> Result<Version, Box<Status>> {
        match self.traces.get(&place) {
            Some(trace) => trace.version(self.history, key).await,
            None => Trace::of(self.view, place)?.version(self.history, key).await,
        }
    }

    /// What versions at several places, merged with each other, hold; as far as they are at odds
    /// there, both lines have changed it.
    fn content<'c>(
        &'c self,
        key: &'c ObjectKey,
        places: Vec<Place>,
    ) -> BoxFuture<'c, Result<Option<Value>, Box<Status>>> {
        async move {
            let (mut merged, mut value) = (Vec::new(), None);
            for place in places {
                let other = content(&self.version(place, key).await?);
                if merged.is_empty() {
                    value = other;
                } else if other != value {
                    let ancestry = &self.view.ancestry;
                    let below = merged.iter().flat_map(|one| ancestry.merge_bases(*one, place));
                    let below = ancestry.newest(below.collect());
                    let base = self.content(key, below).await?;
                    let of_kind = value.as_ref().or(other.as_ref()).unwrap_or(&Value::Null);
                    value = with_topology(&self.registry, key, of_kind, |topology| {
                        common(base.as_ref(), value.as_ref(), other.as_ref(), topology)
                    });
                }
                merged.push(place);
            }
            Ok(value)
        }
        .boxed()
    }
}
