//! Volumes whose files come from the API: secrets, config maps, the pod itself, and several of
//! these in one.

use super::environment::{self, Place};
use super::ratchet::Ratchet;
use crate::validation::read::{has, int, items, text};
use crate::validation::volume_source::{file_mode, needed, not_reserved};
use crate::validation::{ErrorList, FieldError, FieldPath, check};
use serde_json::Value;

/// What a projected volume may be made of, in the order of upstream's checks. Two more need
/// features that are off, and are dropped before.
const SOURCES: [&str; 4] = ["secret", "configMap", "downwardAPI", "serviceAccountToken"];
const TOKEN_SECONDS_MIN: i64 = 10 * 60;
const TOKEN_SECONDS_MAX: i64 = 1 << 32;

/// Checks a volume of a secret or config map, which `name` names.
pub fn keys(source: &Value, name: &str, path: &FieldPath) -> ErrorList {
    let mut errors = needed(source, &[name], path);
    errors.extend(file_mode(source, "defaultMode", path));
    errors.extend(items_of(source, path));
    errors
}

fn items_of(source: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("items");
    let each = items(source, "items").iter().enumerate();
    each.flat_map(|(at, item)| key_to_path(item, &list.index(at))).collect()
}

fn key_to_path(item: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = needed(item, &["key", "path"], path);
    errors.extend(not_reserved(text(item, "path"), &path.child("path")));
    errors.extend(file_mode(item, "mode", path));
    errors
}

/// Checks a volume of fields and resources of the pod itself. Upstream does not say which item
/// is wrong.
pub fn downward(source: &Value, path: &FieldPath) -> ErrorList {
    let mut errors: ErrorList = file_mode(source, "defaultMode", path).into_iter().collect();
    errors.extend(items(source, "items").iter().flat_map(|file| downward_file(file, path)));
    errors
}

fn downward_file(file: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = needed(file, &["path"], path);
    errors.extend(not_reserved(text(file, "path"), &path.child("path")));
    match (has(file, "fieldRef"), has(file, "resourceFieldRef")) {
        (true, both) => {
            let at = path.child("fieldRef");
            errors.extend(environment::field(&file["fieldRef"], &at, Place::File));
            if both {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.push(FieldError::invalid(path.clone(), "resource", detail));
            }
        }
        (false, true) => {
            let at = path.child("resourceFieldRef");
            errors.extend(environment::resource(&file["resourceFieldRef"], &at, Place::File));
        }
        (false, false) => {
            let detail = "one of fieldRef and resourceFieldRef is required";
            errors.push(FieldError::required(path.clone(), detail));
        }
    }
    errors.extend(file_mode(file, "mode", path));
    errors
}

/// Checks a volume that is made of several sources.
pub fn all(volume: &Value, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let mut errors: ErrorList = file_mode(volume, "defaultMode", path).into_iter().collect();
    let mut files: Vec<&str> = Vec::new();
    for (at, source) in items(volume, "sources").iter().enumerate() {
        let at = path.child("sources").index(at);
        let given = SOURCES.into_iter().filter(|kind| has(source, kind));
        let given: Vec<&str> = given.collect();
        for kind in &given {
            let (of, at) = (&source[*kind], at.child(kind));
            match *kind {
                "downwardAPI" => errors.extend(files_of_pod(of, &mut files, path, &at)),
                "serviceAccountToken" => errors.extend(token(of, ratchet, path, &at)),
                _ => errors.extend(files_of_keys(of, &mut files, path, &at)),
            }
        }
        if given.len() > 1 {
            let detail = "may not specify more than 1 volume type per source";
            errors.push(FieldError::forbidden(at, detail));
        }
    }
    errors
}

/// Notes a file; an error when there is one of that path already.
fn note<'a>(
    file: &'a str,
    shown: &str,
    files: &mut Vec<&'a str>,
    path: &FieldPath,
) -> Option<FieldError> {
    if file.is_empty() {
        return None;
    }
    let detail = "conflicting duplicate paths";
    let error = files.contains(&file).then(|| FieldError::invalid(path.clone(), shown, detail));
    files.push(file);
    error
}

fn files_of_keys<'a>(
    source: &'a Value,
    files: &mut Vec<&'a str>,
    path: &FieldPath,
    at: &FieldPath,
) -> ErrorList {
    let mut errors = needed(source, &["name"], at);
    for (i, item) in items(source, "items").iter().enumerate() {
        errors.extend(key_to_path(item, &at.child("items").index(i)));
        errors.extend(note(text(item, "path"), text(source, "name"), files, path));
    }
    errors
}

fn files_of_pod<'a>(
    source: &'a Value,
    files: &mut Vec<&'a str>,
    path: &FieldPath,
    at: &FieldPath,
) -> ErrorList {
    let mut errors = ErrorList::new();
    for file in items(source, "items") {
        errors.extend(downward_file(file, at));
        let name = text(file, "path");
        errors.extend(note(name, name, files, path));
    }
    errors
}

fn token(token: &Value, ratchet: &Ratchet, path: &FieldPath, at: &FieldPath) -> ErrorList {
    let seconds = int(token, "expirationSeconds").unwrap_or_default();
    let detail = if seconds < TOKEN_SECONDS_MIN {
        Some("may not specify a duration less than 10 minutes")
    } else if seconds > TOKEN_SECONDS_MAX {
        Some("may not specify a duration larger than 2^32 seconds")
    } else {
        None
    };
    let at = at.child("expirationSeconds");
    let wrong = detail.map(|detail| FieldError::invalid(at, seconds, detail));
    let mut errors: ErrorList = wrong.into_iter().collect();
    let (file, at) = (text(token, "path"), path.child("path"));
    errors.extend(check::required(file, at.clone()));
    if !ratchet.token_paths {
        errors.extend(not_reserved(file, &at));
    }
    errors
}

fn tokens(spec: &Value) -> impl Iterator<Item = (usize, usize, &Value)> {
    items(spec, "volumes").iter().enumerate().flat_map(|(i, volume)| {
        let sources = items(&volume["projected"], "sources").iter().enumerate();
        sources.filter_map(move |(j, source)| {
            source.get("serviceAccountToken").filter(|t| !t.is_null()).map(|token| (i, j, token))
        })
    })
}

/// Whether a specification has a token in a file outside its volume.
pub fn has_bad_token_path(spec: &Value) -> bool {
    let at = FieldPath::new("path");
    tokens(spec).any(|(_, _, token)| !not_reserved(text(token, "path"), &at).is_empty())
}

/// Tokens are of a service account.
pub fn tokens_of_nobody(spec: &Value, path: &FieldPath) -> ErrorList {
    if !text(spec, "serviceAccountName").is_empty() {
        return ErrorList::new();
    }
    let detail = "must not be specified when serviceAccountName is not set";
    tokens(spec)
        .map(|(i, j, _)| {
            let at = path.child("volumes").index(i).child("projected").child("sources").index(j);
            FieldError::forbidden(at.child("serviceAccountToken"), detail)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sources_of_a_projected_volume() {
        let volume = json!({"defaultMode": 512, "sources": [
            {"secret": {"items": [{"key": "k", "path": "p"}]}, "configMap": {"name": "c"}},
            {"serviceAccountToken": {"expirationSeconds": 60, "path": "/p"}},
            {"downwardAPI": {"items": [{"path": "p"}]}},
            {},
        ]});
        let errors = all(&volume, &Ratchet::NONE, &FieldPath::new("v"));
        let fields: Vec<String> = errors.iter().map(|e| e.field.to_string()).collect();
        assert_eq!(
            fields,
            [
                "v.defaultMode",
                "v.sources[0].secret.name",
                "v.sources[0]",
                "v.sources[1].serviceAccountToken.expirationSeconds",
                "v.path",
                "v.sources[2].downwardAPI",
                "v",
            ]
        );
        let spec = json!({"volumes": [{"projected": volume}]});
        assert!(has_bad_token_path(&spec));
        assert_eq!(tokens_of_nobody(&spec, &FieldPath::new("spec")).len(), 1);
    }
}
