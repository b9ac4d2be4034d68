//! Bodies in Kubernetes' protobuf form, which kubectl's `create` commands send.
//!
//! The envelope is `k8s\0` and a `runtime.Unknown`: {1: {1: apiVersion, 2: kind}, 2: object}.
//! The object is read by the field numbers of the type graph into plain JSON, which is then
//! normalized like any other body.

use super::model::{Field, Graph, Shape, Struct, Type, TypeId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reddwarf_core::limits::JSON_DEPTH_MAX;
use serde_json::{Map, Value};

const MAGIC: &[u8] = b"k8s\0";

/// Why bytes are no object; the text stands in the answer.
type Result<T> = std::result::Result<T, String>;

/// Reads an enveloped object of type `ty`; `apiVersion` and `kind` are the envelope's.
///
/// # Errors
/// What is wrong with the bytes. When the envelope names another kind than the type's, only
/// its `apiVersion` and `kind` are in the answer, for the caller to refuse.
pub(super) fn parse(graph: &Graph, ty: TypeId, body: &[u8]) -> Result<Value> {
    let unknown = body.strip_prefix(MAGIC).ok_or(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]",
    )?;
    let (mut meta, mut raw): (&[u8], &[u8]) = (&[], &[]);
    for entry in Entries(unknown) {
        match entry? {
            (1, Wire::Bytes(bytes)) => meta = bytes,
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let mut identity = Map::new();
    for entry in Entries(meta) {
        match entry? {
            (1, Wire::Bytes(text)) => identity.insert("apiVersion".to_owned(), string(text)?),
            (2, Wire::Bytes(text)) => identity.insert("kind".to_owned(), string(text)?),
            _ => None,
        };
    }
    let named = identity.get("kind").and_then(Value::as_str).unwrap_or_default();
    let Some(s) = graph.as_struct(ty).filter(|s| named.is_empty() || s.name == named) else {
        return Ok(Value::Object(identity));
    };
    let mut object = message(graph, s, raw, 0)?;
    object.extend(identity);
    Ok(Value::Object(object))
}

enum Wire<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// The fields of a message, in the order of the bytes.
struct Entries<'b>(&'b [u8]);

impl<'b> Entries<'b> {
    fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first().ok_or("unexpected EOF")?;
            self.0 = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("proto: integer overflow".to_owned())
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("unexpected EOF")?;
        self.0 = rest;
        Ok(taken)
    }

    fn entry(&mut self) -> Result<(u64, Wire<'b>)> {
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => {
                let bytes = self.take(8)?;
                Wire::Number(u64::from_le_bytes(bytes.try_into().map_err(|_| "unexpected EOF")?))
            }
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|e| e.to_string())?;
                Wire::Bytes(self.take(length)?)
            }
            other => return Err(format!("proto: illegal wireType {other}")),
        };
        Ok((tag >> 3, wire))
    }
}

impl<'b> Iterator for Entries<'b> {
    type Item = Result<(u64, Wire<'b>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_err() {
            self.0 = &[];
        }
        Some(entry)
    }
}

fn string(bytes: &[u8]) -> Result<Value> {
    Ok(Value::from(String::from_utf8_lossy(bytes).into_owned()))
}

fn message(graph: &Graph, s: &Struct, bytes: &[u8], depth: usize) -> Result<Map<String, Value>> {
    let mut out = Map::new();
    fields(graph, s, &mut Vec::new(), bytes, depth, &mut out)?;
    Ok(out)
}

/// Reads the fields of `s`, or of a struct embedded in it under the numbers in `prefix`.
fn fields(
    graph: &Graph,
    s: &Struct,
    prefix: &mut Vec<u64>,
    bytes: &[u8],
    depth: usize,
    out: &mut Map<String, Value>,
) -> Result<()> {
    if depth > JSON_DEPTH_MAX {
        return Err("exceeded max depth".to_owned());
    }
    for entry in Entries(bytes) {
        let (number, wire) = entry?;
        prefix.push(number);
        if let Some(field) = s.fields.iter().find(|f| is_at(f, prefix)) {
            add(graph, field, wire, depth, out)?;
        } else if let Wire::Bytes(embedded) = wire
            && s.fields.iter().any(|f| is_under(f, prefix))
        {
            fields(graph, s, prefix, embedded, depth + 1, out)?;
        }
        prefix.pop();
    }
    Ok(())
}

fn numbers(field: &Field) -> impl Iterator<Item = u64> {
    field.protobuf.split('.').filter_map(|number| number.parse().ok())
}

fn is_at(field: &Field, path: &[u64]) -> bool {
    numbers(field).eq(path.iter().copied())
}

fn is_under(field: &Field, prefix: &[u64]) -> bool {
    numbers(field).count() > prefix.len()
        && numbers(field).zip(prefix).all(|(number, wanted)| number == *wanted)
}

fn add(
    graph: &Graph,
    field: &Field,
    wire: Wire<'_>,
    depth: usize,
    out: &mut Map<String, Value>,
) -> Result<()> {
    match (&graph.get(field.ty).shape, wire) {
        (Shape::List(item), wire) => {
            let value = value(graph, graph.get(*item), wire, depth + 1)?;
            let list = out.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(items) = list {
                items.push(value);
            }
        }
        (Shape::Map(ty), Wire::Bytes(bytes)) => {
            let ty = graph.get(*ty);
            let (mut key, mut found) = (String::new(), None);
            for entry in Entries(bytes) {
                match entry? {
                    (1, Wire::Bytes(text)) => key = String::from_utf8_lossy(text).into_owned(),
                    (2, wire) => found = Some(value(graph, ty, wire, depth + 1)?),
                    _ => {}
                }
            }
            let map = out.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(entries) = map {
                let empty = || {
                    if matches!(ty.shape, Shape::Struct(_)) {
                        Value::Object(Map::new())
                    } else {
                        Value::from("")
                    }
                };
                entries.insert(key, found.unwrap_or_else(empty));
            }
        }
        (_, wire) => {
            let value = value(graph, graph.get(field.ty), wire, depth + 1)?;
            out.insert(field.name.to_owned(), value);
        }
    }
    Ok(())
}

fn value(graph: &Graph, ty: &Type, wire: Wire<'_>, depth: usize) -> Result<Value> {
    let wrong = || Err(format!("proto: wrong wireType for field of type {}", ty.go));
    Ok(match (&ty.shape, wire) {
        (Shape::String, Wire::Bytes(text)) => string(text)?,
        (Shape::Bytes, Wire::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        (Shape::Bool, Wire::Number(number)) => (number != 0).into(),
        (Shape::Int32 | Shape::Int64, Wire::Number(number)) => (number as i64).into(),
        (Shape::Float, Wire::Number(bits)) => f64::from_bits(bits).into(),
        (Shape::Struct(s), Wire::Bytes(bytes)) => Value::Object(message(graph, s, bytes, depth)?),
        (Shape::Time, Wire::Bytes(bytes)) => time(bytes, "%Y-%m-%dT%H:%M:%SZ")?,
        (Shape::MicroTime, Wire::Bytes(bytes)) => time(bytes, "%Y-%m-%dT%H:%M:%S%.6fZ")?,
        (Shape::Quantity, Wire::Bytes(bytes)) => match part(bytes, 1)? {
            Some(Wire::Bytes(text)) => string(text)?,
            _ => "0".into(),
        },
        (Shape::IntOrString, Wire::Bytes(bytes)) => match (part(bytes, 1)?, part(bytes, 3)?) {
            (Some(Wire::Number(1)), Some(Wire::Bytes(text))) => string(text)?,
            (Some(Wire::Number(1)), _) => "".into(),
            _ => match part(bytes, 2)? {
                Some(Wire::Number(number)) => (number as i64).into(),
                _ => 0.into(),
            },
        },
        (Shape::Any, Wire::Bytes(bytes)) => match part(bytes, 1)? {
            Some(Wire::Bytes(raw)) => serde_json::from_slice(raw).map_err(|e| e.to_string())?,
            _ => Value::Null,
        },
        // A named list as a map's value is a message of its own.
        (Shape::List(item), Wire::Bytes(bytes)) => {
            let item = graph.get(*item);
            let items = Entries(bytes).map(|entry| value(graph, item, entry?.1, depth + 1));
            Value::Array(items.collect::<Result<_>>()?)
        }
        _ => return wrong(),
    })
}

/// The last value of a field.
fn part(bytes: &[u8], wanted: u64) -> Result<Option<Wire<'_>>> {
    let mut found = None;
    for entry in Entries(bytes) {
        let (number, wire) = entry?;
        if number == wanted {
            found = Some(wire);
        }
    }
    Ok(found)
}

/// `{1: seconds, 2: nanoseconds}`; an empty message is the zero time.
fn time(bytes: &[u8], format: &str) -> Result<Value> {
    let number = |wire| match wire {
        Some(Wire::Number(number)) => number as i64,
        _ => 0,
    };
    let (seconds, nanos) = (part(bytes, 1)?, number(part(bytes, 2)?));
    if seconds.is_none() {
        return Ok(Value::Null);
    }
    let nanos = i32::try_from(nanos).map_err(|e| e.to_string())?;
    let time = Timestamp::new(number(seconds), nanos).map_err(|e| e.to_string())?;
    Ok(time.strftime(format).to_string().into())
}
