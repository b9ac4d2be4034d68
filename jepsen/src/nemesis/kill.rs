//! SIGKILL: whatever was not synced by the kernel's hand stays in its caches; what was not handed
//! to the kernel is lost.

use super::victims::{Who, names};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::{Edn, value};
use crate::host::{Group, HostError, Member};
use async_trait::async_trait;
use futures::future::try_join_all;
use rand::Rng as _;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

/// How long members stay down, in milliseconds.
const DOWN_MS: std::ops::Range<u64> = 0..6_000;

/// Kills members and starts them again.
#[derive(Debug)]
pub struct Kill {
    ways: Vec<Who>,
    down: Vec<String>,
}

impl Kill {
    /// Kills members chosen in one of `ways`, drawn anew each time.
    pub fn new(ways: impl Into<Vec<Who>>) -> Kill {
        Kill { ways: ways.into(), down: Vec::new() }
    }
}

#[async_trait]
impl Nemesis for Kill {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let who = Who::draw(&self.ways, rng);
        let victims = who.choose(group, rng).await;
        self.down = names(&victims);
        let evidence = try_join_all(victims.into_iter().map(kill)).await?;
        let hold = Duration::from_millis(rng.random_range(DOWN_MS));
        let fault = Fault::new(self.down.clone(), hold, Edn::Vector(evidence));
        Ok(fault.with("who", who.to_edn()))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        start_again(group, std::mem::take(&mut self.down))
    }
}

/// Kills a member, and shows that it is gone.
pub(super) async fn kill(member: &Member) -> Result<Edn, NemesisError> {
    let Some(pid) = member.pid() else {
        return Err(NemesisError::NoEvidence(format!("{} does not run", member.name)));
    };
    let status = member.kill().await?;
    if status.signal() != Some(9) || Path::new(&format!("/proc/{}", pid.as_raw_nonzero())).exists()
    {
        return Err(NemesisError::NoEvidence(format!("{} ended otherwise: {status}", member.name)));
    }
    Ok(value::map([
        ("node", value::text(&member.name)),
        ("pid", Edn::Int(pid.as_raw_nonzero().get().into())),
        ("gone", Edn::Bool(true)),
    ]))
}

/// Starts those of the members that do not run; gives their new process ids.
pub(super) fn start_again(group: &Group, names: Vec<String>) -> Result<Edn, NemesisError> {
    let mut started = Vec::new();
    let mut failed: Option<HostError> = None;
    let idle = |name: &String| group.member(name).filter(|member| member.pid().is_none());
    for member in names.iter().filter_map(idle) {
        match member.start() {
            Ok(pid) => started.push(value::map([
                ("node", value::text(&member.name)),
                ("pid", Edn::Int(pid.as_raw_nonzero().get().into())),
            ])),
            // The others are started all the same.
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(Edn::Vector(started)), |error| Err(error.into()))
}
