//! Members that have applied the same entries have the same state root (invariant 17).

use super::{Check, Moment};
use std::collections::BTreeMap;

/// The root after each entry, and what was looked at last of each member, by node and life.
#[derive(Default)]
pub struct Roots {
    roots: BTreeMap<u64, [u8; 32]>,
    looked: BTreeMap<(u64, u64), u64>,
}

impl Check for Roots {
    fn name(&self) -> &'static str {
        "state roots"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for member in moment.members {
            let Some(applied) = member.applied else { continue };
            if self.looked.insert(member.process(), applied) == Some(applied) {
                continue;
            }
            let (index, root) = member.root();
            if *self.roots.entry(index).or_insert(root) != root {
                let machine = member.machine;
                return Err(format!("m{machine} has another root after entry {index} than others"));
            }
        }
        Ok(())
    }
}
