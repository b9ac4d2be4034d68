//! The annotation that `kubectl apply` keeps on the client's side, when the same user goes over
//! to server-side apply.

use super::compare::compare;
use super::contents::field_set;
use super::set::Set;
use super::updater::Updater;
use crate::object::meta_mut;
use crate::validation::labels::ANNOTATIONS_BYTES_MAX;
use serde_json::{Map, Value};

/// The manager for which this is done; under any other name it is not.
pub const MANAGER: &str = "kubectl";
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What the client last applied, as far as the live object still has it.
pub struct Allowed<'u> {
    updater: &'u Updater<'u>,
    applied: Value,
    live: Value,
}

/// Fields over which the manager may take ownership without force: those that it applied on
/// the client's side. `None` without a usable annotation.
pub fn allowed<'u>(updater: &'u Updater<'u>, live: &Value) -> Option<Allowed<'u>> {
    let text = annotation(live)?;
    let applied: Value = serde_json::from_str(text).ok()?;
    let same_version = applied.get("apiVersion")?.as_str()? == updater.api_version();
    super::check::check(updater.ty(), &applied).ok()?;
    same_version.then(|| Allowed { updater, applied, live: live.clone() })
}

impl Allowed<'_> {
    /// The fields.
    pub fn fields(&self) -> Set<'_> {
        let own = field_set(self.updater.ty(), &self.applied);
        match compare(self.updater.ty(), &self.applied, &self.live) {
            Ok(changes) => own
                .difference(&changes.modified)
                .difference(&changes.added)
                .difference(&changes.removed),
            Err(_) => Set::default(),
        }
    }
}

fn annotation(object: &Value) -> Option<&str> {
    let text = object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// Brings the annotation, when there is one, up to the configuration that was applied.
pub fn renew(object: &mut Value, applied: &Value) {
    if annotation(object).is_none() {
        return;
    }
    let mut applied = applied.clone();
    if let Some(annotations) =
        applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
    {
        annotations.shift_remove(ANNOTATION);
    }
    let text = format!("{}\n", sorted(applied));
    let Some(annotations) = meta_mut(object).get_mut("annotations").and_then(Value::as_object_mut)
    else {
        return;
    };
    annotations.insert(ANNOTATION.to_owned(), text.into());
    let bytes: usize =
        annotations.iter().map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
    if bytes > ANNOTATIONS_BYTES_MAX {
        annotations.shift_remove(ANNOTATION);
    }
}

/// The same with the keys of all objects in order, as Go writes maps.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(Map::from_iter(fields))
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_annotation_follows_what_is_applied() {
        let mut object = json!({"metadata": {"annotations": {ANNOTATION: "{}", "a": "b"}}});
        let applied = json!({"kind": "K", "apiVersion": "v1", "metadata": {"name": "n", "annotations": {ANNOTATION: "old", "a": "b"}}});
        renew(&mut object, &applied);
        assert_eq!(
            annotation(&object),
            Some(
                "{\"apiVersion\":\"v1\",\"kind\":\"K\",\"metadata\":{\"annotations\":{\"a\":\"b\"},\"name\":\"n\"}}\n"
            )
        );
    }

    #[test]
    fn an_object_without_it_gets_none() {
        let mut object = json!({"metadata": {"annotations": {"a": "b"}}});
        renew(&mut object, &json!({"kind": "K"}));
        assert_eq!(object, json!({"metadata": {"annotations": {"a": "b"}}}));
    }

    #[test]
    fn one_that_is_too_large_goes() {
        let mut object = json!({"metadata": {"annotations": {ANNOTATION: "{}"}}});
        renew(&mut object, &json!({"data": "x".repeat(ANNOTATIONS_BYTES_MAX)}));
        assert_eq!(annotation(&object), None);
    }
}
