//! Watchers that do not read what they are sent; the server must not wait for them, nor keep
//! everything for them.

use super::victims::names;
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::{Edn, value};
use crate::host::Group;
use async_trait::async_trait;
use rand::Rng as _;
use std::time::Duration;

/// How long they do not read, in milliseconds.
const HOLD_MS: std::ops::Range<u64> = 3_000..10_000;

/// Lets watchers stop reading.
#[derive(Debug, Default)]
pub struct SlowWatch {
    stalls_before: u64,
}

#[async_trait]
impl Nemesis for SlowWatch {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        self.stalls_before = group.habits.stalls();
        group.habits.set_slow_watchers(true);
        let targets = names(&group.members());
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        Ok(Fault::new(targets, hold, value::map([("slow", Edn::Bool(true))])))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        group.habits.set_slow_watchers(false);
        match group.habits.stalls() - self.stalls_before {
            0 => Err(NemesisError::NoEvidence("no watcher stopped reading".into())),
            stalls => Ok(value::map([("stalls", value::number(stalls))])),
        }
    }
}
