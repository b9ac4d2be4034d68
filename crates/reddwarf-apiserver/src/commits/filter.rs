//! Which commits a request means.

use super::object::name_of;
use crate::errors::bad_request;
use crate::verbs::Exchange;
use reddwarf_core::selector::SelectorError;
use reddwarf_core::{Commit, FieldSelector, LabelSelector, ObjectKey, Status};

/// Fields by which commits are selected.
const FIELDS: [&str; 5] = ["author", "manager", "metadata.name", "object", "verb"];

/// The field that has the name.
const NAME: &str = "metadata.name";

/// What a commit must have.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// The object that it changes.
    pub(super) object: Option<ObjectKey>,
    /// The namespace of an object that it changes.
    pub(super) namespace: Option<String>,
    /// Field, value, and whether it must be that or another one.
    terms: Vec<(String, String, bool)>,
    /// Whether a label is asked for, of which no commit has any.
    nothing: bool,
}

impl Filter {
    /// Reads path and parameters.
    ///
    /// # Errors
    /// 400 for selectors that do not parse or name unknown fields.
    pub(super) fn read(x: &Exchange<'_>) -> Result<Filter, Box<Status>> {
        let bad = |error: SelectorError| bad_request(error.to_string());
        let labels = x.query.text("labelSelector").unwrap_or_default();
        let labels = LabelSelector::parse(labels).map_err(bad)?;
        let selector = x.query.text("fieldSelector").unwrap_or_default();
        let selector = FieldSelector::parse(selector).map_err(bad)?;
        let mut filter = Filter {
            nothing: !labels.matches(&[][..]),
            terms: x.info.name.iter().map(|name| (NAME.to_owned(), name.clone(), true)).collect(),
            namespace: x.info.namespace.clone(),
            object: None,
        };
        for term in selector.terms() {
            match &*term.field {
                "object" if term.equal => filter.object = Some(object(x, &term.value)?),
                "object" => return Err(bad_request("object can only be selected by =")),
                field if FIELDS.contains(&field) => {
                    filter.terms.push((field.to_owned(), term.value.to_string(), term.equal));
                }
                field => {
                    let known = FIELDS.join(", ");
                    let message =
                        format!("field label not supported: {field} (commits know {known})");
                    return Err(bad_request(message));
                }
            }
        }
        Ok(filter)
    }

    /// Whether a commit is meant, apart from the object that it changes.
    pub(super) fn matches(&self, commit: &Commit) -> bool {
        let header = &commit.header;
        let name = match self.terms.iter().any(|(field, _, _)| field == NAME) {
            true => name_of(commit),
            false => String::new(),
        };
        let in_namespace =
            |wanted: &str| header.changes.iter().any(|c| c.key.namespace() == wanted);
        !self.nothing
            && (self.object.is_some() || self.namespace.as_deref().is_none_or(in_namespace))
            && self.terms.iter().all(|(field, value, equal)| {
                let found = match field.as_str() {
                    "author" => &header.author.user,
                    "manager" => &header.author.field_manager,
                    NAME => &name,
                    _ => &header.verb,
                };
                (found == value) == *equal
            })
    }
}

impl Filter {
    /// Whether a commit is meant, of those that change any objects.
    pub(super) fn means(&self, commit: &Commit) -> bool {
        let changed = |key: &ObjectKey| commit.header.changes.iter().any(|c| c.key == *key);
        self.object.as_ref().is_none_or(changed) && self.matches(commit)
    }
}

/// Reads `RESOURCE[.GROUP]/[NAMESPACE/]NAME`; the namespace is that of the path where none is
/// given.
fn object(x: &Exchange<'_>, text: &str) -> Result<ObjectKey, Box<Status>> {
    let parts: Vec<&str> = text.split('/').collect();
    let (resource, given, name) = match parts.as_slice() {
        [resource, name] => (*resource, None, *name),
        [resource, namespace, name] => (*resource, Some(*namespace), *name),
        _ => ("", None, ""),
    };
    if resource.is_empty() || name.is_empty() {
        let message =
            format!("{text:?} names no object: RESOURCE[.GROUP]/[NAMESPACE/]NAME is wanted");
        return Err(bad_request(message));
    }
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let mut kinds = x.registry.kinds_of_group(group).filter(|kind| kind.plural == resource);
    let cluster_wide = kinds.next().is_some_and(|kind| !kind.namespaced());
    let namespace = match given {
        Some(namespace) => namespace,
        None if cluster_wide => "",
        None => x.namespace(),
    };
    Ok(ObjectKey::new(group, resource, namespace, name))
}
