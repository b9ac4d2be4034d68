//! Which objects of a collection a request means.

use crate::errors::bad_request;
use crate::verbs::Exchange;
use reddwarf_core::{FieldSelector, LabelSelector, Status, StoredObject};

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
}

impl Selection {
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

impl Term {
    fn matches(&self, object: &StoredObject) -> bool {
        let found = match self.field {
            Field::Name => object.key.name(),
            Field::Namespace => object.key.namespace(),
            Field::Indexed(path) => object.index.field(path),
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
            other => match x.kind.fields.indexed(other) {
                Some(indexed) => Field::Indexed(indexed),
                None => return Err(bad_request(x.kind.field_not_supported(other))),
            },
        };
        Ok(Term { field, value: term.value.to_string(), equal: term.equal })
    });
    terms.collect()
}
