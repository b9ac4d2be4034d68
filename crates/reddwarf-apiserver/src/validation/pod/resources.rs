//! What containers, and pods as a whole, ask for.

use super::ratchet::{Ratchet, containers};
use crate::validation::read::{entries, has, items, text};
use crate::validation::resource_name::{
    self, amount, is_huge_page, is_of_pod, is_whole_pages, may_overcommit,
};
use crate::validation::{ErrorList, FieldError, FieldPath, check, names};
use reddwarf_core::quantity::Quantity;
use serde_json::{Map, Value, json};

/// Checks the name of a resource.
type NameCheck = fn(&str, &FieldPath) -> ErrorList;

/// Checks an overhead, which upstream takes for the limits of a container.
pub fn amounts(limits: &Value, path: &FieldPath) -> ErrorList {
    let resources = json!({ "limits": limits });
    requirements(&resources, resource_name::of_container, &[], &Ratchet::NONE, path)
}

/// Checks the resources of a container; `claims` are the names of the pod's.
pub fn of_container(
    resources: &Value,
    claims: &[&str],
    ratchet: &Ratchet,
    path: &FieldPath,
) -> ErrorList {
    requirements(resources, resource_name::of_container, claims, ratchet, path)
}

fn requirements(
    resources: &Value,
    name_check: NameCheck,
    claims: &[&str],
    ratchet: &Ratchet,
    path: &FieldPath,
) -> ErrorList {
    let (limits, requests) = (path.child("limits"), path.child("requests"));
    let mut errors = ErrorList::new();
    for (name, value) in entries(resources, "limits") {
        errors.extend(limit(name, value, name_check, ratchet, &limits));
    }
    for (name, value) in entries(resources, "requests") {
        let at = requests.key(name);
        errors.extend(name_check(name, &at));
        errors.extend(resource_name::quantity(name, value, &at));
        errors.extend(within_limit(name, value, &resources["limits"], path));
        errors.extend(pages(name, value, ratchet, &at));
    }
    errors.extend(pages_alone(&resources["limits"], &resources["requests"], path));
    errors.extend(claim_names(resources, claims, &path.child("claims")));
    errors
}

fn limit(
    name: &str,
    value: &Value,
    name_check: NameCheck,
    ratchet: &Ratchet,
    limits: &FieldPath,
) -> ErrorList {
    let at = limits.key(name);
    let mut errors = name_check(name, &at);
    errors.extend(resource_name::quantity(name, value, &at));
    errors.extend(pages(name, value, ratchet, &at));
    errors
}

fn pages(name: &str, value: &Value, ratchet: &Ratchet, at: &FieldPath) -> Option<FieldError> {
    let partial = is_huge_page(name) && !ratchet.huge_pages && !is_whole_pages(name, value);
    let shown = value.as_str().unwrap_or_default();
    let detail = format!("{shown} is not positive integer multiple of {name}");
    partial.then(|| FieldError::invalid(at.clone(), shown, detail))
}

/// Huge pages come with the CPU or memory to use them.
fn pages_alone(limits: &Value, requests: &Value, path: &FieldPath) -> Option<FieldError> {
    let any = |test: fn(&str) -> bool| {
        let names = limits.as_object().into_iter().chain(requests.as_object());
        names.flat_map(Map::keys).any(|name| test(name))
    };
    let alone = any(is_huge_page) && !any(|name| ["cpu", "memory"].contains(&name));
    alone.then(|| FieldError::forbidden(path.clone(), "HugePages require cpu or memory"))
}

fn within_limit(name: &str, value: &Value, limits: &Value, path: &FieldPath) -> Option<FieldError> {
    let (limit, asked) = (limits.get(name).filter(|v| !v.is_null()), amount(value)?);
    let Some(limit) = limit else {
        let detail = "Limit must be set for non overcommitable resources";
        return (!may_overcommit(name)).then(|| FieldError::required(path.child("limits"), detail));
    };
    let most = amount(limit)?;
    let detail = if asked != most && !may_overcommit(name) {
        format!("must be equal to {name} limit of {}", text_of(limit))
    } else if asked > most {
        format!("must be less than or equal to {name} limit of {}", text_of(limit))
    } else {
        return None;
    };
    Some(FieldError::invalid(path.child("requests"), value.clone(), detail))
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The claims of a container are claims of its pod.
fn claim_names(resources: &Value, of_pod: &[&str], path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut seen: Vec<String> = Vec::new();
    for (at, claim) in items(resources, "claims").iter().enumerate() {
        let at = path.index(at);
        let (name, request) = (text(claim, "name"), text(claim, "request"));
        if name.is_empty() {
            errors.push(FieldError::required(at, ""));
            continue;
        }
        if seen.iter().any(|known| known == name) {
            errors.push(FieldError::duplicate(at.clone(), name));
        } else {
            let mut key = name.to_owned();
            if !request.is_empty() {
                errors.extend(check::named(names::label, request, &at.child("request")));
                key = format!("{name}/{request}");
            }
            if seen.contains(&key) {
                errors.push(FieldError::duplicate(at.clone(), key.as_str()));
            } else if request.is_empty() {
                let parts = seen.iter().filter(|k| k.split('/').next() == Some(name));
                errors.extend(parts.map(|_| FieldError::duplicate(at.clone(), name)));
            }
            seen.push(key);
        }
        if !of_pod.contains(&name) {
            let mut known = of_pod.to_vec();
            known.sort_unstable();
            let known = match known.is_empty() {
                true => " which is empty".to_owned(),
                false => format!(": {}", known.join(", ")),
            };
            let mut error = FieldError::not_found(at, name);
            error.detail = format!("must be one of the names in pod.spec.resourceClaims{known}");
            errors.push(error);
        }
    }
    errors
}

/// Checks the resources of a pod as a whole.
pub fn of_pod(spec: &Value, claims: &[&str], ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let path = path.child("resources");
    if !has(spec, "resources") {
        return ErrorList::new();
    }
    if text(&spec["os"], "name") == "windows" {
        return vec![FieldError::forbidden(path, "may not be set for a windows pod")];
    }
    let resources = &spec["resources"];
    let mut errors = ErrorList::new();
    if has(resources, "claims") {
        let detail = "claims may not be set for Resources at pod-level";
        errors.push(FieldError::forbidden(path.child("claims"), detail));
    }
    errors.extend(requirements(resources, resource_name::of_pod, claims, ratchet, &path));
    errors.extend(consistent(spec, &path));
    errors
}

/// What containers ask for together fits into what the pod asks for.
fn consistent(spec: &Value, path: &FieldPath) -> ErrorList {
    let resources = &spec["resources"];
    let mut errors = ErrorList::new();
    let mut compare = |list: &str, only: fn(&str) -> bool| {
        for (name, together) in together(spec, list) {
            let value = &resources[list][&name];
            let Some(whole) = amount(value).filter(|_| only(&name)) else { continue };
            if together > whole {
                let at = path.child(list).key(&name);
                let detail = format!(
                    "must be greater than or equal to aggregate container {list} of {together}"
                );
                errors.push(FieldError::invalid(at, value.clone(), detail));
            }
        }
    };
    compare("requests", |_| true);
    compare("limits", is_huge_page);
    for (at, container) in items(spec, "containers").iter().enumerate() {
        for (name, value) in entries(&container["resources"], "limits") {
            let whole = &resources["limits"][name];
            if amount(value).zip(amount(whole)).is_some_and(|(one, all)| one > all) {
                let at = path.child("containers").index(at).key(name).child("limits");
                let detail =
                    format!("must be less than or equal to pod limits of {}", text_of(whole));
                errors.push(FieldError::invalid(at, value.clone(), detail));
            }
        }
    }
    errors
}

/// What all containers ask for, or are limited to, at the moment when that is most: init
/// containers run one after the other, beside those that were started before and stay.
pub fn together(spec: &Value, list: &str) -> Vec<(String, Quantity)> {
    let mut total: Vec<(String, Quantity)> = Vec::new();
    let mut staying: Vec<(String, Quantity)> = Vec::new();
    let mut peak: Vec<(String, Quantity)> = Vec::new();
    let of = |container: &Value| -> Vec<(String, Quantity)> {
        let amounts = entries(&container["resources"], list);
        amounts.filter_map(|(name, value)| Some((name.clone(), amount(value)?))).collect()
    };
    items(spec, "containers").iter().for_each(|container| add(&mut total, &of(container)));
    for container in items(spec, "initContainers") {
        let mut now = of(container);
        if text(container, "restartPolicy") == "Always" {
            add(&mut total, &now);
            add(&mut staying, &now);
            now = staying.clone();
        } else {
            add(&mut now, &staying);
        }
        raise(&mut peak, &now);
    }
    raise(&mut total, &peak);
    total
}

fn add(to: &mut Vec<(String, Quantity)>, more: &[(String, Quantity)]) {
    for (name, amount) in more {
        match to.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum = sum.plus(*amount),
            None => to.push((name.clone(), *amount)),
        }
    }
}

fn raise(to: &mut Vec<(String, Quantity)>, floor: &[(String, Quantity)]) {
    for (name, amount) in floor {
        match to.iter_mut().find(|(known, _)| known == name) {
            Some((_, most)) => *most = (*most).max(*amount),
            None => to.push((name.clone(), *amount)),
        }
    }
}

/// Whether every container of a pod, init containers that end aside, limits a resource.
pub fn all_limit(spec: &Value, name: &str) -> bool {
    let limited = |c: &Value| has(&c["resources"]["limits"], name);
    items(spec, "containers").iter().all(limited)
        && items(spec, "initContainers").iter().all(limited)
}

/// Whether a pod as a whole asks for resources of its own kind.
pub fn are_set(resources: &Value, list: &str) -> bool {
    entries(resources, list).any(|(name, _)| is_of_pod(name))
}

/// Whether a specification asks for a part of a huge page.
pub fn has_partial_pages(spec: &Value) -> bool {
    let partial = |list: &Value| {
        let amounts = list.as_object().into_iter().flatten();
        amounts.into_iter().any(|(n, value)| is_huge_page(n) && !is_whole_pages(n, value))
    };
    let of = |resources: &Value| partial(&resources["limits"]) || partial(&resources["requests"]);
    containers(spec, &FieldPath::new("spec")).iter().any(|(c, _)| of(&c["resources"]))
        || partial(&spec["overhead"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    fn of(resources: Value) -> Vec<String> {
        shown(&of_container(&resources, &["c"], &Ratchet::NONE, &FieldPath::new("r")))
    }

    #[test]
    fn requests_and_limits() {
        assert_eq!(
            of(json!({"limits": {"cpu": "1"}, "requests": {"cpu": "2"}})),
            ["r.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"]
        );
        assert_eq!(
            of(json!({"requests": {"example.com/gpu": "1"}})),
            ["r.limits: Required value: Limit must be set for non overcommitable resources"]
        );
        assert_eq!(
            of(json!({"limits": {"hugepages-2Mi": "3Mi"}})),
            [
                "r.limits[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer multiple of hugepages-2Mi",
                "r: Forbidden: HugePages require cpu or memory",
            ]
        );
    }

    #[test]
    fn claims_of_a_container() {
        let claims = |list: Value| of(json!({ "claims": list }));
        assert!(
            claims(json!([{"name": "c", "request": "a"}, {"name": "c", "request": "b"}]))
                .is_empty()
        );
        assert_eq!(
            claims(json!([{"name": "c", "request": "a"}, {"name": "c"}, {"name": "x"}])),
            [
                "r.claims[1]: Duplicate value: \"c\"",
                "r.claims[2]: Not found: \"x\": must be one of the names in pod.spec.resourceClaims: c",
            ]
        );
    }

    #[test]
    fn what_containers_need_at_once() {
        let with = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut side = with("2");
        side["restartPolicy"] = json!("Always");
        let spec =
            json!({"containers": [with("1"), with("1")], "initContainers": [side, with("3")]});
        assert_eq!(together(&spec, "requests")[0].1.to_string(), "5");
    }

    #[test]
    fn a_pod_holds_its_containers() {
        let spec = json!({
            "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
            "containers": [{"resources": {"requests": {"cpu": "1500m"}, "limits": {"cpu": "3"}}}],
        });
        assert_eq!(
            shown(&of_pod(&spec, &[], &Ratchet::NONE, &FieldPath::new("spec"))),
            [
                "spec.resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to aggregate container requests of 1500m",
                "spec.resources.containers[0][cpu].limits: Invalid value: \"3\": must be less than or equal to pod limits of 2",
            ]
        );
    }
}
