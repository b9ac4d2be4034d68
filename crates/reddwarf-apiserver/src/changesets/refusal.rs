//! The failure of one object as that of the whole set.

use crate::commits;
use reddwarf_core::status::StatusCause;
use reddwarf_core::{ObjectKey, Status};

/// An object as people name it: `deployments.apps/web in shop`.
pub(super) fn named(key: &ObjectKey) -> String {
    let place = match key.namespace() {
        "" => String::new(),
        namespace => format!(" in {namespace}"),
    };
    format!("{}{place}", commits::named(key))
}

/// The failure with the object's name in its text.
pub(super) fn about(key: &ObjectKey, mut status: Box<Status>) -> Box<Status> {
    status.message = format!("{}: {}", named(key), status.message);
    status
}

/// The failure with the object's place in its causes: their fields are those of the set, and there
/// is at least one.
pub(super) fn at(place: usize, mut status: Box<Status>) -> Box<Status> {
    let object = format!("spec.objects[{place}]");
    let causes = &mut status.details.get_or_insert_default().causes;
    for cause in causes.iter_mut() {
        let dot = match cause.field.as_bytes().first() {
            None | Some(b'.' | b'[') => "",
            Some(_) => ".",
        };
        cause.field = format!("{object}{dot}{}", cause.field);
    }
    if causes.is_empty() {
        let message = status.message.clone();
        causes.push(StatusCause { message, field: object, ..StatusCause::default() });
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use reddwarf_core::Reason;
    use reddwarf_core::status::StatusDetails;

    #[test]
    fn causes_name_the_place_in_the_set() {
        let fields = |causes: &[&str]| {
            let cause = |field: &&str| StatusCause { field: (*field).into(), ..<_>::default() };
            let causes = causes.iter().map(cause).collect();
            let status = Status::failure(Reason::Invalid, "no")
                .with_details(StatusDetails { causes, ..<_>::default() });
            let placed = at(3, Box::new(status));
            let causes = placed.details.expect("details").causes;
            causes.into_iter().map(|cause| cause.field).collect::<Vec<_>>()
        };
        assert_eq!(
            fields(&["data[a]", ".data.k", ""]),
            ["spec.objects[3].data[a]", "spec.objects[3].data.k", "spec.objects[3]"]
        );
        assert_eq!(fields(&[]), ["spec.objects[3]"]);
    }
}
