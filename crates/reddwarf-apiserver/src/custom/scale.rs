//! `/scale` of custom objects.

use super::definition::ScalePaths;
use crate::errors::{bad_request, internal};
use crate::validation::{ErrorList, FieldError, FieldPath};
use reddwarf_core::Status;
use serde_json::{Map, Value, json};

/// Stands for a number of replicas that is not there, while a client changes a `Scale`.
const NO_REPLICAS: i64 = i32::MIN as i64;

/// The names in a path such as `.spec.replicas`.
pub fn names(path: &str) -> Vec<&str> {
    path.trim_start_matches('.').split('.').collect()
}

fn at<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    names(path).into_iter().try_fold(object, |at, name| at.get(name))
}

/// The `Scale` of an object.
///
/// # Errors
/// 500 when the object has no number of replicas.
pub fn read(paths: &ScalePaths, object: &Value) -> Result<Value, Box<Status>> {
    let path = &paths.spec_replicas_path;
    match at(object, path) {
        Some(_) => Ok(shown(paths, object)),
        None => Err(internal(format!("the spec replicas field {path:?} does not exist"))),
    }
}

/// The `Scale` that a change begins with.
pub fn read_to_change(paths: &ScalePaths, object: &Value) -> Value {
    let mut scale = shown(paths, object);
    if at(object, &paths.spec_replicas_path).is_none() {
        scale["spec"]["replicas"] = NO_REPLICAS.into();
    }
    scale
}

/// The `Scale` of an object that has just been changed.
pub fn shown(paths: &ScalePaths, object: &Value) -> Value {
    let number = |path: &str| at(object, path).and_then(Value::as_i64).unwrap_or_default();
    let mut meta = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(field) {
            meta[field] = value.clone();
        }
    }
    let replicas = number(&paths.spec_replicas_path);
    let spec = if replicas == 0 { json!({}) } else { json!({"replicas": replicas}) };
    let mut status = json!({"replicas": number(&paths.status_replicas_path)});
    let selector = paths.label_selector_path.as_deref().and_then(|path| at(object, path));
    if let Some(text) = selector.and_then(Value::as_str).filter(|text| !text.is_empty()) {
        status["selector"] = text.into();
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": meta, "spec": spec, "status": status,
    })
}

/// Brings a `Scale` back into its object.
///
/// # Errors
/// 400 when it has no number of replicas.
pub fn write(paths: &ScalePaths, scale: &Value, current: &Value) -> Result<Value, Box<Status>> {
    let replicas = scale["spec"].get("replicas").and_then(Value::as_i64).unwrap_or_default();
    let path = &paths.spec_replicas_path;
    if replicas == NO_REPLICAS {
        return Err(bad_request(format!("the spec replicas field {path:?} cannot be empty")));
    }
    let mut object = current.clone();
    let mut place = &mut object;
    for name in names(path) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[name];
    }
    *place = replicas.into();
    Ok(object)
}

/// What is wrong with the numbers of an object that is to be scaled.
pub fn errors(paths: &ScalePaths, object: &Value, with_spec: bool) -> ErrorList {
    let mut errors = ErrorList::new();
    let spec = Some(&paths.spec_replicas_path).filter(|_| with_spec);
    for path in spec.into_iter().chain([&paths.status_replicas_path]) {
        errors.extend(number_error(path, at(object, path)));
    }
    if let Some(path) = &paths.label_selector_path
        && let Some(value) = at(object, path).filter(|value| !value.is_string())
    {
        let detail = accessor_error(path, value, "string");
        errors.push(FieldError::invalid(FieldPath::new(path), "", detail));
    }
    errors
}

fn number_error(path: &str, value: Option<&Value>) -> Option<FieldError> {
    let at = FieldPath::new(path);
    let value = value?;
    let Some(number) = value.as_i64() else {
        return Some(FieldError::invalid(at, 0, accessor_error(path, value, "int64")));
    };
    if number < 0 {
        return Some(FieldError::invalid(at, number, "should be a non-negative integer"));
    }
    let max = i64::from(i32::MAX);
    let detail = format!("should be less than or equal to {max}");
    (number > max).then(|| FieldError::invalid(at, number, detail))
}

fn accessor_error(path: &str, value: &Value, wanted: &str) -> String {
    let found = match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    let shown = crate::patch::go_print::value(value);
    let dotted = format!(".{}", path.trim_start_matches('.'));
    format!("{dotted} accessor error: {shown} is of the type {found}, expected {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> ScalePaths {
        ScalePaths {
            spec_replicas_path: ".spec.n".into(),
            status_replicas_path: ".status.n".into(),
            label_selector_path: Some(".status.sel".into()),
        }
    }

    #[test]
    fn there_and_back() {
        let object =
            json!({"metadata": {"name": "a"}, "spec": {"n": 3}, "status": {"n": 2, "sel": "a=b"}});
        let scale = read(&paths(), &object).expect("has replicas");
        assert_eq!(scale["spec"], json!({"replicas": 3}));
        assert_eq!(scale["status"], json!({"replicas": 2, "selector": "a=b"}));
        let written =
            write(&paths(), &json!({"spec": {"replicas": 5}}), &json!({})).expect("written");
        assert_eq!(written, json!({"spec": {"n": 5}}));
        let none = read(&paths(), &json!({"metadata": {}})).expect_err("no replicas");
        assert_eq!(
            none.message,
            "Internal error occurred: the spec replicas field \".spec.n\" does not exist"
        );
        let begun = read_to_change(&paths(), &json!({"metadata": {}}));
        assert!(write(&paths(), &begun, &json!({})).is_err(), "the number is still missing");
    }

    #[test]
    fn numbers_are_checked() {
        let said = |object: Value| -> Vec<String> {
            errors(&paths(), &object, true).iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            said(json!({"spec": {"n": -1}, "status": {"n": 1_i64 << 40}})),
            [
                ".spec.n: Invalid value: -1: should be a non-negative integer",
                ".status.n: Invalid value: 1099511627776: should be less than or equal to 2147483647",
            ]
        );
        assert!(said(json!({})).is_empty());
    }
}
