//! Workloads that make pods from a template.

use super::read::{differs, has, text};
use super::{ErrorList, FieldError, FieldPath, labels, pod};
use serde_json::Value;

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// The selector must match the template's labels; one that cannot be read is told of elsewhere.
pub fn matching(spec: &Value) -> Option<FieldError> {
    let of_template = &spec["template"]["metadata"]["labels"];
    let selector = &spec["selector"];
    if !labels::selector(selector, &path()).is_empty() {
        return None;
    }
    let matches = has(spec, "selector") && labels::matches(selector, of_template);
    let at = path().child("template").child("metadata").child("labels");
    let detail = "`selector` does not match template `labels`";
    (!matches).then(|| FieldError::invalid(at, of_template.clone(), detail))
}

/// A template whose pods run for ever.
pub fn running_template(spec: &Value, kind: &str) -> ErrorList {
    let template = &spec["template"];
    let at = path().child("template");
    let mut errors = pod::template(template, &at);
    let at = at.child("spec");
    let restart = text(&template["spec"], "restartPolicy");
    if !restart.is_empty() && restart != "Always" {
        let at = at.child("restartPolicy");
        errors.push(FieldError::not_supported(at, restart, &["Always"]));
    }
    if has(&template["spec"], "activeDeadlineSeconds") {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.push(FieldError::forbidden(at.child("activeDeadlineSeconds"), detail));
    }
    errors
}

/// Whether any field outside `free` differs.
pub fn changed_but(new: &Value, old: &Value, free: &[&str]) -> bool {
    let fields = new.as_object().into_iter().chain(old.as_object()).flat_map(|o| o.keys());
    fields.filter(|f| !free.contains(&f.as_str())).any(|field| differs(new, old, field))
}
