//! Which objects of a collection a request means.

use crate::custom::CustomKind;
use crate::errors::bad_request;
use crate::verbs::Exchange;
use reddwarf_core::{FieldSelector, LabelSelector, ObjectKey, Status, StoredObject};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// Namespace, name, labels and fields that an object must have.
#[derive(Clone)]
pub struct Selection {
    /// `None` for all namespaces.
    pub namespace: Option<String>,
    /// The one name of a watch on a named path.
    name: Option<String>,
    labels: LabelSelector,
    /// Terms on indexed fields: (name in the index or metadata path, value, equal).
    fields: Vec<Term>,
}

#[derive(Clone)]
struct Term {
    field: Field,
    value: String,
    equal: bool,
}

#[derive(Clone)]
enum Field {
    Name,
    Namespace,
    Indexed(&'static str),
    /// A field of a custom object, read from the object itself: its definition may have made it
    /// selectable after the object was stored.
    Custom(Arc<CustomKind>, Box<str>),
}

impl Selection {
    /// All objects.
    pub fn everything() -> Self {
        let (labels, fields) = (LabelSelector::everything(), Vec::new());
        Selection { namespace: None, name: None, labels, fields }
    }

    /// Reads path and parameters.
    ///
    /// # Errors
    /// 400 for selectors that do not parse or name unknown fields.
    pub fn read(x: &Exchange<'_>) -> Result<Self, Box<Status>> {
        let labels = match x.query.text("labelSelector") {
            None => LabelSelector::everything(),
            Some(text) => LabelSelector::parse(text).map_err(|e| bad_request(e.to_string()))?,
        };
        let fields = match x.query.text("fieldSelector") {
            None => Vec::new(),
            Some(text) => fields(x, text)?,
        };
        Ok(Selection {
            namespace: x.info.namespace.clone(),
            name: x.info.name.clone(),
            labels,
            fields,
        })
    }

    /// Whether no selector narrows the collection (its namespace aside).
    pub fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_empty() && self.name.is_none()
    }

    /// Whether an object is meant.
    pub fn matches(&self, object: &StoredObject) -> bool {
        self.namespace.as_deref().is_none_or(|n| object.key.namespace() == n)
            && self.name.as_deref().is_none_or(|n| object.key.name() == n)
            && self.fields.iter().all(|t| t.matches(object))
            && (self.labels.is_everything() || self.labels.matches(&object.index.labels))
    }
}

impl Selection {
    /// Whether objects must be looked into to say which are meant.
    pub fn looks_inside(&self) -> bool {
        !self.labels.is_everything() || !self.fields.iter().all(Term::is_of_key)
    }

    /// Whether an object is meant as far as its key says.
    pub fn matches_key(&self, key: &ObjectKey) -> bool {
        self.namespace.as_deref().is_none_or(|n| key.namespace() == n)
            && self.name.as_deref().is_none_or(|n| key.name() == n)
            && self.fields.iter().all(|term| !term.is_of_key() || term.matches_key(key))
    }

    /// Whether an object is meant that is shown as `object`, in another version than it is
    /// stored in.
    pub fn matches_shown(&self, key: &ObjectKey, object: &Value) -> bool {
        let mut inside = self.fields.iter().filter(|term| !term.is_of_key());
        self.matches_key(key)
            && inside.all(|term| term.matches_shown(object))
            && self.labels.matches(object["metadata"]["labels"].as_object().unwrap_or(&Map::new()))
    }
}

impl Term {
    fn is_of_key(&self) -> bool {
        matches!(self.field, Field::Name | Field::Namespace)
    }

    fn matches_key(&self, key: &ObjectKey) -> bool {
        let found = match self.field {
            Field::Name => key.name(),
            _ => key.namespace(),
        };
        (found == self.value) == self.equal
    }

    fn matches_shown(&self, object: &Value) -> bool {
        let found = match &self.field {
            Field::Custom(kind, path) => kind.selected_value(path, object),
            _ => String::new(),
        };
        (found == self.value) == self.equal
    }

    fn matches(&self, object: &StoredObject) -> bool {
        let found: Cow<'_, str> = match &self.field {
            Field::Name => object.key.name().into(),
            Field::Namespace => object.key.namespace().into(),
            Field::Indexed(path) => object.index.field(path).into(),
            Field::Custom(kind, path) => kind.selectable_value(path, &object.bytes).into(),
        };
        (found == self.value) == self.equal
    }
}

fn fields(x: &Exchange<'_>, text: &str) -> Result<Vec<Term>, Box<Status>> {
    let selector = FieldSelector::parse(text).map_err(|e| bad_request(e.to_string()))?;
    let terms = selector.terms().iter().map(|term| {
        let field = match &*term.field {
            "metadata.name" => Field::Name,
            "metadata.namespace" if x.kind.selects_namespace() => Field::Namespace,
            other => match (x.kind.fields.indexed(other), &x.kind.custom) {
                (Some(indexed), _) => Field::Indexed(indexed),
                (None, Some(kind)) if kind.is_selectable(other) => {
                    Field::Custom(kind.clone(), other.into())
                }
                _ => return Err(bad_request(x.kind.field_not_supported(other))),
            },
        };
        Ok(Term { field, value: term.value.to_string(), equal: term.equal })
    });
    terms.collect()
}
