//! Members' wall clocks jump, by seconds or by days, and jump back.

use super::clocks::{Wrong, differs};
use super::victims::{Who, names};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::clock::Setting;
use crate::history::{Edn, value};
use crate::host::Group;
use async_trait::async_trait;
use rand::Rng as _;
use std::ops::Range;
use std::time::Duration;

const WAYS: [Who; 4] = [Who::One, Who::Leader, Who::Minority, Who::Majority];
/// Powers of two of seconds: from 8 s to nearly two days.
const JUMP_POWERS: Range<f64> = 3.0..17.0;
const HOLD_MS: Range<u64> = 1_000..8_000;
/// The clients' and the members' certificates are good for some time only; a run's are not yet
/// good before the run began.
const PAST_SECONDS_MAX: f64 = 20.0;

/// Lets clocks jump.
#[derive(Debug, Default)]
pub struct ClockJump {
    wrong: Wrong,
}

#[async_trait]
impl Nemesis for ClockJump {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let who = Who::draw(&WAYS, rng);
        let members = who.choose(group, rng).await;
        let seconds = rng.random_range(JUMP_POWERS).exp2().round();
        let seconds = if rng.random() { seconds } else { -seconds.min(PAST_SECONDS_MAX) };
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        for member in &members {
            self.wrong.set(member, Setting::jump(seconds))?;
        }
        let off = |difference: f64| (difference - seconds).abs() < 4.0;
        let evidence = differs(group, &members, off).await?;
        let fault = Fault::new(names(&members), hold, evidence);
        Ok(fault.with("who", who.to_edn()).with("seconds", Edn::Int(seconds as i64)))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        Ok(value::map([("clocks", self.wrong.put_right(group).await?)]))
    }
}
