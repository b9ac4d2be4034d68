//! A sync fails: nobody can say what is on disk, so the member has to stop. What its failed sync
//! covered is lost before it is started again.

use super::disks::{EVIDENCE_TIMEOUT, Victim, victims};
use super::kill::start_again;
use super::victims::{Who, names};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::disk::{FailingSyncs, Survivors};
use crate::history::{Edn, value};
use crate::host::Group;
use async_trait::async_trait;
use rand::Rng as _;
use std::ops::Range;
use std::time::Duration;

const WAYS: [Who; 3] = [Who::One, Who::Leader, Who::Minority];
const DOWN_MS: Range<u64> = 0..4_000;

/// Makes syncs of members fail.
#[derive(Debug, Default)]
pub struct FailingFsync {
    failing: Vec<Victim>,
}

#[async_trait]
impl Nemesis for FailingFsync {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let who = Who::draw(&WAYS, rng);
        let members = who.choose(group, rng).await;
        let (once, mode) = match rng.random() {
            true => ("once", FailingSyncs::Next),
            false => ("always", FailingSyncs::All),
        };
        let hold = Duration::from_millis(rng.random_range(DOWN_MS));
        self.failing = victims(&members)?;
        self.failing.iter().for_each(|victim| victim.disk.fail_syncs(mode));
        let mut evidence = Vec::new();
        for victim in &self.failing {
            evidence.push(stops(victim, group).await?);
        }
        let fault = Fault::new(names(&members), hold, Edn::Vector(evidence));
        Ok(fault.with("who", who.to_edn()).with("fails", value::keyword(once)))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        let failing = std::mem::take(&mut self.failing);
        for victim in &failing {
            victim.disk.heal();
            // One that goes on in spite of the failure has been told of; it is not left running
            // on what it lost.
            let member = victim.member(group)?;
            if member.pid().is_some() {
                member.kill().await?;
            }
            let crash = victim.disk.crash(Survivors::Some);
            crash.map_err(NemesisError::failed("lose what a failed sync covered"))?;
        }
        start_again(group, failing.into_iter().map(|victim| victim.name).collect())
    }
}

/// Waits until a member has met a failed sync and ended.
async fn stops(victim: &Victim, group: &Group) -> Result<Edn, NemesisError> {
    victim.until_grown("failed syncs", |counters| counters.syncs_failed).await?;
    let status = victim.member(group)?.wait_ended(EVIDENCE_TIMEOUT).await?;
    if status.success() {
        let what = format!("{} ended as if nothing had failed", victim.name);
        return Err(NemesisError::NoEvidence(what));
    }
    Ok(victim.evidence([("syncs-failed", victim.grown(|counters| counters.syncs_failed))]))
}
