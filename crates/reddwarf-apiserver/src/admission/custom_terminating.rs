//! Nothing new of a kind whose definition is on its way out.

use super::refusal::forbidden;
use super::{Attributes, Operation, Plugin};
use crate::custom::{CustomKind, DEFINITIONS};
use crate::errors::no_such_resource;
use crate::object::terminating;
use crate::representation::parse;
use async_trait::async_trait;
use reddwarf_core::{Expectation, ObjectKey, Precondition, Revision, Status};

/// Upstream has no plugin of that name: its handler of custom objects wraps the whole chain.
///
/// A creation is conditional on the definition as it was seen, so that no object is left behind
/// by a member that did not know yet that the definition goes.
pub struct CustomTerminating;

#[async_trait]
impl Plugin for CustomTerminating {
    fn name(&self) -> &'static str {
        "CustomTerminating"
    }

    async fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
        let Some(custom) = attributes.kind.custom.clone() else { return Ok(()) };
        if attributes.operation != Operation::Create {
            return Ok(());
        }
        // A definition of the program's own is not stored, and does not go.
        if custom.definition.revision == Revision::ZERO {
            return Ok(());
        }
        let key = key_of(&custom);
        let Some(stored) = attributes.view.get(&key) else { return Err(no_such_resource()) };
        let goes = match stored.revision == custom.definition.revision {
            true => custom.definition.terminating,
            false => terminating(&parse(&stored.bytes)),
        };
        if goes {
            let why = "create not allowed while custom resource definition is terminating";
            return Err(forbidden(attributes, why));
        }
        let expect = Expectation::At(stored.revision);
        attributes.preconditions.push(Precondition { key, expect });
        Ok(())
    }
}

fn key_of(custom: &CustomKind) -> ObjectKey {
    let (group, plural) = DEFINITIONS;
    let definition = &custom.definition;
    let name = format!("{}.{}", definition.names.plural, definition.group);
    ObjectKey::new(group, plural, "", &name)
}
