//! Whether requests in a version can be answered.
//!
//! With the strategy `None` a version differs from another in nothing but its name. Conversion
//! by a webhook is not done: a request that would need it is refused, rather than answered with
//! an object that nobody converted.

use super::definition::Definition;
use super::kind::CustomKind;
use crate::errors::internal;
use reddwarf_core::Status;
use serde::Deserialize;

#[derive(Deserialize)]
struct Conversion {
    strategy: String,
}

/// Whether the definition asks a webhook to convert.
fn by_webhook(definition: &Definition) -> bool {
    let conversion = definition.conversion.as_ref();
    let read = conversion.and_then(|c| serde_json::from_str::<Conversion>(c.get()).ok());
    read.is_some_and(|conversion| conversion.strategy == "Webhook")
}

/// Checks that objects need no webhook to be shown in the version of `kind`.
///
/// # Errors
/// 500.
pub fn check(kind: &CustomKind) -> Result<(), Box<Status>> {
    let definition = &kind.definition;
    if kind.version.storage || !by_webhook(definition) {
        return Ok(());
    }
    let (group, kind) = (&definition.group, &definition.names.kind);
    Err(internal(format!("conversion webhook for {group}, Kind={kind} cannot be called")))
}
