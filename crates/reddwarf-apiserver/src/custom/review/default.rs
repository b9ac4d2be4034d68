//! Defaults that a schema gives: they are valid values of it.

use crate::custom::prune::{self, Trail};
use crate::custom::schema::Schema;
use crate::custom::{check, metadata, rules};
use crate::validation::{ErrorList, FieldError, FieldPath};
use serde_json::{Value, json};

/// What is wrong with the defaults of a structural schema; `pruned` asks that they have no
/// unknown fields.
pub(super) fn errors(schema: &Value, pruned: bool, path: &FieldPath) -> ErrorList {
    let mut root = Schema::compile(schema);
    root.embedded = true;
    let mut walk = Walk { pruned, errors: ErrorList::new() };
    walk.schema(&root, &Surroundings::new(&root), path);
    walk.errors
}

/// The object that a default would be part of.
#[derive(Clone)]
struct Surroundings<'s> {
    resource: &'s Schema,
    /// How the default is reached in it; no name means an item of a list.
    steps: Vec<Option<&'s str>>,
    /// Inside the type or metadata of the object.
    in_metadata: bool,
}

impl<'s> Surroundings<'s> {
    fn new(resource: &'s Schema) -> Self {
        Surroundings { resource, steps: Vec::new(), in_metadata: false }
    }

    fn below(&self, step: Option<&'s str>) -> Self {
        let mut below = self.clone();
        below.steps.push(step);
        below
    }

    /// A whole object with this default.
    fn object(&self, default: &Value) -> Value {
        let wrap = |inner: Value, step: &Option<&str>| match step {
            Some(name) => json!({ *name: inner }),
            None => json!([inner]),
        };
        let mut object = self.steps.iter().rev().fold(default.clone(), wrap);
        for (name, value) in [("apiVersion", "validation/v1"), ("kind", "Validation")] {
            if object.get(name).is_none() {
                object[name] = value.into();
            }
        }
        object
    }
}

struct Walk {
    pruned: bool,
    errors: ErrorList,
}

impl Walk {
    fn schema<'s>(&mut self, schema: &'s Schema, around: &Surroundings<'s>, path: &FieldPath) {
        let own = schema.embedded.then(|| Surroundings::new(schema));
        let around = own.as_ref().unwrap_or(around);
        if let Some(default) = &schema.default {
            let at = path.child("default");
            let mut errors = match around.in_metadata {
                true => in_metadata(default, around, &at),
                false => self.alone(default, schema, &at),
            };
            if errors.is_empty() {
                errors = check::errors(default, schema, None, &at);
            }
            rules::check(schema, default, None, &at, &mut errors);
            self.errors.extend(errors);
        }
        // Defaults below `additionalProperties` are filled in, but upstream does not look at them.
        if let Some(of) = schema.items.as_deref() {
            self.schema(of, &around.below(None), &path.child("items"));
        }
        for (name, of) in &schema.properties {
            let mut below = around.below(Some(name));
            if schema.embedded && prune::TYPE_AND_METADATA.contains(&&**name) {
                below.in_metadata = true;
            }
            self.schema(of, &below, &path.child("properties").key(name));
        }
    }

    /// A default outside of metadata, by itself.
    fn alone(&mut self, default: &Value, schema: &Schema, at: &FieldPath) -> ErrorList {
        let mut value = default.clone();
        if self.pruned {
            prune::prune_value(&mut value, schema, &mut Trail::default());
            if value != *default {
                let detail = "must not have unknown fields";
                self.errors.push(FieldError::invalid(at.clone(), default.clone(), detail));
            }
        }
        let mut value = default.clone();
        match metadata::coerce(&mut value, schema, &mut Trail::starting(at)) {
            Err(error) => vec![*error],
            Ok(()) => metadata::errors(&value, schema, at),
        }
    }
}

/// A default inside metadata, within its object.
fn in_metadata(default: &Value, around: &Surroundings<'_>, at: &FieldPath) -> ErrorList {
    let mut object = around.object(default);
    let refuse = |why: String| {
        let detail = format!("must result in valid metadata: {why}");
        vec![FieldError::invalid(at.clone(), default.clone(), detail)]
    };
    if let Err(error) = metadata::coerce(&mut object, around.resource, &mut Trail::default()) {
        return refuse(error.to_string());
    }
    let wrong = metadata::errors(&object, around.resource, &FieldPath::new(""));
    let shown: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    match &shown[..] {
        [] => ErrorList::new(),
        [one] => refuse(one.clone()),
        many => refuse(format!("[{}]", many.join(", "))),
    }
}
