//! Kinds of the server's own that are described as custom ones are, so that discovery, OpenAPI and
//! tables know them.

use super::Definition;
use crate::registry::{Kind, Registry, Verbs};
use reddwarf_core::Revision;
use std::sync::Arc;

/// Serves the kind that a file of this server describes, in the way that `shape` gives it.
pub(crate) fn serve(registry: &mut Registry, definition: &[u8], shape: impl Fn(&mut Kind)) {
    let definition = Definition::read(definition, Revision::ZERO, None)
        .expect("invariant: the built-in definition is read by a test");
    let served = Arc::new(definition).served_now(None);
    let served = served.and_then(Arc::into_inner);
    let mut served = served.expect("invariant: it says that it is established, and is new");
    served.kinds.iter_mut().filter_map(Arc::get_mut).for_each(shape);
    registry.serve(served);
}

/// [`serve`] for a kind of which nothing is stored, and that takes these verbs only.
pub(crate) fn serve_verbs(
    registry: &mut Registry,
    definition: &[u8],
    verbs: &'static [&'static str],
) {
    serve(registry, definition, |kind| kind.verbs = Verbs(verbs.into()));
}
