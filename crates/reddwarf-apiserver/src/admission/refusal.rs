//! Refusals in upstream's words.

use super::Attributes;
use crate::object;
use reddwarf_core::status::StatusDetails;
use reddwarf_core::{Reason, Status};

/// The 403 of a plugin: `pods "x" is forbidden: {why}`.
pub fn forbidden(attributes: &Attributes<'_>, why: impl AsRef<str>) -> Box<Status> {
    let name = shown_name(attributes);
    let resource = attributes.kind.group_resource();
    let message = format!("{resource} {name:?} is forbidden: {}", why.as_ref());
    Box::new(Status::failure(Reason::Forbidden, message).with_details(StatusDetails {
        name: name.to_owned(),
        group: resource.group,
        kind: resource.resource,
        ..Default::default()
    }))
}

/// The object's name as messages have it, also when it is not chosen yet.
fn shown_name<'a>(attributes: &'a Attributes<'_>) -> &'a str {
    [
        attributes.name,
        object::name(attributes.object),
        object::meta(attributes.object, "generateName"),
    ]
    .into_iter()
    .find(|name| !name.is_empty())
    .unwrap_or("Unknown")
}

/// The 404 for an object of another resource that a request needs.
pub fn not_found(group: &str, resource: &str, name: &str) -> Box<Status> {
    let shown = reddwarf_core::GroupResource { group: group.into(), resource: resource.into() };
    Box::new(Status::failure(Reason::NotFound, format!("{shown} {name:?} not found")).with_details(
        StatusDetails {
            name: name.into(),
            group: group.into(),
            kind: resource.into(),
            ..Default::default()
        },
    ))
}
