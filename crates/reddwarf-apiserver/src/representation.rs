//! Objects as tables, as metadata only, and in versions other than the stored one.

use crate::errors::bad_request;
use crate::http::Representation;
use crate::registry::{Kind, RowContext, Scope};
use crate::table;
use reddwarf_core::Status;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// What of its object a table's row carries (`includeObject`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IncludeObject {
    /// `null`.
    None,
    /// Its `PartialObjectMetadata`.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

/// How tables are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableOptions {
    /// What the rows carry.
    pub include: IncludeObject,
    /// `columnDefinitions` are left out (later events of a watch).
    pub no_headers: bool,
}

impl TableOptions {
    /// Reads `includeObject`.
    ///
    /// # Errors
    /// 400 for an unknown value.
    pub fn read(include: Option<&str>) -> Result<Self, Box<Status>> {
        let include = match include {
            None | Some("" | "Metadata") => IncludeObject::Metadata,
            Some("None") => IncludeObject::None,
            Some("Object") => IncludeObject::Object,
            Some(other) => {
                return Err(bad_request(format!("unrecognized includeObject value: {other:?}")));
            }
        };
        Ok(TableOptions { include, no_headers: false })
    }
}

/// Stored bytes as a value; they were written by this program, so they parse.
pub fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// A stored object in the version that `kind` serves.
pub fn shown(kind: &Kind, bytes: &[u8]) -> Value {
    let mut object = parse(bytes);
    if kind.converts() {
        (kind.hooks.from_storage)(&mut object);
    }
    object
}

/// One object in the form asked for.
pub fn one(kind: &Kind, object: Value, form: Representation, options: &TableOptions) -> Value {
    match form {
        Representation::Table(newest) => {
            let meta = match &object["metadata"]["resourceVersion"] {
                Value::Null => json!({}),
                version => json!({"resourceVersion": version}),
            };
            table_of(kind, vec![object], meta, newest, options)
        }
        Representation::Partial(newest) => partial(object, newest),
        _ => object,
    }
}

/// A `Scale` in the form asked for; other documents that are no kind of the registry have only
/// one form.
pub fn of_no_kind(value: Value, form: Representation, options: &TableOptions) -> Value {
    static SCALE: LazyLock<Kind> = LazyLock::new(|| {
        Kind::new(Scope::Namespaced, "autoscaling", "v1", "Scale", "scales")
            .table(table::columns::SCALE)
    });
    match form {
        Representation::Table(_) | Representation::Partial(_) if value["kind"] == "Scale" => {
            one(&SCALE, value, form, options)
        }
        _ => value,
    }
}

/// A list of `kind` without its `items`.
pub fn list_head(kind: &Kind, meta: Value) -> Map<String, Value> {
    head(format!("{}List", kind.kind), kind.api_version(), meta)
}

/// A list of metadata without its `items`.
pub fn partial_head(meta: Value, newest: bool) -> Map<String, Value> {
    head("PartialObjectMetadataList".to_owned(), meta_version(newest).to_owned(), meta)
}

fn head(kind: String, api_version: String, meta: Value) -> Map<String, Value> {
    let fields = [("kind", kind.into()), ("apiVersion", api_version.into()), ("metadata", meta)];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An item of a list, which names its kind for all.
pub fn without_type(mut object: Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.shift_remove("kind");
        map.shift_remove("apiVersion");
    }
    object
}

fn meta_version(newest: bool) -> &'static str {
    if newest { "meta.k8s.io/v1" } else { "meta.k8s.io/v1beta1" }
}

/// Counts a daemon set's templates; upstream keeps it elsewhere than among the annotations, and
/// shows it there only in the whole object.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// An object's metadata.
pub fn partial(mut object: Value, newest: bool) -> Value {
    if object["kind"] == "DaemonSet"
        && let Some(annotations) =
            object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
    {
        annotations.shift_remove(TEMPLATE_GENERATION);
        if annotations.is_empty()
            && let Some(meta) = object["metadata"].as_object_mut()
        {
            meta.shift_remove("annotations");
        }
    }
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": meta_version(newest),
        "metadata": object["metadata"].take(),
    })
}

/// A table of objects; `meta` is the list metadata.
pub fn table_of(
    kind: &Kind,
    mut objects: Vec<Value>,
    meta: Value,
    newest: bool,
    options: &TableOptions,
) -> Value {
    table::order(kind, &mut objects);
    let context = RowContext { now_ms: jiff::Timestamp::now().as_millisecond() };
    let rows = objects.into_iter().map(|object| row(kind, object, newest, options, &context));
    let rows = Value::Array(rows.collect());
    let mut table = table_head(kind, meta, newest, options);
    table.insert("rows".to_owned(), rows);
    Value::Object(table)
}

/// A table without its `rows`.
pub fn table_head(
    kind: &Kind,
    meta: Value,
    newest: bool,
    options: &TableOptions,
) -> Map<String, Value> {
    let columns = match options.no_headers {
        true => Value::Null,
        false => Value::Array(table::definitions(kind)),
    };
    let mut table = head("Table".to_owned(), meta_version(newest).to_owned(), meta);
    table.insert("columnDefinitions".to_owned(), columns);
    table
}

/// An object's row in a table.
pub fn row(
    kind: &Kind,
    object: Value,
    newest: bool,
    options: &TableOptions,
    context: &RowContext,
) -> Value {
    let cells = table::cells(kind, &object, context);
    let conditions = table::conditions(kind, &object);
    let object = match options.include {
        IncludeObject::None => Value::Null,
        IncludeObject::Metadata => partial(object, newest),
        IncludeObject::Object => object,
    };
    match conditions {
        Some(conditions) => json!({"cells": cells, "conditions": conditions, "object": object}),
        None => json!({"cells": cells, "object": object}),
    }
}
