//! Clients that ask another member with every operation, as behind a load balancer.

use super::victims::names;
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::{Edn, value};
use crate::host::Group;
use async_trait::async_trait;
use rand::Rng as _;
use std::time::Duration;

/// How long they hop, in milliseconds.
const HOLD_MS: std::ops::Range<u64> = 3_000..8_000;

/// Lets clients hop between members.
#[derive(Debug, Default)]
pub struct Hop {
    hops_before: u64,
}

#[async_trait]
impl Nemesis for Hop {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        self.hops_before = group.habits.hops();
        group.habits.set_hopping(true);
        let targets = names(&group.members());
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        Ok(Fault::new(targets, hold, value::map([("hopping", Edn::Bool(true))])))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        group.habits.set_hopping(false);
        match group.habits.hops() - self.hops_before {
            0 => Err(NemesisError::NoEvidence("no client hopped".into())),
            hops => Ok(value::map([("hops", value::number(hops))])),
        }
    }
}
