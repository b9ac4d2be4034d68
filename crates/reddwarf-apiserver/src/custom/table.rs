//! Tables of custom objects.

use super::definition::{Column, Version};
use crate::patch::go_print;
use crate::table::duration;
use serde_json::{Number, Value, json};

/// Upstream's texts about the columns that every kind has.
pub struct MetadataTexts {
    /// About `metadata.name`.
    pub name: String,
    /// About `metadata.creationTimestamp`.
    pub created: String,
}

/// The `columnDefinitions`.
pub fn definitions(version: &Version, texts: &MetadataTexts) -> Vec<Value> {
    let name = json!({
        "name": "Name", "type": "string", "format": "name",
        "description": texts.name, "priority": 0,
    });
    let age = json!({
        "name": "Age", "type": "date", "format": "", "description": texts.created, "priority": 0,
    });
    let mut all = vec![name];
    all.extend(version.columns.iter().map(|column| {
        json!({
            "name": column.name, "type": column.ty, "format": column.format,
            "description": column.description, "priority": column.priority,
        })
    }));
    if version.columns.is_empty() {
        all.push(age);
    }
    all
}

/// The cells of one object, in the order of [`definitions`].
pub fn cells(version: &Version, object: &Value, now_ms: i64) -> Vec<Value> {
    let meta = |field: &str| object["metadata"].get(field).cloned().unwrap_or_default();
    let mut cells = vec![meta("name")];
    cells.extend(version.columns.iter().map(|column| cell(column, object, now_ms)));
    if version.columns.is_empty() {
        cells.push(date(&meta("creationTimestamp"), now_ms));
    }
    cells
}

fn cell(column: &Column, object: &Value, now_ms: i64) -> Value {
    let Some(value) = column.path.first(object) else { return Value::Null };
    match (column.ty.as_str(), value) {
        ("string", Value::Object(_) | Value::Array(_)) => sorted(value).to_string().into(),
        ("string", Value::Null) => "<no value>".into(),
        ("string", scalar) => go_print::value(scalar).into(),
        ("integer", Value::Number(number)) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().map_or(Value::Null, |float| Value::from(float as i64)),
        },
        ("number", Value::Number(number)) => float(number),
        ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(_)) => date(value, now_ms),
        _ => Value::Null,
    }
}

/// Go writes whole floats without a point.
fn float(number: &Number) -> Value {
    match number.as_i64() {
        Some(whole) => whole.into(),
        None => Value::Number(number.clone()),
    }
}

fn date(value: &Value, now_ms: i64) -> Value {
    match value.as_str() {
        None => Value::Null,
        Some(text) => match duration::milliseconds(text) {
            Some(then) => duration::human(now_ms - then).into(),
            None => "<invalid>".into(),
        },
    }
}

/// The same value with the keys of its objects in order, as Go writes them.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            names.into_iter().map(|name| (name.clone(), sorted(&fields[name]))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custom::json_path::JsonPath;

    #[test]
    fn a_cell_has_the_type_of_its_column() {
        let object = json!({"s": "red", "n": 1.5, "i": 3, "b": true, "o": {"z": 1, "a": [2]},
            "d": "1970-01-01T00:00:00Z"});
        for (ty, path, cell_is) in [
            ("string", ".s", json!("red")),
            ("string", ".o", json!("{\"a\":[2],\"z\":1}")),
            ("string", ".i", json!("3")),
            ("integer", ".s", json!(null)),
            ("integer", ".n", json!(1)),
            ("number", ".n", json!(1.5)),
            ("boolean", ".b", json!(true)),
            ("boolean", ".s", json!(null)),
            ("date", ".d", json!("60s")),
            ("date", ".s", json!("<invalid>")),
            ("string", ".missing", json!(null)),
        ] {
            let column = Column {
                name: "C".into(),
                ty: ty.into(),
                format: String::new(),
                description: String::new(),
                priority: 0,
                path: JsonPath::parse(path).expect("a path"),
            };
            assert_eq!(cell(&column, &object, 60_000), cell_is, "{ty} {path}");
        }
    }
}
