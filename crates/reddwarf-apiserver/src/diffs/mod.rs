//! `diffs` of `history.reddwarf.dev`: what differs between two states of the cluster, moments of
//! its past or branches, in time proportional to what changed between them.

mod sides;

use crate::commits::GROUP;
use crate::commits::fields::{between, field, without_identity};
use crate::custom::own;
use crate::errors::{bad_request, method_not_allowed};
use crate::http::Answer;
use crate::http::answer::Content;
use crate::registry::{Kind, Registry};
use crate::verbs::{Exchange, Verb};
use http::StatusCode;
use reddwarf_core::{ObjectKey, Reason, Status, StoredObject};
use reddwarf_versioning::json_patch;
use serde::Deserialize;
use serde_json::{Value, json};
use sides::{Differing, Side};
use std::sync::Arc;

const PLURAL: &str = "diffs";
const DEFINITION: &[u8] = include_bytes!("definition.json");
/// Objects that one answer tells; whoever compares more names a namespace.
const OBJECTS_MAX: usize = 10_000;
/// About how many bytes of objects and fields one answer tells.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// Adds the kind.
pub(crate) fn add(registry: &mut Registry) {
    own::serve_verbs(registry, DEFINITION, &["create"]);
}

/// Whether requests for a kind are answered here.
pub(crate) fn is_diff(kind: &Kind) -> bool {
    kind.group == GROUP && kind.plural == PLURAL
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    show: Show,
}

/// What is told of each object besides that it differs.
#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
enum Show {
    /// Nothing.
    Objects,
    /// The fields that differ.
    #[default]
    Fields,
    /// An RFC 6902 patch that makes the one of the other.
    JsonPatch,
    /// Both versions whole.
    Versions,
}

/// Answers a request for a comparison.
///
/// # Errors
/// The failure to be answered: 404 and 410 for a state that is not there, 413 for too many
/// differences.
pub(crate) async fn serve(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    if x.verb != Verb::Create || !x.subresource().is_empty() {
        return Err(method_not_allowed());
    }
    let options = crate::options::WriteOptions::read(x.query, "CreateOptions")?;
    let decoded = x.decode(options.validation)?;
    let spec = Spec::deserialize(&decoded.object["spec"])
        .map_err(|error| bad_request(format!("spec of a Diff: {error}")))?;
    let sides = [Side::find(x.server, &spec.from).await?, Side::find(x.server, &spec.to).await?];
    let mut answer = compare(x, &spec, sides, decoded.object).await?;
    answer.warnings = decoded.warnings;
    Ok(answer.code(StatusCode::CREATED))
}

/// Answers what a branch changed, or how it differs from another state.
///
/// # Errors
/// See [`serve`].
pub(crate) async fn of_branch(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let name = x.name();
    let to = format!("branches/{name}");
    let sides = match x.query.text("from") {
        Some(from) => [Side::find(x.server, from).await?, Side::find(x.server, &to).await?],
        None => [sides::base_of(x.server, name).await?, Side::find(x.server, &to).await?],
    };
    let spec = Spec { from: sides[0].text(), to, ..Spec::default() };
    let object = json!({
        "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "Diff",
        "spec": {"from": spec.from, "to": spec.to}
    });
    compare(x, &spec, sides, object).await
}

async fn compare(
    x: &Exchange<'_>,
    spec: &Spec,
    [from, to]: [Side; 2],
    mut object: Value,
) -> Result<Answer, Box<Status>> {
    let differing = sides::differing(x.server, &from, &to, &spec.namespace).await?;
    if differing.len() > OBJECTS_MAX {
        return Err(too_many(format!("{} objects differ, at most {OBJECTS_MAX}", differing.len())));
    }
    let (mut objects, mut bytes) = (Vec::new(), 0);
    for one in &differing {
        let shown = shown(x, one, spec.show);
        if let Some((shown, size)) = shown {
            bytes += size;
            objects.push(shown);
        }
        if bytes > BYTES_MAX {
            return Err(too_many(format!("the differences are larger than {BYTES_MAX} bytes")));
        }
        tokio::task::yield_now().await;
    }
    object["status"] = json!({"from": from.shown(), "to": to.shown(), "objects": objects});
    Ok(Answer::ok(Content::Value(object)))
}

fn too_many(why: String) -> Box<Status> {
    let message = format!("Request entity too large: {why}; name a namespace or a shorter range");
    Box::new(Status::failure(Reason::RequestEntityTooLarge, message))
}

/// One object as the answer tells it, and about its size; `None` when what differs is the
/// server's.
fn shown(x: &Exchange<'_>, one: &Differing, show: Show) -> Option<(Value, usize)> {
    let value = |version: &Option<Arc<StoredObject>>| -> Option<Value> {
        serde_json::from_slice(&version.as_ref()?.bytes).ok()
    };
    let (before, after) = (value(&one.before), value(&one.after));
    let change = match (&before, &after) {
        (None, _) => "Created",
        (_, None) => "Deleted",
        _ => "Updated",
    };
    let fields = match (&before, &after) {
        (Some(before), Some(after)) => between(x.registry, &one.key, before.clone(), after.clone()),
        _ => Vec::new(),
    };
    if change == "Updated" && fields.is_empty() {
        return None;
    }
    let mut shown = named(&one.key);
    shown["change"] = change.into();
    for (name, version) in [("before", &one.before), ("after", &one.after)] {
        if let Some(version) = version {
            shown[name] = version.revision.to_string().into();
        }
    }
    match show {
        Show::Objects => {}
        Show::Fields if change == "Updated" => {
            shown["fields"] = fields.iter().map(field).collect::<Vec<_>>().into();
        }
        Show::Fields => {}
        Show::JsonPatch => {
            if let Some(before) = before.filter(|_| change == "Updated") {
                let patch = json_patch(&fields, &without_identity(before)).unwrap_or_default();
                shown["jsonPatch"] = serde_json::to_value(patch).unwrap_or_default();
            }
        }
        Show::Versions => {
            for (name, version) in [("old", before), ("new", after)] {
                if let Some(version) = version {
                    shown[name] = version;
                }
            }
        }
    }
    let sizes = [&one.before, &one.after].map(|v| v.as_ref().map_or(0, |v| v.bytes.len()));
    let size = 200 + if show == Show::Objects { 0 } else { sizes[0] + sizes[1] };
    Some((shown, size))
}

fn named(key: &ObjectKey) -> Value {
    let mut shown = json!({"group": key.group(), "resource": key.resource()});
    if !key.namespace().is_empty() {
        shown["namespace"] = key.namespace().into();
    }
    shown["name"] = key.name().into();
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_only_created() {
        let mut registry = Registry::builtin();
        add(&mut registry);
        let kind = registry.resource(GROUP, "v1alpha1", PLURAL).expect("it is served");
        assert!(is_diff(kind) && kind.verbs.has("create") && !kind.stored());
        assert!(!kind.verbs.has("get") && !kind.namespaced());
    }
}
