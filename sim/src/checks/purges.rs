//! The log is never purged past what the state's file holds (invariant 14).

use super::{Check, Moment};

/// See the module's text.
pub struct Purges;

impl Check for Purges {
    fn name(&self) -> &'static str {
        "purges"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for member in moment.members {
            let Some(purged) = member.purged else { continue };
            let durable = member.durable;
            if Some(purged.index) > durable {
                return Err(format!(
                    "the log of m{} is purged up to {}, its file reaches {durable:?}",
                    member.machine, purged.index
                ));
            }
        }
        Ok(())
    }
}
