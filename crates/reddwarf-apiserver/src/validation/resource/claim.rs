//! Claims for devices, templates of claims, and classes of devices.

use super::super::csi::driver_name;
use super::super::expression::{self, Expected, Scope};
use super::super::read::{differs, has, int, items, text};
use super::super::{ErrorList, FieldError, FieldPath, check, labels, names};
use super::{driver_data, each, each_once, fully_qualified_name, itself, named, toleration};
use serde_json::{Value, json};

const REQUESTS_MAX: usize = 32;
const ALTERNATIVES_MAX: usize = 8;
const CONSTRAINTS_MAX: usize = 32;
const CONFIGURATIONS_MAX: usize = 32;
const SELECTORS_MAX: usize = 32;
const EXPRESSION_BYTES_MAX: usize = 10 * 1024;
const PARAMETERS_BYTES_MAX: usize = 10 * 1024;

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks a claim.
pub fn claim(object: &Value) -> ErrorList {
    claim_spec(&object["spec"], &path())
}

fn claim_spec(spec: &Value, path: &FieldPath) -> ErrorList {
    let (devices, path) = (&spec["devices"], path.child("devices"));
    let requests = path.child("requests");
    let mut errors = each_once(items(devices, "requests"), REQUESTS_MAX, &requests, named, request);
    let constraints = path.child("constraints");
    errors.extend(each(items(devices, "constraints"), CONSTRAINTS_MAX, &constraints, |c, at| {
        constraint(c, devices, at)
    }));
    let configurations = path.child("config");
    errors.extend(each(items(devices, "config"), CONFIGURATIONS_MAX, &configurations, |c, at| {
        let mut errors = request_references(c, devices, at);
        errors.extend(configuration(c, at));
        errors
    }));
    errors
}

fn request(request: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = check::named(names::label, text(request, "name"), &path.child("name"));
    let alternatives = items(request, "firstAvailable");
    match (has(request, "exactly"), alternatives.is_empty()) {
        (false, true) => {
            let detail = "exactly one of `exactly` or `firstAvailable` is required";
            errors.push(FieldError::required(path.clone(), detail));
        }
        (true, false) => {
            let detail = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
            errors.push(FieldError::invalid(path.clone(), Value::Null, detail));
        }
        (true, true) => {
            errors.extend(exact_request(&request["exactly"], &path.child("exactly")));
        }
        (false, false) => {
            let list = path.child("firstAvailable");
            errors.extend(each_once(alternatives, ALTERNATIVES_MAX, &list, named, |one, at| {
                let name = text(one, "name");
                let mut errors = check::named(names::label, name, &at.child("name"));
                errors.extend(exact_request(one, at));
                errors
            }));
        }
    }
    errors
}

fn exact_request(request: &Value, path: &FieldPath) -> ErrorList {
    let class = text(request, "deviceClassName");
    let mut errors = check::required_name(names::subdomain, class, &path.child("deviceClassName"));
    errors.extend(selectors(request, path));
    let count = int(request, "count").unwrap_or_default();
    let count_at = path.child("count");
    match text(request, "allocationMode") {
        "All" if count != 0 => {
            let detail = "must not be specified when allocationMode is 'All'";
            errors.push(FieldError::invalid(count_at, count, detail));
        }
        "ExactCount" if count <= 0 => {
            errors.push(FieldError::invalid(count_at, count, "must be greater than zero"));
        }
        "All" | "ExactCount" => {}
        other => {
            let at = path.child("allocationMode");
            errors.push(FieldError::not_supported(at, other, &["All", "ExactCount"]));
        }
    }
    for (at, one) in items(request, "tolerations").iter().enumerate() {
        errors.extend(toleration(one, &path.child("tolerations").index(at)));
    }
    errors
}

/// Selectors of devices.
fn selectors(of: &Value, path: &FieldPath) -> ErrorList {
    each(items(of, "selectors"), SELECTORS_MAX, &path.child("selectors"), |selector, at| {
        if !has(selector, "cel") {
            return vec![FieldError::required(at.child("cel"), "")];
        }
        let at = at.child("cel").child("expression");
        let given = text(&selector["cel"], "expression");
        let error = if given.len() > EXPRESSION_BYTES_MAX {
            Some(FieldError::too_long(at, EXPRESSION_BYTES_MAX))
        } else {
            expression::check(given, Scope::of_devices(), Expected::DeviceBool, &at)
        };
        error.into_iter().collect()
    })
}

fn constraint(constraint: &Value, devices: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = request_references(constraint, devices, path);
    let fields = ["matchAttribute", "distinctAttribute"];
    let given = fields.into_iter().find(|field| has(constraint, field));
    match given {
        Some(field) => {
            let name = text(constraint, field);
            errors.extend(fully_qualified_name(name, &path.child(field)));
        }
        None => {
            let detail = "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set";
            errors.push(FieldError::required(path.clone(), detail));
        }
    }
    errors
}

/// Checks the names of requests to which a constraint or configuration applies.
pub(super) fn request_references(of: &Value, devices: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("requests");
    each_once(items(of, "requests"), REQUESTS_MAX, &list, itself, |name, at| {
        request_reference(name.as_str().unwrap_or_default(), devices, at)
    })
}

/// Checks the name of a request, or of one and an alternative of it.
pub(super) fn request_reference(name: &str, devices: &Value, path: &FieldPath) -> ErrorList {
    let parts: Vec<&str> = name.split('/').collect();
    let mut errors = ErrorList::new();
    let known = match parts[..] {
        [request] => find(items(devices, "requests"), request).is_some(),
        [request, alternative] => find(items(devices, "requests"), request)
            .is_some_and(|request| find(items(request, "firstAvailable"), alternative).is_some()),
        _ => false,
    };
    if parts.len() <= 2 {
        errors.extend(parts.iter().flat_map(|part| check::named(names::label, part, path)));
    }
    if !known {
        let detail = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
        errors.push(FieldError::invalid(path.clone(), name, detail));
    }
    errors
}

fn find<'a>(list: &'a [Value], name: &str) -> Option<&'a Value> {
    list.iter().find(|item| text(item, "name") == name)
}

/// Checks the configuration of a device.
pub(super) fn configuration(configuration: &Value, path: &FieldPath) -> ErrorList {
    let (opaque, path) = (&configuration["opaque"], path.child("opaque"));
    if opaque.is_null() {
        return vec![FieldError::required(path, "")];
    }
    let mut errors = driver_name(text(opaque, "driver"), &path.child("driver"));
    let at = path.child("parameters");
    errors.extend(driver_data(&opaque["parameters"], &at, PARAMETERS_BYTES_MAX));
    errors
}

/// Checks an update of a claim: what it asks for stays.
pub fn claim_update(new: &Value, old: &Value) -> ErrorList {
    check::immutable(new, old, "spec", path()).into_iter().collect()
}

/// Checks a template of claims.
pub fn template(object: &Value) -> ErrorList {
    let (meta, at) = (&object["spec"]["metadata"], path().child("metadata"));
    let mut errors = labels::annotations(&meta["annotations"], &at.child("annotations"));
    errors.extend(labels::labels(&meta["labels"], &at.child("labels")));
    errors.extend(claim_spec(&object["spec"]["spec"], &path().child("spec")));
    errors
}

/// Checks an update of a template: what it asks for stays.
pub fn template_update(new: &Value, old: &Value) -> ErrorList {
    if with_devices(&new["spec"]) == with_devices(&old["spec"]) {
        return ErrorList::new();
    }
    vec![FieldError::invalid(path(), new["spec"].clone(), "field is immutable")]
}

/// A template's specification, in which no devices and an empty claim for some are the same.
fn with_devices(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if spec["spec"]["devices"].is_null() {
        spec["spec"]["devices"] = json!({});
    }
    spec
}

/// Checks a class of devices.
pub fn class(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = selectors(spec, &path());
    let list = path().child("config");
    errors.extend(each(items(spec, "config"), CONFIGURATIONS_MAX, &list, configuration));
    if let Some(name) = spec.get("extendedResourceName").and_then(Value::as_str)
        && !is_extended_resource(name)
    {
        let detail = "must be a valid extended resource name";
        let at = path().child("extendedResourceName");
        errors.push(FieldError::invalid(at, name, detail));
    }
    errors
}

/// Checks an update of a class of devices; selectors that stay are not read again.
pub fn class_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = class(new);
    if !differs(&new["spec"], &old["spec"], "selectors") {
        errors.retain(|error| !error.field.to_string().ends_with(".cel.expression"));
    }
    errors
}

/// A name with a domain that is not Kubernetes' own, and that a quota can name.
fn is_extended_resource(name: &str) -> bool {
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    !native
        && !name.starts_with("requests.")
        && names::qualified_name(&format!("requests.{name}")).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn a_request_is_one_of_two() {
        let request = |body: Value| shown(&request(&body, &FieldPath::new("r")));
        let exact = json!({"deviceClassName": "c", "allocationMode": "ExactCount", "count": 1});
        assert!(request(json!({"name": "a", "exactly": exact})).is_empty());
        assert_eq!(request(json!({"name": "a"})), ["r FieldValueRequired"]);
        let mut sub = exact.clone();
        sub["name"] = json!("x");
        assert!(request(json!({"name": "a", "firstAvailable": [sub]})).is_empty());
        assert_eq!(
            request(json!({"name": "a", "firstAvailable": [sub, sub]})),
            ["r.firstAvailable[1] FieldValueDuplicate"]
        );
        assert_eq!(
            request(json!({"name": "a", "exactly": exact, "firstAvailable": [sub]})),
            ["r FieldValueInvalid"]
        );
    }

    #[test]
    fn constraints_refer_to_requests() {
        let devices =
            json!({"requests": [{"name": "a", "firstAvailable": [{"name": "x"}]}, {"name": "b"}]});
        let refer = |name: &str| request_reference(name, &devices, &FieldPath::new("r")).len();
        assert_eq!([refer("a"), refer("b"), refer("a/x")], [0, 0, 0]);
        assert_eq!([refer("c"), refer("b/x"), refer("a/x/y")], [1, 1, 1]);
    }

    #[test]
    fn a_claim_stays() {
        let of = |count: i64| json!({"spec": {"devices": {"requests": [{"count": count}]}}});
        assert!(claim_update(&of(1), &of(1)).is_empty());
        assert_eq!(shown(&claim_update(&of(2), &of(1))), ["spec FieldValueInvalid"]);
        assert!(
            template_update(
                &json!({"spec": {"spec": {}}}),
                &json!({"spec": {"spec": {"devices": {}}}})
            )
            .is_empty()
        );
    }

    #[test]
    fn names_of_extended_resources() {
        assert!(is_extended_resource("example.com/gpu"));
        for bad in ["gpu", "kubernetes.io/gpu", "requests.example.com/gpu", "a b/c"] {
            assert!(!is_extended_resource(bad), "{bad}");
        }
    }
}
