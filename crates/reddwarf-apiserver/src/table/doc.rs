//! The descriptions of columns.

use crate::registry::Doc;
use parking_lot::Mutex;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The description that the API's schema gives a field of `T`.
pub(super) const fn field<T: JsonSchema>(name: &'static str) -> Doc {
    Doc::Field { of: of::<T>, schema: schema::<T>, name }
}

fn of<T: JsonSchema>() -> String {
    T::schema_name().into_owned()
}

fn schema<T: JsonSchema>() -> Schema {
    T::json_schema(&mut SchemaGenerator::default())
}

/// Descriptions by type and field: a schema takes long to make, and there are few.
static FIELDS: LazyLock<Mutex<HashMap<(String, &'static str), String>>> =
    LazyLock::new(Mutex::default);

/// The text of a description, `""` where the schema has none.
pub(super) fn text(doc: &Doc) -> String {
    match doc {
        Doc::Text(text) => (*text).to_owned(),
        Doc::Field { of, schema, name } => {
            let entry = (of(), *name);
            if let Some(known) = FIELDS.lock().get(&entry) {
                return known.clone();
            }
            let properties = schema().to_value();
            let text = properties["properties"][*name]["description"].as_str().unwrap_or_default();
            FIELDS.lock().insert(entry, text.to_owned());
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    #[test]
    fn every_field_that_a_column_names_has_a_description() {
        for kind in Registry::builtin().kinds() {
            for column in kind.columns {
                if let Doc::Field { name, .. } = column.description {
                    let found = text(&column.description);
                    assert!(!found.is_empty(), "{} {} {name}", kind.plural, column.name);
                }
            }
        }
    }
}
