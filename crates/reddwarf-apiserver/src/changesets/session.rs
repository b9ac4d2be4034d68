//! One computation of a change set: its objects applied one after the other in a staging.

use super::basis;
use super::follow_up::Names;
use super::refusal::{about, at, named};
use super::spec::{ChangeSet, Placed};
use super::wish;
use crate::client::LocalClient;
use crate::errors::{bad_request, read_error};
use crate::http::warning;
use crate::object::{meta, name};
use crate::registry::{Kind, Registry};
use crate::staged::{Staged, Staging};
use crate::verbs::Exchange;
use form_urlencoded::Serializer;
use http::header::{HeaderValue, USER_AGENT};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reddwarf_core::gvk::parse_api_version;
use reddwarf_core::{Links, ObjectKey, Reason, Status, View};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

const APPLY: &str = "application/apply-patch+yaml";

/// A computed set.
pub(super) struct Computed {
    /// What is to be proposed.
    pub(super) staged: Staged,
    /// The objects of the set in the order in which they were applied.
    pub(super) applied: Vec<ObjectKey>,
    /// The objects that were pruned.
    pub(super) pruned: Vec<ObjectKey>,
    /// The state before.
    pub(super) base: View,
    /// The state after, with provisional revisions.
    pub(super) view: View,
    /// The kinds after.
    pub(super) registry: Arc<Registry>,
    /// Texts for `Warning` headers.
    pub(super) warnings: Vec<String>,
    /// What the write has to do with branches.
    pub(super) links: Option<Links>,
    /// What the history says of it where the set does not.
    pub(super) message: String,
}

/// Computes a set on the newest state.
///
/// # Errors
/// The failure of the first object that cannot be applied, which it names.
pub(super) async fn compute<'s>(
    x: &'s Exchange<'s>,
    set: &'s ChangeSet,
) -> Result<Computed, Box<Status>> {
    let staging = Staging::begin(x.server).await.map_err(read_error)?;
    if let Some(based_on) = &set.based_on {
        basis::check(based_on, staging.overlay().base())?;
        staging.overlay().require(based_on);
    }
    let mut session = Session::new(x, set, staging);
    for object in &set.objects {
        session.apply(object).await.map_err(|status| at(object.at, status))?;
        // Hardly anything here waits, and other requests on this thread must not for a whole set.
        tokio::task::yield_now().await;
    }
    if let Some(selector) = &set.prune {
        session.prune(selector).await?;
    }
    let present = session.staging.overlay().base().clone();
    let wishes = wish::find(x.server, &set.source, &present).await?;
    session.bring(wishes.wishes, &set.preference).await?;
    let mut computed = session.end();
    (computed.links, computed.message) = (wishes.links, wishes.message);
    Ok(computed)
}

/// A set on its way.
pub(super) struct Session<'s> {
    pub(super) x: &'s Exchange<'s>,
    pub(super) set: &'s ChangeSet,
    pub(super) staging: Staging,
    /// Acts for whoever sent the set.
    applicant: LocalClient,
    /// Does what the background work of the API does behind single requests.
    pub(super) system: LocalClient,
    pub(super) applied: Vec<ObjectKey>,
    pub(super) keys: BTreeSet<ObjectKey>,
    pub(super) pruned: Vec<ObjectKey>,
    pub(super) names: Names,
    warnings: Vec<String>,
}

/// Where an object of a set belongs.
struct Target {
    key: ObjectKey,
    path: String,
}

impl<'s> Session<'s> {
    fn new(x: &'s Exchange<'s>, set: &'s ChangeSet, staging: Staging) -> Session<'s> {
        let agent = x.headers.get(USER_AGENT).cloned();
        let agent = agent.unwrap_or_else(|| HeaderValue::from_static(""));
        let server = staging.server.clone();
        Session {
            x,
            applicant: LocalClient::in_name_of(server.clone(), x.user.clone(), agent),
            system: LocalClient::privileged(server, "system:apiserver", "kube-apiserver"),
            set,
            staging,
            applied: Vec::new(),
            keys: BTreeSet::new(),
            pruned: Vec::new(),
            names: Names::default(),
            warnings: Vec::new(),
        }
    }

    /// Applies one object, and does what must follow for the next ones to need it.
    async fn apply(&mut self, placed: &Placed) -> Result<(), Box<Status>> {
        let target = self.target(placed)?;
        let key = target.key;
        if !self.keys.insert(key.clone()) {
            return Err(bad_request(format!("{} stands twice in the set", named(&key))));
        }
        let query = Serializer::new(String::new())
            .append_pair("fieldManager", &self.set.manager)
            .append_pair("force", if self.set.force { "true" } else { "false" })
            .finish();
        let path = format!("{}?{query}", target.path);
        self.send(&key, "PATCH", &path, Some((APPLY, &placed.object))).await?;
        // An object that stays as it is must still be so when the others change.
        self.staging.overlay().rely_on(&key);
        self.follow_up(&key).await?;
        self.applied.push(key);
        Ok(())
    }

    /// Sends a request for an object in the name of whoever sent the set.
    pub(super) async fn send(
        &mut self,
        key: &ObjectKey,
        method: &str,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<(), Box<Status>> {
        let (content_type, body) = body.unzip();
        let body = body.map(|body| body.to_string().into());
        let sent = self.applicant.send(method, path, content_type, body).await;
        let response = sent.map_err(|status| about(key, status))?;
        self.warnings.extend(warning::texts(response.headers()));
        Ok(())
    }

    /// # Errors
    /// 400 for an object without a name, 404 for a kind that is not served.
    fn target(&self, placed: &Placed) -> Result<Target, Box<Status>> {
        let object = &placed.object;
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let (api_version, kind_name, name) = (text("apiVersion"), text("kind"), name(object));
        if kind_name.is_empty() || name.is_empty() {
            let at = placed.at;
            return Err(bad_request(format!("spec.objects[{at}] lacks kind or metadata.name")));
        }
        let registry = self.staging.server.registry();
        let kind = kind(&registry, api_version, kind_name).ok_or_else(|| {
            let message = format!("no matches for kind {kind_name:?} in version {api_version:?}");
            Box::new(Status::failure(Reason::NotFound, message))
        })?;
        let namespace = match meta(object, "namespace") {
            _ if !kind.namespaced() => "",
            "" => &self.set.namespace,
            namespace => namespace,
        };
        let key = kind.storage.collection.key(namespace, name);
        Ok(Target { path: path(kind, namespace, name), key })
    }

    pub(super) fn view(&self) -> View {
        self.staging.overlay().view().clone()
    }

    fn end(self) -> Computed {
        let overlay = self.staging.overlay();
        Computed {
            staged: overlay.staged(),
            base: overlay.base().clone(),
            view: overlay.view().clone(),
            registry: self.staging.server.registry(),
            applied: self.applied,
            pruned: self.pruned,
            warnings: self.warnings,
            links: None,
            message: String::new(),
        }
    }
}

/// The path of an object.
pub(super) fn path(kind: &Kind, namespace: &str, name: &str) -> String {
    let root = if kind.group.is_empty() { "/api" } else { "/apis" };
    let place = match namespace {
        "" => String::new(),
        namespace => format!("namespaces/{}/", escaped(namespace)),
    };
    format!("{root}/{}/{place}{}/{}", kind.api_version(), kind.plural, escaped(name))
}

pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn kind<'r>(registry: &'r Registry, api_version: &str, name: &str) -> Option<&'r Arc<Kind>> {
    let (group, version) = parse_api_version(api_version)?;
    let mut kinds = registry.kinds_of_group(group);
    kinds.find(|kind| kind.version == version && kind.kind == name && kind.stored())
}
