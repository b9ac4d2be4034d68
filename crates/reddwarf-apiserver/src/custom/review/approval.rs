//! Groups that belong to the Kubernetes community are used with its approval.

use crate::validation::{ErrorList, FieldError, FieldPath};
use serde_json::Value;

const ANNOTATION: &str = "api-approved.kubernetes.io";
const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";

/// What the annotation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// It is neither an address nor a reason.
    Invalid,
    /// It is not there.
    Missing,
    /// It is the address of an approval.
    Approved,
    /// It says why there is none.
    Bypassed,
}

/// What the annotations say of a group, and in words; `None` for a group that needs no approval.
pub fn of(group: &str, annotations: &Value) -> Option<(Approval, String)> {
    let protected = ["k8s.io", "kubernetes.io"].iter().any(|domain| {
        group == *domain || group.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
    });
    if !protected {
        return None;
    }
    let said = annotations.get(ANNOTATION).and_then(Value::as_str).unwrap_or_default();
    let address = said.split_once("://").is_some_and(|(scheme, rest)| {
        let host = rest.split('/').next().unwrap_or_default();
        !scheme.is_empty() && !host.is_empty() && !said.contains(' ')
    });
    Some(match said {
        "" => {
            let text =
                format!("protected groups must have approval annotation {ANNOTATION:?}, {SEE}");
            (Approval::Missing, text)
        }
        _ if said.starts_with("unapproved") => {
            (Approval::Bypassed, format!("not approved: {said:?}"))
        }
        _ if address => (Approval::Approved, format!("approved in {said}")),
        _ => {
            let text = format!(
                "protected groups must have approval annotation {ANNOTATION:?} with either a URL or a reason starting with \"unapproved\", {SEE}"
            );
            (Approval::Invalid, text)
        }
    })
}

/// What is wrong with the approval of a definition, unless it was so before.
pub(super) fn errors(new: &Value, old: Option<&Value>) -> ErrorList {
    let group = new["spec"]["group"].as_str().unwrap_or_default();
    let of = |definition: &Value| of(group, &definition["metadata"]["annotations"]);
    let Some((approval, reason)) = of(new) else { return ErrorList::new() };
    if old.and_then(of).is_some_and(|(before, _)| before == approval) {
        return ErrorList::new();
    }
    let path = FieldPath::new("metadata").child("annotations").key(ANNOTATION);
    match approval {
        Approval::Missing => vec![FieldError::required(path, reason)],
        Approval::Invalid => {
            let value = new["metadata"]["annotations"][ANNOTATION].clone();
            vec![FieldError::invalid(path, value, reason)]
        }
        Approval::Approved | Approval::Bypassed => ErrorList::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_groups_of_the_community_need_approval() {
        let said = |group, text: &str| of(group, &json!({ANNOTATION: text})).map(|(a, _)| a);
        assert_eq!(said("example.com", ""), None);
        assert_eq!(said("notk8s.io", ""), None);
        assert_eq!(said("k8s.io", ""), Some(Approval::Missing));
        assert_eq!(said("x.k8s.io", "unapproved, a test"), Some(Approval::Bypassed));
        assert_eq!(said("x.kubernetes.io", "https://github.com/a/b"), Some(Approval::Approved));
        assert_eq!(said("x.k8s.io", "yes"), Some(Approval::Invalid));
    }
}
