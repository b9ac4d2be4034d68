//! From a JSON value to the bytes that are stored, and what is stored beside them.

use crate::registry::Kind;
use bytes::{BufMut, Bytes, BytesMut};
use reddwarf_core::{Change, ObjectIndex, ObjectKey};
use serde::Serialize;
use serde_json::{Map, Value};

/// The final form of an object.
#[derive(Debug)]
pub struct Encoded {
    /// `{"kind":…,"apiVersion":…,"metadata":{…},…}` with an empty `resourceVersion`.
    pub bytes: Bytes,
    /// Just after the opening quote of that empty text.
    pub version_offset: u32,
}

/// The order in which upstream writes metadata.
const META_ORDER: [&str; 15] = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

/// Encodes `object` as kind and version say; whatever `resourceVersion` it has is left out.
pub fn encode(api_version: &str, kind: &str, object: &Value) -> Encoded {
    let mut out = BytesMut::with_capacity(1024);
    out.put_slice(b"{\"kind\":");
    put(&mut out, kind);
    out.put_slice(b",\"apiVersion\":");
    put(&mut out, api_version);
    out.put_slice(b",\"metadata\":{");
    let empty = Map::new();
    let meta = object.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let version_offset = put_meta(&mut out, meta);
    out.put_u8(b'}');
    for (key, value) in object.as_object().into_iter().flatten() {
        if matches!(key.as_str(), "kind" | "apiVersion" | "metadata") {
            continue;
        }
        out.put_u8(b',');
        put(&mut out, key);
        out.put_u8(b':');
        put(&mut out, value);
    }
    out.put_u8(b'}');
    Encoded { bytes: out.freeze(), version_offset }
}

fn put_meta(out: &mut BytesMut, meta: &Map<String, Value>) -> u32 {
    let mut version_offset = 0;
    let mut first = true;
    let mut comma = |out: &mut BytesMut| {
        if !std::mem::take(&mut first) {
            out.put_u8(b',');
        }
    };
    for field in META_ORDER {
        if field == "resourceVersion" {
            comma(out);
            out.put_slice(b"\"resourceVersion\":\"");
            version_offset = out.len() as u32;
            out.put_u8(b'"');
        } else if let Some(value) = meta.get(field) {
            comma(out);
            put(out, field);
            out.put_u8(b':');
            put(out, value);
        }
    }
    version_offset
}

fn put<T: Serialize + ?Sized>(out: &mut BytesMut, value: &T) {
    serde_json::to_writer(out.writer(), value)
        .expect("invariant: a JSON value with text keys serializes into memory");
}

/// The version of encoded bytes, which begin `{"kind":"…","apiVersion":"…"`.
pub fn stored_version(bytes: &[u8]) -> Option<&str> {
    let (_, rest) = before_quote(bytes.strip_prefix(b"{\"kind\":\"")?)?;
    let (version, _) = before_quote(rest.strip_prefix(b",\"apiVersion\":\"")?)?;
    std::str::from_utf8(version).ok()
}

/// What stands before the next quote, and what behind it.
fn before_quote(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'"')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// The parsed index of an object of `kind` (in the version of `kind`).
pub fn index(kind: &Kind, object: &Value) -> ObjectIndex {
    let mut labels: Vec<(Box<str>, Box<str>)> = object
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(k, v)| Some((k.as_str().into(), v.as_str()?.into())))
        .collect();
    labels.sort();
    let mut fields: Vec<(Box<str>, Box<str>)> = kind
        .indexed_fields(object)
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(path, value)| (path.into(), value.into()))
        .collect();
    fields.sort();
    let mut owners: Vec<Box<str>> = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|o| Some(o.get("uid")?.as_str()?.into()))
        .collect();
    owners.sort();
    ObjectIndex { uid: super::uid(object).into(), labels, fields, owners }
}

/// The change that stores an object at `key`, and its encoded form.
pub fn to_change(kind: &Kind, key: ObjectKey, object: &Value) -> (Change, Encoded) {
    let index = index(kind, object);
    match kind.converts() {
        false => put_stored(kind, key, index, object),
        true => {
            let mut stored = object.clone();
            kind.store(&mut stored);
            put_stored(kind, key, index, &stored)
        }
    }
}

/// The same for an object that is in its storage version already, by its index.
pub fn put_stored(
    kind: &Kind,
    key: ObjectKey,
    index: ObjectIndex,
    stored: &Value,
) -> (Change, Encoded) {
    let encoded = encode(&kind.storage.api_version, &kind.kind, stored);
    let secret = kind.group.is_empty() && kind.plural == "secrets";
    let change = Change::Put {
        key,
        body: encoded.bytes.clone(),
        version_offset: encoded.version_offset,
        index,
        salt: secret.then(rand::random),
    };
    (change, encoded)
}

/// Stored bytes without `kind` and `apiVersion`, as the items of built-in lists are.
///
/// Two pieces: the opening brace, and the rest behind the two fields.
pub fn list_item<'a>(api_version: &str, kind: &str, bytes: &'a [u8]) -> &'a [u8] {
    // {"kind":"K","apiVersion":"A",
    let prefix = 1 + 7 + kind.len() + 2 + 1 + 13 + api_version.len() + 2 + 1;
    debug_assert_eq!(bytes.get(prefix - 1), Some(&b','));
    bytes.get(prefix..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn encoded_form() {
        let object = json!({
            "metadata": {"uid": "u", "name": "a", "resourceVersion": "7", "labels": {"x": "y"}},
            "data": {"k": "v"}, "apiVersion": "v1", "kind": "ConfigMap",
        });
        let encoded = encode("v1", "ConfigMap", &object);
        let text = std::str::from_utf8(&encoded.bytes).expect("UTF-8");
        assert_eq!(
            text,
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","uid":"u","resourceVersion":"","labels":{"x":"y"}},"data":{"k":"v"}}"#
        );
        assert!(text[..encoded.version_offset as usize].ends_with(r#""resourceVersion":""#));
        assert!(list_item("v1", "ConfigMap", &encoded.bytes).starts_with(br#""metadata":{"#));
    }

    #[test]
    fn the_version_stands_at_the_beginning() {
        let encoded = encode("g/v1", "Widget", &json!({"spec": {}}));
        assert_eq!(stored_version(&encoded.bytes), Some("g/v1"));
        assert_eq!(stored_version(br#"{"metadata":{}}"#), None);
        assert_eq!(stored_version(b""), None);
    }
}
