//! SIGSTOP and SIGCONT: a process, or its machine, that stands still and does not know it.

use super::victims::{Who, names};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::{Edn, value};
use crate::host::{Group, Member};
use async_trait::async_trait;
use futures::future::try_join_all;
use rand::Rng as _;
use rustix::process::Signal;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Milliseconds shorter than elections take to begin.
const SHORT_MS: Range<u64> = 50..300;
/// Milliseconds that others do not wait for.
const LONG_MS: Range<u64> = 2_000..8_000;
/// How long the kernel may take to stop a process or let it go on.
const STATE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often its state is looked at; nothing tells it.
const POLL: Duration = Duration::from_millis(5);
/// What `proc(5)` shows of a stopped process.
const STOPPED: char = 'T';

/// Pauses members and lets them go on.
#[derive(Debug)]
pub struct Pause {
    ways: Vec<Who>,
    paused: Vec<String>,
}

impl Pause {
    /// Pauses members chosen in one of `ways`, drawn anew each time.
    pub fn new(ways: impl Into<Vec<Who>>) -> Pause {
        Pause { ways: ways.into(), paused: Vec::new() }
    }
}

#[async_trait]
impl Nemesis for Pause {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let who = Who::draw(&self.ways, rng);
        let victims = who.choose(group, rng).await;
        self.paused = names(&victims);
        let evidence = try_join_all(victims.into_iter().map(stop)).await?;
        let (length, range) =
            if rng.random_bool(0.5) { ("short", SHORT_MS) } else { ("long", LONG_MS) };
        let hold = Duration::from_millis(rng.random_range(range));
        let fault = Fault::new(self.paused.clone(), hold, Edn::Vector(evidence));
        Ok(fault.with("who", who.to_edn()).with("length", value::keyword(length)))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        let paused = std::mem::take(&mut self.paused);
        let members = paused.iter().filter_map(|name| group.member(name));
        Ok(Edn::Vector(try_join_all(members.map(go_on)).await?))
    }
}

async fn stop(member: &Member) -> Result<Edn, NemesisError> {
    member.signal(Signal::STOP)?;
    state_becomes(member, |state| state == STOPPED).await
}

async fn go_on(member: &Member) -> Result<Edn, NemesisError> {
    member.signal(Signal::CONT)?;
    state_becomes(member, |state| state != STOPPED).await
}

async fn state_becomes(member: &Member, so: impl Fn(char) -> bool) -> Result<Edn, NemesisError> {
    let deadline = Instant::now() + STATE_TIMEOUT;
    loop {
        let state = member.process_state();
        if let Some(state) = state.filter(|state| so(*state)) {
            let state = ("state", value::text(state));
            return Ok(value::map([("node", value::text(&member.name)), state]));
        }
        if Instant::now() > deadline {
            let what = format!("{} has the state {state:?}", member.name);
            return Err(NemesisError::NoEvidence(what));
        }
        tokio::time::sleep(POLL).await;
    }
}
