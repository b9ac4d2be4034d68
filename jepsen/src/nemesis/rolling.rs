//! The members are restarted one after the other, as an upgrade does it; with a second build, each
//! runs the other one afterwards.

use super::kill::start_again;
use super::term::stop;
use super::victims::names;
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::{Edn, value};
use crate::host::{Group, READY_TIMEOUT};
use async_trait::async_trait;
use rand::Rng as _;
use rand::seq::SliceRandom;
use std::ops::Range;
use std::time::Duration;

/// How long a member is looked at before the next one's turn, in milliseconds.
const BETWEEN_MS: Range<u64> = 0..1_500;

/// Restarts members by SIGTERM.
#[derive(Debug, Default)]
pub struct Rolling {
    down: Vec<String>,
}

#[async_trait]
impl Nemesis for Rolling {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let mut members = group.members();
        members.shuffle(rng);
        let mut evidence = Vec::new();
        for member in &members {
            self.down = vec![member.name.clone()];
            let stopped = stop(member).await?;
            let program = member.next_program();
            let pid = member.start()?;
            group.ready(member, READY_TIMEOUT).await?;
            evidence.push(value::map([
                ("stopped", stopped),
                ("pid", Edn::Int(pid.as_raw_nonzero().get().into())),
                ("program", value::text(program.display().to_string())),
            ]));
            tokio::time::sleep(Duration::from_millis(rng.random_range(BETWEEN_MS))).await;
        }
        self.down.clear();
        Ok(Fault::new(names(&members), Duration::ZERO, Edn::Vector(evidence)))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        start_again(group, std::mem::take(&mut self.down))
    }
}
