//! Conditions of a definition.

use crate::custom::review::structural;
use crate::validation::{FieldError, FieldPath};
use serde_json::{Value, json};

/// A condition that is to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its type.
    pub ty: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in words.
    pub message: String,
}

/// The condition of that type.
pub fn find<'a>(definition: &'a Value, ty: &str) -> Option<&'a Value> {
    let conditions = definition.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition["type"] == ty)
}

/// Whether the condition of that type is true.
pub fn holds(definition: &Value, ty: &str) -> bool {
    find(definition, ty).is_some_and(|condition| condition["status"] == "True")
}

/// Whether a definition has that very condition, whatever its time.
pub fn has(definition: &Value, condition: &Condition) -> bool {
    find(definition, condition.ty).is_some_and(|found| {
        found["status"] == condition.status
            && found["reason"] == condition.reason
            && found["message"] == condition.message.as_str()
    })
}

/// Sets a condition; its time is that of the last change of its status.
pub fn set(definition: &mut Value, condition: &Condition, now: &str) {
    let status = &mut definition["status"];
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    let found = conditions.iter_mut().find(|found| found["type"] == condition.ty);
    let since = match &found {
        Some(found) if found["status"] == condition.status => found["lastTransitionTime"].clone(),
        _ => now.into(),
    };
    let written = json!({
        "type": condition.ty, "status": condition.status, "lastTransitionTime": since,
        "reason": condition.reason, "message": condition.message,
    });
    match found {
        Some(found) => *found = written,
        None => conditions.push(written),
    }
}

/// Takes a condition away.
pub fn remove(definition: &mut Value, ty: &str) {
    if let Some(conditions) = definition["status"]["conditions"].as_array_mut() {
        conditions.retain(|condition| condition["type"] != ty);
    }
}

/// `NonStructuralSchema`, where a schema was stored that would not be accepted today.
pub fn non_structural(definition: &Value) -> Option<Condition> {
    let mut errors = Vec::new();
    if definition["spec"]["preserveUnknownFields"] == true {
        let path = FieldPath::new("spec").child("preserveUnknownFields");
        errors.push(FieldError::invalid(path, true, "must be false"));
    }
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    for (at, version) in versions.enumerate() {
        let Some(schema) = version.pointer("/schema/openAPIV3Schema") else { continue };
        let path = FieldPath::new("spec").child("versions").index(at);
        errors.extend(structural::errors(schema, &path.child("schema").child("openAPIV3Schema")));
    }
    let message = match errors.as_slice() {
        [] => return None,
        [one] => one.to_string(),
        many => {
            let texts: Vec<String> = many.iter().map(ToString::to_string).collect();
            format!("[{}]", texts.join(", "))
        }
    };
    let (ty, status, reason) = ("NonStructuralSchema", "True", "Violations");
    Some(Condition { ty, status, reason, message })
}

/// `KubernetesAPIApprovalPolicyConformant`, for groups that belong to the Kubernetes community.
pub fn approval(definition: &Value) -> Option<Condition> {
    use crate::custom::review::approval::{Approval, of};
    let group = definition["spec"]["group"].as_str().unwrap_or_default();
    let (approval, message) = of(group, &definition["metadata"]["annotations"])?;
    let (status, reason) = match approval {
        Approval::Invalid => ("False", "InvalidAnnotation"),
        Approval::Missing => ("False", "MissingAnnotation"),
        Approval::Approved => ("True", "ApprovedAnnotation"),
        Approval::Bypassed => ("False", "UnapprovedAnnotation"),
    };
    Some(Condition { ty: "KubernetesAPIApprovalPolicyConformant", status, reason, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_the_last_change() {
        let mut definition = json!({"status": {"conditions": null}});
        let condition = |status, reason| Condition {
            ty: "Established",
            status,
            reason,
            message: String::new(),
        };
        set(&mut definition, &condition("False", "Installing"), "t1");
        set(&mut definition, &condition("False", "Waiting"), "t2");
        assert_eq!(find(&definition, "Established").expect("set")["lastTransitionTime"], "t1");
        set(&mut definition, &condition("True", "Done"), "t3");
        assert_eq!(find(&definition, "Established").expect("set")["lastTransitionTime"], "t3");
        assert!(has(&definition, &condition("True", "Done")) && holds(&definition, "Established"));
        remove(&mut definition, "Established");
        assert_eq!(definition["status"]["conditions"], json!([]));
    }
}
