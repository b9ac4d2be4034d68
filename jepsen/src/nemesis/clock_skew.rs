//! Members' wall clocks go fast or slow, and jump back to the truth.

use super::clocks::{Wrong, differs, running};
use super::victims::{Who, names};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::clock::Setting;
use crate::history::{Edn, value};
use crate::host::Group;
use async_trait::async_trait;
use rand::Rng as _;
use rand::seq::IndexedRandom;
use std::ops::Range;
use std::time::Duration;

const WAYS: [Who; 4] = [Who::One, Who::Leader, Who::Minority, Who::Majority];
/// How many seconds it shows to have passed in a true one.
const RATES: [f64; 4] = [0.2, 0.5, 2.0, 5.0];
const HOLD_MS: Range<u64> = 4_000..10_000;

/// Lets clocks go fast or slow.
#[derive(Debug, Default)]
pub struct ClockSkew {
    wrong: Wrong,
}

#[async_trait]
impl Nemesis for ClockSkew {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let who = Who::draw(&WAYS, rng);
        let members = who.choose(group, rng).await;
        let rate = *RATES.choose(rng).unwrap_or(&2.0);
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        for member in &members {
            self.wrong.set(member, Setting::skew(rate, running(member)?))?;
        }
        // After a few seconds it shows.
        let off = |difference: f64| difference.abs() >= 2.0 && (difference > 0.0) == (rate > 1.0);
        let evidence = differs(group, &members, off).await?;
        let fault = Fault::new(names(&members), hold, evidence);
        Ok(fault.with("who", who.to_edn()).with("rate", Edn::Double(rate.into())))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        Ok(value::map([("clocks", self.wrong.put_right(group).await?)]))
    }
}
