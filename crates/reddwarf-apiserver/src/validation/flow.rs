//! Flow schemas and priority levels.

use super::read::{flag, has, int, items, text};
use super::{ErrorList, FieldError, FieldPath, check, names};
use crate::bootstrap::mandatory_flow_spec;
use crate::object;
use serde_json::{Value, json};

const PRECEDENCE_MAX: i64 = 10_000;
const QUEUES_MAX: i64 = 10_000_000;
/// Bits of a request's hash, from which a hand of queues is dealt.
const HASH_BITS_MAX: i64 = 60;
const VERBS: [&str; 9] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
/// Kinds of subjects with the field of each.
const SUBJECTS: [(&str, &str); 3] =
    [("Group", "group"), ("ServiceAccount", "serviceAccount"), ("User", "user")];
const NOT_NEGATIVE: &str = "must be a non-negative integer";

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks a flow schema.
pub fn schema(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = precedence(spec, object::name(object));
    if has(spec, "distinguisherMethod") {
        let methods = ["ByNamespace", "ByUser"];
        let given = text(&spec["distinguisherMethod"], "type");
        if !methods.contains(&given) {
            let at = path().child("distinguisherMethod").child("type");
            let shown = json!({ "Type": given });
            errors.push(FieldError::not_supported(at, shown, &methods));
        }
    }
    let level = text(&spec["priorityLevelConfiguration"], "name");
    let at = path().child("priorityLevelConfiguration").child("name");
    if level.is_empty() {
        errors.push(FieldError::required(at, "must reference a priority level"));
    } else {
        errors.extend(check::named(names::subdomain, level, &at));
    }
    for (at, rule) in items(spec, "rules").iter().enumerate() {
        errors.extend(subject_rules(rule, &path().child("rules").index(at)));
    }
    errors.extend(fixed(object, spec));
    errors.extend(conditions(object));
    errors
}

fn precedence(spec: &Value, name: &str) -> ErrorList {
    let given = int(spec, "matchingPrecedence").unwrap_or_default();
    let detail = if given <= 0 {
        "must be a positive value".to_owned()
    } else if given > PRECEDENCE_MAX {
        format!("must not be greater than {PRECEDENCE_MAX}")
    } else if given == 1 && name != "exempt" {
        "only the schema named 'exempt' may have matchingPrecedence 1".to_owned()
    } else {
        return ErrorList::new();
    };
    vec![FieldError::invalid(path().child("matchingPrecedence"), given, detail)]
}

fn subject_rules(rules: &Value, at: &FieldPath) -> ErrorList {
    let subjects = items(rules, "subjects");
    let mut errors = ErrorList::new();
    if subjects.is_empty() {
        let detail = "subjects must contain at least one value";
        errors.push(FieldError::required(at.child("subjects"), detail));
    }
    for (i, each) in subjects.iter().enumerate() {
        errors.extend(subject(each, &at.child("subjects").index(i)));
    }
    let (resources, others) = (items(rules, "resourceRules"), items(rules, "nonResourceRules"));
    if resources.is_empty() && others.is_empty() {
        let detail = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.push(FieldError::required(at.clone(), detail));
    }
    for (i, rule) in resources.iter().enumerate() {
        errors.extend(resource_rule(rule, &at.child("resourceRules").index(i)));
    }
    for (i, rule) in others.iter().enumerate() {
        errors.extend(url_rule(rule, &at.child("nonResourceRules").index(i)));
    }
    errors
}

fn subject(subject: &Value, at: &FieldPath) -> ErrorList {
    let kind = text(subject, "kind");
    if !SUBJECTS.iter().any(|(known, _)| *known == kind) {
        let kinds = SUBJECTS.map(|(known, _)| known);
        return vec![FieldError::not_supported(at.child("kind"), kind, &kinds)];
    }
    let mut errors = ErrorList::new();
    for (of, field) in SUBJECTS {
        let at = at.child(field);
        match (of == kind, has(subject, field)) {
            (true, true) => errors.extend(subject_name(&subject[field], of, &at)),
            (true, false) => {
                let detail = format!("{field} is required when subject kind is '{of}'");
                errors.push(FieldError::required(at, detail));
            }
            (false, true) => {
                let detail = format!("{field} is forbidden when subject kind is not '{of}'");
                errors.push(FieldError::forbidden(at, detail));
            }
            (false, false) => {}
        }
    }
    errors
}

fn subject_name(subject: &Value, kind: &str, at: &FieldPath) -> ErrorList {
    let name = text(subject, "name");
    let mut errors: ErrorList = check::required(name, at.child("name")).into_iter().collect();
    if kind != "ServiceAccount" {
        return errors;
    }
    if !name.is_empty() && name != "*" {
        errors.extend(check::named(names::subdomain, name, &at.child("name")));
    }
    let (namespace, at) = (text(subject, "namespace"), at.child("namespace"));
    if namespace.is_empty() {
        errors.push(FieldError::required(at, "must specify namespace for service account"));
    } else {
        errors.extend(check::named(names::label, namespace, &at));
    }
    errors
}

fn has_wildcard(list: &[Value]) -> bool {
    list.iter().any(|item| item == "*")
}

/// A list that must not be empty, and where `*` stands alone.
fn list(rule: &Value, field: &str, missing: &str, others: &str, at: &FieldPath) -> ErrorList {
    let (given, at) = (items(rule, field), at.child(field));
    if given.is_empty() {
        return vec![FieldError::required(at, missing)];
    }
    if given.len() > 1 && has_wildcard(given) {
        let detail = format!("if '*' is present, must not specify other {others}");
        return vec![FieldError::invalid(at, given.to_vec(), detail)];
    }
    ErrorList::new()
}

fn verbs(rule: &Value, at: &FieldPath) -> ErrorList {
    let missing = "verbs must contain at least one value";
    let errors = list(rule, "verbs", missing, "verbs", at);
    let given = items(rule, "verbs");
    let known = |verb: &Value| verb.as_str().is_some_and(|verb| VERBS.contains(&verb));
    if errors.is_empty() && !has_wildcard(given) && !given.iter().all(known) {
        return vec![FieldError::not_supported(at.child("verbs"), given.to_vec(), &VERBS)];
    }
    errors
}

fn resource_rule(rule: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = verbs(rule, at);
    let missing = "resource rules must supply at least one api group";
    errors.extend(list(rule, "apiGroups", missing, "api groups", at));
    let missing = "resource rules must supply at least one resource";
    errors.extend(list(rule, "resources", missing, "resources", at));
    let namespaces = items(rule, "namespaces");
    if namespaces.is_empty() && flag(rule, "clusterScope") {
        return errors;
    }
    let missing = "resource rules that are not cluster scoped must supply at least one namespace";
    errors.extend(list(rule, "namespaces", missing, "namespaces", at));
    if !has_wildcard(namespaces) {
        for (i, namespace) in namespaces.iter().filter_map(Value::as_str).enumerate() {
            let at = at.child("namespaces").index(i);
            let intro = "each member of this list must be '*' or a DNS-1123 label; ";
            let details = names::label(namespace).into_iter().map(|d| format!("{intro}{d}"));
            errors.extend(details.map(|d| FieldError::invalid(at.clone(), namespace, d)));
        }
    }
    errors
}

fn url_rule(rule: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = verbs(rule, at);
    let missing = "nonResourceURLs must contain at least one value";
    errors.extend(list(rule, "nonResourceURLs", missing, "non-resource URLs", at));
    let urls = items(rule, "nonResourceURLs");
    if !has_wildcard(urls) {
        for (i, url) in urls.iter().filter_map(Value::as_str).enumerate() {
            let at = at.child("nonResourceURLs").index(i);
            errors.extend(url_problem(url).map(|detail| FieldError::invalid(at, url, detail)));
        }
    }
    errors
}

fn url_problem(url: &str) -> Option<&'static str> {
    match url {
        "" => Some("must not be empty"),
        "/" => None,
        _ if !url.starts_with('/') => Some("must start with slash"),
        _ if url.contains(' ') => Some("must not contain white-space"),
        _ if url.contains("//") => Some("must not contain double slash"),
        _ if url.strip_suffix("/*").unwrap_or(url).contains('*') => {
            Some("wildcard can only do suffix matching")
        }
        _ => None,
    }
}

/// The objects that every API server relies on cannot be changed.
fn fixed(object: &Value, spec: &Value) -> Option<FieldError> {
    let name = object::name(object);
    let mut wanted = mandatory_flow_spec(text(object, "kind"), name)?;
    let mut but = "";
    if has(&wanted, "exempt") {
        wanted["exempt"] = spec["exempt"].clone();
        but = " except the 'spec.exempt' field";
    }
    let detail = format!("spec of '{name}'{but} must equal the fixed value");
    (wanted != *spec).then(|| FieldError::invalid(path(), spec.clone(), detail))
}

fn conditions(object: &Value) -> ErrorList {
    let list = FieldPath::new("status").child("conditions");
    let conditions = items(&object["status"], "conditions");
    let mut errors = ErrorList::new();
    for (at, condition) in conditions.iter().enumerate() {
        let (kind, at_kind) = (text(condition, "type"), list.index(at).child("type"));
        if conditions[..at].iter().any(|before| text(before, "type") == kind) {
            errors.push(FieldError::duplicate(at_kind.clone(), kind));
        }
        if kind.is_empty() {
            errors.push(FieldError::required(at_kind, "must not be empty"));
        }
    }
    errors
}

/// Checks an update of the status of a flow schema or priority level.
pub fn status(new: &Value, _old: &Value) -> ErrorList {
    conditions(new)
}

/// Checks a priority level.
pub fn level(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let kind = text(spec, "type");
    let at = path().child("type");
    let mut errors = ErrorList::new();
    if (object::name(object) == "exempt") != (kind == "Exempt") {
        let detail = "must be 'Exempt' if and only if `name` is 'exempt'";
        errors.push(FieldError::invalid(at.clone(), kind, detail));
    }
    let (limited_at, exempt_at) = (path().child("limited"), path().child("exempt"));
    match kind {
        "Exempt" => {
            if has(spec, "limited") {
                let detail = "must be nil if the type is not Limited";
                errors.push(FieldError::forbidden(limited_at, detail));
            }
            errors.extend(shares(&spec["exempt"], &exempt_at));
        }
        "Limited" => {
            if has(spec, "exempt") {
                let detail = "must be nil if the type is Limited";
                errors.push(FieldError::forbidden(exempt_at, detail));
            }
            if has(spec, "limited") {
                errors.extend(limited(&spec["limited"], &limited_at));
            } else {
                let detail = "must not be empty when type is Limited";
                errors.push(FieldError::required(limited_at, detail));
            }
        }
        other => errors.push(FieldError::not_supported(at, other, &["Exempt", "Limited"])),
    }
    errors.extend(fixed(object, spec));
    errors.extend(conditions(object));
    errors
}

fn shares(of: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    if let Some(shares) = int(of, "nominalConcurrencyShares").filter(|n| *n < 0) {
        let at = at.child("nominalConcurrencyShares");
        errors.push(FieldError::invalid(at, shares, NOT_NEGATIVE));
    }
    let percent = int(of, "lendablePercent");
    errors.extend(percent.and_then(|p| check::within(p, 0, 100, &at.child("lendablePercent"))));
    errors
}

fn limited(limited: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = shares(limited, at);
    if let Some(percent) = int(limited, "borrowingLimitPercent").filter(|p| *p < 0) {
        let detail = "if specified, must be a non-negative integer";
        errors.push(FieldError::invalid(at.child("borrowingLimitPercent"), percent, detail));
    }
    let (response, at) = (&limited["limitResponse"], at.child("limitResponse"));
    let queuing_at = at.child("queuing");
    match (text(response, "type"), has(response, "queuing")) {
        ("Reject", true) => {
            let detail = "must be nil if limited.limitResponse.type is not Limited";
            errors.push(FieldError::forbidden(queuing_at, detail));
        }
        ("Queue", false) => {
            let detail = "must not be empty if limited.limitResponse.type is Limited";
            errors.push(FieldError::required(queuing_at, detail));
        }
        ("Queue", true) => errors.extend(queuing(&response["queuing"], &queuing_at)),
        ("Reject", false) => {}
        (other, _) => {
            let types = ["Queue", "Reject"];
            errors.push(FieldError::not_supported(at.child("type"), other, &types));
        }
    }
    errors
}

fn queuing(queuing: &Value, at: &FieldPath) -> ErrorList {
    let number = |field| int(queuing, field).unwrap_or_default();
    let (queues, hand) = (number("queues"), number("handSize"));
    let invalid =
        |field, detail: String| Some(FieldError::invalid(at.child(field), number(field), detail));
    let length = (number("queueLengthLimit") <= 0)
        .then(|| invalid("queueLengthLimit", "must be positive".into()));
    let of_queues = match queues {
        ..=0 => invalid("queues", "must be positive".into()),
        n if n > QUEUES_MAX => invalid("queues", format!("must not be greater than {QUEUES_MAX}")),
        _ => None,
    };
    let of_hand = if hand <= 0 {
        invalid("handSize", "must be positive".into())
    } else if hand > queues {
        invalid("handSize", format!("should not be greater than queues ({queues})"))
    } else if entropy_bits(queues, hand) > HASH_BITS_MAX {
        let detail = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS_MAX}"
        );
        invalid("handSize", detail)
    } else {
        None
    };
    length.flatten().into_iter().chain(of_queues).chain(of_hand).collect()
}

/// Bits of a hash that deals a hand of queues.
fn entropy_bits(queues: i64, hand: i64) -> i64 {
    ((queues as f64).log2() * hand as f64).ceil() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn urls_of_rules() {
        for good in ["/", "/healthz", "/a/*"] {
            assert_eq!(url_problem(good), None, "{good}");
        }
        for bad in ["", "x", "/a b", "//", "/a*b", "/a*", "/*/a/*"] {
            assert!(url_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn subjects_of_their_kind() {
        let errors = |s: Value| shown(&subject(&s, &FieldPath::new("s")));
        assert!(errors(json!({"kind": "User", "user": {"name": "u"}})).is_empty());
        assert_eq!(
            errors(json!({"kind": "Group", "user": {"name": "u"}})),
            [
                "s.group: Required value: group is required when subject kind is 'Group'",
                "s.user: Forbidden: user is forbidden when subject kind is not 'User'",
            ]
        );
        assert_eq!(
            errors(json!({"kind": "ServiceAccount", "serviceAccount": {"name": "*"}})).len(),
            1
        );
    }

    #[test]
    fn hands_of_queues() {
        assert_eq!(entropy_bits(128, 6), 42);
        let of = |queues: i64, hand: i64| {
            let value = json!({"queues": queues, "handSize": hand, "queueLengthLimit": 1});
            queuing(&value, &FieldPath::new("q")).len()
        };
        assert_eq!(of(64, 8), 0);
        assert_eq!(of(2, 4), 1);
        assert_eq!(of(10_000, 10), 1);
    }

    #[test]
    fn mandatory_objects_stay() {
        let mut object = json!({"kind": "PriorityLevelConfiguration", "metadata": {"name": "catch-all"},
            "spec": mandatory_flow_spec("PriorityLevelConfiguration", "catch-all")});
        assert!(level(&object).is_empty(), "{:?}", shown(&level(&object)));
        object["spec"]["limited"]["nominalConcurrencyShares"] = json!(6);
        assert_eq!(level(&object).len(), 1);
        let mut exempt = json!({"kind": "PriorityLevelConfiguration", "metadata": {"name": "exempt"},
            "spec": mandatory_flow_spec("PriorityLevelConfiguration", "exempt")});
        exempt["spec"]["exempt"]["nominalConcurrencyShares"] = json!(6);
        assert!(level(&exempt).is_empty());
        let schema_of = json!({"kind": "FlowSchema", "metadata": {"name": "exempt"},
            "spec": mandatory_flow_spec("FlowSchema", "exempt")});
        assert!(schema(&schema_of).is_empty());
    }
}
