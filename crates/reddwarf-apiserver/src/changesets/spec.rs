//! What a change set asks for.

use super::basis::Basis;
use super::merging::Preference;
use crate::errors::bad_request;
use crate::verbs::Exchange;
use reddwarf_core::limits::PROPOSAL_OBJECTS_MAX;
use reddwarf_core::{LabelSelector, Precondition, Reason, Status};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    objects: Vec<Value>,
    merge: Option<Merge>,
    revert: Option<Revert>,
    restore: Option<Restore>,
    rewind: Option<Rewind>,
    #[serde(default)]
    ours: Vec<String>,
    #[serde(default)]
    theirs: Vec<String>,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    field_manager: String,
    #[serde(default)]
    force: bool,
    message: Option<String>,
    prune: Option<Prune>,
    based_on: Option<Vec<Basis>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prune {
    label_selector: String,
}

/// Where the objects of a set come from.
pub(super) enum Source {
    /// They stand in it.
    Objects,
    /// See [`Merge`].
    Merge(Merge),
    /// See [`Revert`].
    Revert(Revert),
    /// See [`Restore`].
    Restore(Restore),
    /// See [`Rewind`].
    Rewind(Rewind),
}

impl Source {
    /// Whether it is a merge of two lines.
    pub(super) fn is_merge(&self) -> bool {
        matches!(self, Source::Merge(_))
    }

    /// What the history calls the write.
    pub(super) fn verb(&self) -> &'static str {
        match self {
            Source::Objects => "apply",
            Source::Merge(_) => "merge",
            Source::Revert(_) => "revert",
            Source::Restore(_) => "restore",
            Source::Rewind(_) => "rewind",
        }
    }
}

/// What another line changed: a branch or, on a branch, main.
#[derive(Deserialize)]
pub(super) struct Merge {
    pub(super) branch: String,
}

/// What a commit changed, taken back.
#[derive(Deserialize)]
pub(super) struct Revert {
    pub(super) commit: String,
}

/// Objects as they were at a moment, those of a namespace or those that are named where there are
/// any. What was made since stays.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Restore {
    pub(super) at: String,
    pub(super) namespace: Option<String>,
    pub(super) label_selector: Option<String>,
    #[serde(default)]
    pub(super) objects: Vec<Named>,
}

/// Everything as it was at a moment; what was made since goes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rewind {
    pub(super) to: String,
    /// How many objects are changed at most; the rest is left for the next set.
    pub(super) objects_max: Option<usize>,
}

/// An object's place.
#[derive(Deserialize)]
pub(super) struct Named {
    #[serde(default)]
    pub(super) group: String,
    pub(super) resource: String,
    #[serde(default)]
    pub(super) namespace: String,
    pub(super) name: String,
}

/// An object, and its place in `spec.objects`.
pub(super) struct Placed {
    pub(super) at: usize,
    pub(super) object: Value,
}

/// A set that is to be applied.
pub(super) struct ChangeSet {
    /// Where its objects come from.
    pub(super) source: Source,
    /// Whose version is taken where both sides changed something.
    pub(super) preference: Preference,
    /// In the order in which they are applied.
    pub(super) objects: Vec<Placed>,
    /// The namespace of objects that name none.
    pub(super) namespace: String,
    /// Who comes to own the fields.
    pub(super) manager: String,
    /// Whether fields are taken that others own.
    pub(super) force: bool,
    /// What the history says of it.
    pub(super) message: Option<String>,
    /// Which objects are deleted when they are not in the set any more.
    pub(super) prune: Option<LabelSelector>,
    /// What the plan that is carried out was based on.
    pub(super) based_on: Option<Vec<Precondition>>,
}

impl ChangeSet {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// 400, 413.
    pub(super) fn read(x: &Exchange<'_>, object: &Value) -> Result<ChangeSet, Box<Status>> {
        let spec = Spec::deserialize(&object["spec"])
            .map_err(|error| bad_request(format!("spec of a ChangeSet: {error}")))?;
        let count = spec.objects.len();
        if count > PROPOSAL_OBJECTS_MAX {
            let message = format!(
                "Request entity too large: limit is {PROPOSAL_OBJECTS_MAX} objects, the set has {count}"
            );
            return Err(Box::new(Status::failure(Reason::RequestEntityTooLarge, message)));
        }
        let sources = [
            spec.merge.map(Source::Merge),
            spec.revert.map(Source::Revert),
            spec.restore.map(Source::Restore),
            spec.rewind.map(Source::Rewind),
            (count > 0).then_some(Source::Objects),
        ];
        let mut sources = sources.into_iter().flatten();
        let (Some(source), None) = (sources.next(), sources.next()) else {
            return Err(bad_request(
                "spec of a ChangeSet must have objects, or one of merge, revert, restore and rewind",
            ));
        };
        let objects = spec.objects.into_iter().enumerate();
        let mut objects: Vec<Placed> = objects.map(|(at, object)| Placed { at, object }).collect();
        objects.sort_by_key(|placed| rank(&placed.object));
        let based_on = spec.based_on.map(|all| all.into_iter().map(Basis::condition).collect());
        Ok(ChangeSet {
            source,
            preference: Preference { ours: spec.ours, theirs: spec.theirs },
            objects,
            namespace: or(spec.namespace, || "default".to_owned()),
            manager: or(spec.field_manager, || x.manager()),
            force: spec.force,
            message: spec.message,
            prune: spec.prune.map(|prune| selector(&prune)).transpose()?,
            based_on: based_on.transpose()?,
        })
    }
}

fn or(text: String, other: impl FnOnce() -> String) -> String {
    if text.is_empty() { other() } else { text }
}

/// # Errors
/// 400; a selector of everything is refused, for it is hardly meant.
fn selector(prune: &Prune) -> Result<LabelSelector, Box<Status>> {
    let selector = LabelSelector::parse(&prune.label_selector)
        .map_err(|error| bad_request(error.to_string()))?;
    match selector.is_everything() {
        true => Err(bad_request("spec.prune.labelSelector of a ChangeSet must not be empty")),
        false => Ok(selector),
    }
}

/// What others may need comes first: definitions of kinds, then namespaces.
fn rank(object: &Value) -> u8 {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    match (text("apiVersion"), text("kind")) {
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition") => 0,
        ("v1", "Namespace") => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_others_need_comes_first() {
        let object =
            |version: &str, kind: &str, n: u8| json!({"apiVersion": version, "kind": kind, "n": n});
        let mut objects = [
            object("v1", "Pod", 1),
            object("v1", "Namespace", 2),
            object("example.com/v1", "Namespace", 3),
            object("apiextensions.k8s.io/v1", "CustomResourceDefinition", 4),
            object("v1", "Namespace", 5),
        ];
        objects.sort_by_key(rank);
        let order: Vec<u64> = objects.iter().filter_map(|object| object["n"].as_u64()).collect();
        assert_eq!(order, [4, 2, 5, 1, 3]);
    }

    #[test]
    fn a_selector_of_everything_prunes_nothing() {
        let read = |text: &str| selector(&Prune { label_selector: text.to_owned() });
        assert!(read("app=shop").is_ok());
        for text in ["", "=", "a in ("] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
