//! At most one member leads in a term (election safety).

use super::{Check, Moment};
use std::collections::BTreeMap;

/// Who has led, by term.
#[derive(Default)]
pub struct Elections(BTreeMap<u64, u64>);

impl Check for Elections {
    fn name(&self) -> &'static str {
        "one leader a term"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for member in moment.members.iter().filter(|member| member.leads) {
            let (term, id) = (member.vote.term, member.id);
            let led = *self.0.entry(term).or_insert(id);
            if led != id {
                return Err(format!("nodes {led} and {id} have both led in term {term}"));
            }
        }
        Ok(())
    }
}
