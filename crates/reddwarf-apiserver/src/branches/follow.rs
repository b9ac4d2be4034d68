//! What must follow some writes for others to be possible: nothing acts on a branch, so whoever
//! defined a kind there would wait for its names for ever.

use crate::bootstrap::default_account;
use crate::changesets::Names;
use crate::client::LocalClient;
use crate::custom::DEFINITIONS;
use crate::http::{Place, RequestInfo};
use crate::object::terminating;
use crate::server::ApiServer;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reddwarf_core::{Branch, ObjectKey, View};
use serde_json::Value;

/// Accepts the names of kinds that a branch defines, and furnishes the namespaces that it makes.
///
/// `server` answers for the branch; a step that fails is taken again after the next such write.
pub(super) async fn follow(server: &ApiServer, branch: &Branch, method: &Method, place: &Place) {
    let Place::Resource(info) = place else { return };
    if *method == Method::GET || *method == Method::HEAD {
        return;
    }
    let view = server.store().view();
    let system = LocalClient::privileged(server.clone(), "system:apiserver", "kube-apiserver");
    for step in steps(branch, info, &view) {
        if let Err(status) = system.send(step.0, &step.1, None, Some(step.2.into())).await {
            tracing::warn!(%status, path = step.1, "a write to a branch could not be followed up");
        }
    }
}

/// Requests: method, path and body.
fn steps(branch: &Branch, info: &RequestInfo, view: &View) -> Vec<(&'static str, String, String)> {
    let made = |collection: &str| -> Vec<(ObjectKey, Value)> {
        let changed = branch.changes.iter().filter(|(key, _)| key.collection() == collection);
        let objects = changed.filter_map(|(key, change)| {
            let object = serde_json::from_slice(&change.object.as_ref()?.bytes).ok()?;
            Some((key.clone(), object))
        });
        objects.filter(|(_, object)| !terminating(object)).collect()
    };
    let escaped = |name: &str| utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
    let (group, plural) = DEFINITIONS;
    if (info.group.as_str(), info.resource.as_str()) == DEFINITIONS {
        let mut names = Names::default();
        let settled = made(&format!("{group}/{plural}")).into_iter().filter_map(|(key, object)| {
            let settled = names.settle(&object, view)?;
            let path = format!("/apis/{group}/v1/{plural}/{}/status", escaped(key.name()));
            Some(("PUT", path, settled.to_string()))
        });
        return settled.collect();
    }
    if !info.group.is_empty() || info.resource != "namespaces" {
        return Vec::new();
    }
    let bare = made("/namespaces").into_iter().filter(|(key, _)| {
        let account = ObjectKey::new("", "serviceaccounts", key.name(), "default");
        view.get(&account).is_none()
    });
    let as_manager = crate::background::AS_CONTROLLER_MANAGER;
    bare.map(|(key, _)| {
        let namespace = escaped(key.name());
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts{as_manager}");
        ("POST", path, default_account().to_string())
    })
    .collect()
}
