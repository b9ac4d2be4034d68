//! SIGTERM: an operator's stop, which a member may use to hand its leadership over.

use super::kill::start_again;
use super::victims::{Who, names};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::{Edn, value};
use crate::host::{Group, HostError, Member};
use async_trait::async_trait;
use futures::future::try_join_all;
use rand::Rng as _;
use rustix::process::Signal;
use std::time::Duration;

/// How long a member may take to stop; it lets requests finish.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long members stay down, in milliseconds.
const DOWN_MS: std::ops::Range<u64> = 0..4_000;

/// Stops members and starts them again.
#[derive(Debug)]
pub struct Term {
    ways: Vec<Who>,
    down: Vec<String>,
}

impl Term {
    /// Stops members chosen in one of `ways`, drawn anew each time.
    pub fn new(ways: impl Into<Vec<Who>>) -> Term {
        Term { ways: ways.into(), down: Vec::new() }
    }
}

#[async_trait]
impl Nemesis for Term {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let who = Who::draw(&self.ways, rng);
        let victims = who.choose(group, rng).await;
        self.down = names(&victims);
        let evidence = try_join_all(victims.into_iter().map(stop)).await?;
        let hold = Duration::from_millis(rng.random_range(DOWN_MS));
        let fault = Fault::new(self.down.clone(), hold, Edn::Vector(evidence));
        Ok(fault.with("who", who.to_edn()))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        for member in self.down.iter().filter_map(|name| group.member(name)) {
            if member.pid().is_some() {
                // It did not stop in time; nothing else brings it back to a known state.
                member.kill().await?;
            }
        }
        start_again(group, std::mem::take(&mut self.down))
    }
}

/// Stops a member, which must end well.
pub(super) async fn stop(member: &Member) -> Result<Edn, NemesisError> {
    member.signal(Signal::TERM)?;
    let status = member.wait_ended(STOP_TIMEOUT).await?;
    if !status.success() {
        let (name, log) = (member.name.clone(), member.log.clone());
        return Err(HostError::Ended { name, status, log }.into());
    }
    Ok(value::map([
        ("node", value::text(&member.name)),
        ("exit", Edn::Int(status.code().unwrap_or_default().into())),
    ]))
}
