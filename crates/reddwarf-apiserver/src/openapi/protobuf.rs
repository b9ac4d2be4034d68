//! `/openapi/v2` in the protobuf form of gnostic's `openapi.v2.Document`, the only one that
//! kubectl and client-go ask for when they check a `List` or an object whose kind no document of
//! version 3 has.
//!
//! The document is rewritten from its JSON by tables of field numbers. What stands in no table is
//! left out; a test sees to it that this is nothing.

use serde_json::{Map, Value};

/// The media type that is answered.
pub const MEDIA_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// The names under which it is asked for.
const ASKED_AS: [&str; 2] =
    ["application/com.github.proto-openapi.spec.v2@v1.0+protobuf", MEDIA_TYPE];

/// Whether an `Accept` header names this form.
pub fn is_asked_for(accept: Option<&str>) -> bool {
    let ranges = accept.unwrap_or_default().split(',');
    ranges
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .any(|media| ASKED_AS.contains(&media))
}

/// The document, from its JSON.
pub fn document(json: &Value) -> Vec<u8> {
    match json {
        Value::Object(object) => message(&DOCUMENT, object),
        _ => Vec::new(),
    }
}

/// How a value is written. A list is its elements, one after the other, with the same number.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Flag,
    Whole,
    Decimal,
    /// Any value, as YAML, of which JSON is a part.
    Any,
    /// The elements of a list as such values.
    Anys,
    Message(&'static Message),
    /// A message with one field of that number, which has the value in that form; the elements of
    /// a list stand within it.
    Within(u32, &'static Form),
    /// A message whose field of that number has an entry for each key: 1 is the key and 2 the
    /// value in that form.
    Entries(u32, &'static Form),
    Schema,
    /// A schema, or whether anything may stand there.
    SchemaOrFlag,
    /// A parameter, which is another message by where it stands in a request.
    Parameter,
}

struct Message {
    /// Names in JSON, numbers and forms, by number.
    fields: &'static [(&'static str, u32, Form)],
    /// The number of the extensions (`x-…`); 0 when there are none.
    extensions: u32,
}

static DOCUMENT: Message = Message {
    fields: &[
        ("swagger", 1, Form::Text),
        ("info", 2, Form::Message(&INFO)),
        ("paths", 8, Form::Entries(2, &Form::Message(&PATH_ITEM))),
        ("definitions", 9, Form::Entries(1, &Form::Schema)),
        ("security", 12, Form::Entries(1, &Form::Within(1, &Form::Text))),
        ("securityDefinitions", 13, Form::Entries(1, &Form::Within(2, &Form::Message(&API_KEY)))),
    ],
    extensions: 16,
};

static INFO: Message =
    Message { fields: &[("title", 1, Form::Text), ("version", 2, Form::Text)], extensions: 7 };

static API_KEY: Message = Message {
    fields: &[
        ("type", 1, Form::Text),
        ("name", 2, Form::Text),
        ("in", 3, Form::Text),
        ("description", 4, Form::Text),
    ],
    extensions: 5,
};

static PATH_ITEM: Message = Message {
    fields: &[
        ("get", 2, Form::Message(&OPERATION)),
        ("put", 3, Form::Message(&OPERATION)),
        ("post", 4, Form::Message(&OPERATION)),
        ("delete", 5, Form::Message(&OPERATION)),
        ("options", 6, Form::Message(&OPERATION)),
        ("head", 7, Form::Message(&OPERATION)),
        ("patch", 8, Form::Message(&OPERATION)),
        ("parameters", 9, Form::Parameter),
    ],
    extensions: 10,
};

static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, Form::Text),
        ("summary", 2, Form::Text),
        ("description", 3, Form::Text),
        ("operationId", 5, Form::Text),
        ("produces", 6, Form::Text),
        ("consumes", 7, Form::Text),
        ("parameters", 8, Form::Parameter),
        ("responses", 9, Form::Entries(1, &Form::Within(1, &Form::Message(&RESPONSE)))),
        ("schemes", 10, Form::Text),
        ("deprecated", 11, Form::Flag),
    ],
    extensions: 13,
};

static RESPONSE: Message = Message {
    fields: &[("description", 1, Form::Text), ("schema", 2, Form::Within(1, &Form::Schema))],
    extensions: 5,
};

static BODY_PARAMETER: Message = Message {
    fields: &[
        ("description", 1, Form::Text),
        ("name", 2, Form::Text),
        ("in", 3, Form::Text),
        ("required", 4, Form::Flag),
        ("schema", 5, Form::Schema),
    ],
    extensions: 6,
};

static QUERY_PARAMETER: Message = Message {
    fields: &[
        ("required", 1, Form::Flag),
        ("in", 2, Form::Text),
        ("description", 3, Form::Text),
        ("name", 4, Form::Text),
        ("type", 6, Form::Text),
        ("format", 7, Form::Text),
        ("uniqueItems", 20, Form::Flag),
    ],
    extensions: 23,
};

static PATH_PARAMETER: Message = Message {
    fields: &[
        ("required", 1, Form::Flag),
        ("in", 2, Form::Text),
        ("description", 3, Form::Text),
        ("name", 4, Form::Text),
        ("type", 5, Form::Text),
        ("format", 6, Form::Text),
        ("uniqueItems", 19, Form::Flag),
    ],
    extensions: 22,
};

static SCHEMA: Message = Message {
    fields: &[
        ("$ref", 1, Form::Text),
        ("format", 2, Form::Text),
        ("title", 3, Form::Text),
        ("description", 4, Form::Text),
        ("default", 5, Form::Any),
        ("multipleOf", 6, Form::Decimal),
        ("maximum", 7, Form::Decimal),
        ("exclusiveMaximum", 8, Form::Flag),
        ("minimum", 9, Form::Decimal),
        ("exclusiveMinimum", 10, Form::Flag),
        ("maxLength", 11, Form::Whole),
        ("minLength", 12, Form::Whole),
        ("pattern", 13, Form::Text),
        ("maxItems", 14, Form::Whole),
        ("minItems", 15, Form::Whole),
        ("uniqueItems", 16, Form::Flag),
        ("maxProperties", 17, Form::Whole),
        ("minProperties", 18, Form::Whole),
        ("required", 19, Form::Text),
        ("enum", 20, Form::Anys),
        ("additionalProperties", 21, Form::SchemaOrFlag),
        ("type", 22, Form::Within(1, &Form::Text)),
        ("items", 23, Form::Within(1, &Form::Schema)),
        ("allOf", 24, Form::Schema),
        ("properties", 25, Form::Entries(1, &Form::Schema)),
        ("example", 30, Form::Any),
    ],
    extensions: 31,
};

fn message(shape: &Message, object: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, number, form) in shape.fields {
        if let Some(value) = object.get(*name) {
            write(&mut out, *number, *form, value);
        }
    }
    let extensions = object.iter().filter(|(name, _)| name.starts_with("x-"));
    for (name, value) in extensions.filter(|_| shape.extensions != 0) {
        delimited(&mut out, shape.extensions, &entry(name, Form::Any, value));
    }
    out
}

/// What is not of the form is left out, as are empty texts and false flags.
fn write(out: &mut Vec<u8>, number: u32, form: Form, value: &Value) {
    match (form, value) {
        (Form::Any, value) => delimited(out, number, &yaml(value)),
        (Form::Within(inner, form), value) => {
            let mut within = Vec::new();
            write(&mut within, inner, *form, value);
            delimited(out, number, &within);
        }
        (Form::Anys, Value::Array(list)) => {
            list.iter().for_each(|value| write(out, number, Form::Any, value));
        }
        (form, Value::Array(list)) => {
            list.iter().for_each(|value| write(out, number, form, value));
        }
        (Form::Text, Value::String(text)) if !text.is_empty() => {
            delimited(out, number, text.as_bytes());
        }
        (Form::Flag, Value::Bool(true)) => tagged(out, number, 1),
        (Form::Whole, Value::Number(value)) => {
            tagged(out, number, value.as_i64().unwrap_or_default().cast_unsigned());
        }
        (Form::Decimal, Value::Number(value)) => {
            varint(out, (u64::from(number) << 3) | 1);
            out.extend(value.as_f64().unwrap_or_default().to_le_bytes());
        }
        (Form::Message(shape), Value::Object(object)) => {
            delimited(out, number, &message(shape, object));
        }
        (Form::Entries(inner, form), Value::Object(object)) => {
            let mut entries = Vec::new();
            for (name, value) in object {
                delimited(&mut entries, inner, &entry(name, *form, value));
            }
            delimited(out, number, &entries);
        }
        (Form::Schema, value) => write(out, number, Form::Message(&SCHEMA), value),
        (Form::SchemaOrFlag, Value::Bool(_)) => {
            write(out, number, Form::Within(2, &Form::Flag), value);
        }
        (Form::SchemaOrFlag, value) => write(out, number, Form::Within(1, &Form::Schema), value),
        (Form::Parameter, value) => write(out, number, parameter(value), value),
        _ => {}
    }
}

/// The form of a parameter: a body stands in two messages, any other in three.
fn parameter(value: &Value) -> Form {
    const BODY: Form = Form::Within(1, &Form::Message(&BODY_PARAMETER));
    const QUERY: Form = Form::Within(3, &Form::Message(&QUERY_PARAMETER));
    const PATH: Form = Form::Within(4, &Form::Message(&PATH_PARAMETER));
    match value["in"].as_str() {
        Some("body") => Form::Within(1, &BODY),
        Some("path") => Form::Within(1, &Form::Within(2, &PATH)),
        _ => Form::Within(1, &Form::Within(2, &QUERY)),
    }
}

fn entry(name: &str, form: Form, value: &Value) -> Vec<u8> {
    let mut entry = Vec::new();
    delimited(&mut entry, 1, name.as_bytes());
    write(&mut entry, 2, form, value);
    entry
}

fn yaml(value: &Value) -> Vec<u8> {
    let mut any = Vec::new();
    delimited(&mut any, 2, value.to_string().as_bytes());
    any
}

fn delimited(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    tagged_length(out, number, bytes.len() as u64);
    out.extend(bytes);
}

fn tagged(out: &mut Vec<u8>, number: u32, value: u64) {
    varint(out, u64::from(number) << 3);
    varint(out, value);
}

fn tagged_length(out: &mut Vec<u8>, number: u32, length: u64) {
    varint(out, (u64::from(number) << 3) | 2);
    varint(out, length);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("seven bits"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_written_by_their_numbers() {
        let cases: [(Value, &[u8]); 7] = [
            (json!({"type": "s"}), b"\xb2\x01\x03\x0a\x01s"),
            (json!({"minimum": 1}), b"\x49\0\0\0\0\0\0\xf0\x3f"),
            (json!({"maxLength": 300}), b"\x58\xac\x02"),
            (json!({"required": ["a", "b"]}), b"\x9a\x01\x01a\x9a\x01\x01b"),
            (json!({"additionalProperties": true}), b"\xaa\x01\x02\x10\x01"),
            (
                json!({"properties": {"a": {"format": "f"}}}),
                b"\xca\x01\x0a\x0a\x08\x0a\x01a\x12\x03\x12\x01f",
            ),
            (json!({"x-k": [1]}), b"\xfa\x01\x0c\x0a\x03x-k\x12\x05\x12\x03[1]"),
        ];
        for (schema, wanted) in cases {
            assert_eq!(
                message(&SCHEMA, schema.as_object().expect("an object")),
                wanted,
                "{schema}"
            );
        }
    }

    #[test]
    fn it_is_served_to_who_asks_for_it() {
        assert!(is_asked_for(Some(ASKED_AS[0])));
        assert!(is_asked_for(Some(
            "a/b, application/com.github.proto-openapi.spec.v2.v1.0+protobuf;q=1"
        )));
        assert!(!is_asked_for(Some("application/json")) && !is_asked_for(None));
    }

    /// Names that stand in no table, with the paths to them.
    fn left_out(shape: &Message, object: &Value, at: &str, found: &mut Vec<String>) {
        for (name, value) in object.as_object().into_iter().flatten() {
            let at = format!("{at}.{name}");
            match shape.fields.iter().find(|(n, ..)| n == name) {
                Some((_, _, form)) => look(*form, value, &at, found),
                None if name.starts_with("x-") && shape.extensions != 0 => {}
                None => found.push(at),
            }
        }
    }

    fn look(form: Form, value: &Value, at: &str, found: &mut Vec<String>) {
        match form {
            Form::Any | Form::Anys => {}
            _ if value.is_array() => {
                let list = value.as_array().into_iter().flatten();
                list.for_each(|value| look(form, value, at, found));
            }
            Form::Message(shape) => left_out(shape, value, at, found),
            Form::Schema => left_out(&SCHEMA, value, at, found),
            Form::Within(_, form) => look(*form, value, at, found),
            Form::Entries(_, form) => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    look(*form, value, &format!("{at}.{name}"), found);
                }
            }
            Form::SchemaOrFlag => look(Form::Schema, value, at, found),
            Form::Parameter => look(parameter(value), value, at, found),
            Form::Text | Form::Flag | Form::Whole | Form::Decimal => {}
        }
    }

    #[test]
    fn nothing_of_the_document_is_left_out() {
        let json = crate::openapi::v2(&crate::registry::Registry::builtin());
        let json: Value = serde_json::from_slice(&json).expect("JSON");
        let mut found = Vec::new();
        left_out(&DOCUMENT, &json, "", &mut found);
        assert!(found.is_empty(), "{found:?}");
        assert!(document(&json).len() > 500_000);
    }
}
