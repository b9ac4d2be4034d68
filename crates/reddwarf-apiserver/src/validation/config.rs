//! Config maps and secrets.

use super::names::config_key;
use super::read::{differs, entries, flag, has, text};
use super::{ErrorList, FieldError, FieldPath, check};
use base64::Engine as _;
use serde_json::Value;

/// Bytes of all values of one object.
const DATA_BYTES_MAX: usize = 1024 * 1024;

/// Checks a config map.
pub fn config_map(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut bytes = 0;
    let data = FieldPath::new("data");
    for (key, value) in entries(object, "data") {
        errors.extend(check::named(config_key, key, &data.key(key)));
        if has(&object["binaryData"], key) {
            let detail = "duplicate of key present in binaryData";
            errors.push(FieldError::invalid(data.key(key), key.as_str(), detail));
        }
        bytes += value.as_str().map_or(0, str::len);
    }
    let binary = FieldPath::new("binaryData");
    for (key, value) in entries(object, "binaryData") {
        errors.extend(check::named(config_key, key, &binary.key(key)));
        bytes += decoded_len(value);
    }
    if bytes > DATA_BYTES_MAX {
        // Upstream shows the path of the whole object so.
        errors.push(FieldError::too_long(FieldPath::new("[]"), DATA_BYTES_MAX));
    }
    errors
}

/// Bytes of a base64 text when it is decoded.
fn decoded_len(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default().trim_end_matches('=');
    text.len() * 3 / 4
}

/// Checks an update of a config map.
pub fn config_map_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = sealed(new, old, &["data", "binaryData"]);
    errors.extend(config_map(new));
    errors
}

/// An object that was made immutable stays so, and keeps its data.
fn sealed(new: &Value, old: &Value, fields: &[&str]) -> ErrorList {
    if !flag(old, "immutable") {
        return ErrorList::new();
    }
    let detail = "field is immutable when `immutable` is set";
    let opened = (!flag(new, "immutable")).then_some("immutable");
    let changed = fields.iter().copied().filter(|field| differs(new, old, field));
    opened
        .into_iter()
        .chain(changed)
        .map(|field| FieldError::forbidden(FieldPath::new(field), detail))
        .collect()
}

/// Checks a secret.
pub fn secret(object: &Value) -> ErrorList {
    let data = FieldPath::new("data");
    let mut errors = ErrorList::new();
    let mut bytes = 0;
    for (key, value) in entries(object, "data") {
        errors.extend(check::named(config_key, key, &data.key(key)));
        bytes += decoded_len(value);
    }
    if bytes > DATA_BYTES_MAX {
        errors.push(FieldError::too_long(data.clone(), DATA_BYTES_MAX));
    }
    errors.extend(typed_secret(object, &data));
    errors
}

fn typed_secret(object: &Value, data: &FieldPath) -> ErrorList {
    let missing = |keys: &[&str]| -> ErrorList {
        let missing = keys.iter().filter(|key| !has(&object["data"], key));
        missing.map(|key| FieldError::required(data.key(key), "")).collect()
    };
    match text(object, "type") {
        "kubernetes.io/service-account-token" => {
            let annotation = "kubernetes.io/service-account.name";
            if !text(&object["metadata"]["annotations"], annotation).is_empty() {
                return ErrorList::new();
            }
            let path = FieldPath::new("metadata").child("annotations").key(annotation);
            vec![FieldError::required(path, "")]
        }
        "kubernetes.io/dockercfg" => json_data(object, ".dockercfg", data),
        "kubernetes.io/dockerconfigjson" => json_data(object, ".dockerconfigjson", data),
        "kubernetes.io/basic-auth" => {
            // One of the two suffices.
            let errors = missing(&["username", "password"]);
            if errors.len() == 2 { errors } else { ErrorList::new() }
        }
        "kubernetes.io/ssh-auth" => missing(&["ssh-privatekey"]),
        "kubernetes.io/tls" => missing(&["tls.crt", "tls.key"]),
        _ => ErrorList::new(),
    }
}

fn json_data(object: &Value, key: &str, data: &FieldPath) -> ErrorList {
    let Some(text) = object["data"].get(key).and_then(Value::as_str) else {
        return vec![FieldError::required(data.key(key), "")];
    };
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    match serde_json::from_slice::<serde_json::Map<String, Value>>(&bytes) {
        Ok(_) => ErrorList::new(),
        Err(error) => {
            let shown = "<secret contents redacted>";
            vec![FieldError::invalid(data.key(key), shown, error.to_string())]
        }
    }
}

/// Checks an update of a secret.
pub fn secret_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors: ErrorList =
        check::immutable(new, old, "type", FieldPath::new("type")).into_iter().collect();
    errors.extend(sealed(new, old, &["data"]));
    errors.extend(secret(new));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_of_a_config_map() {
        let object = json!({"data": {"..": "y", "k": "z"}, "binaryData": {"k": "AA=="}});
        assert_eq!(
            shown(&config_map(&object)),
            [
                "data[..]: Invalid value: \"..\": must not be '..'",
                "data[k]: Invalid value: \"k\": duplicate of key present in binaryData",
            ]
        );
    }

    #[test]
    fn an_immutable_object_stays() {
        let old = json!({"immutable": true, "data": {"a": "1"}});
        assert!(config_map_update(&old, &old).is_empty());
        assert_eq!(
            shown(&config_map_update(&json!({"data": {"a": "2"}}), &old)),
            [
                "immutable: Forbidden: field is immutable when `immutable` is set",
                "data: Forbidden: field is immutable when `immutable` is set",
            ]
        );
    }

    #[test]
    fn typed_secrets() {
        let tls = json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "Y3J0"}});
        assert_eq!(shown(&secret(&tls)), ["data[tls.key]: Required value"]);
        let old = json!({"type": "Opaque"});
        assert_eq!(
            shown(&secret_update(&json!({"type": "other"}), &old)),
            ["type: Invalid value: \"other\": field is immutable"]
        );
    }
}
