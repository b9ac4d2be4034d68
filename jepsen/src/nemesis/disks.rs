//! The disks below members, and waiting until a fault has met one of their requests.

use super::NemesisError;
use crate::disk::{DiskCounters, FaultyDisk};
use crate::history::{Edn, value};
use crate::host::{Group, Member};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a fault may take until it has met a request; members write all the time.
pub(super) const EVIDENCE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the counters are looked at; nothing tells when they change.
const POLL: Duration = Duration::from_millis(5);

/// A member, its disk, and what that had counted when the fault began.
#[derive(Clone, Debug)]
pub(super) struct Victim {
    pub name: String,
    pub disk: Arc<FaultyDisk>,
    before: DiskCounters,
}

impl Victim {
    /// The disk of a member.
    pub fn new(member: &Member) -> Result<Victim, NemesisError> {
        let disk = member.disk.clone().ok_or(NemesisError::Lacking("disks of jepsen's own"))?;
        Ok(Victim { name: member.name.clone(), before: disk.counters(), disk })
    }

    /// Counts from now on.
    pub fn count_anew(&mut self) {
        self.before = self.disk.counters();
    }

    /// How much a counter has grown.
    pub fn grown(&self, count: impl Fn(&DiskCounters) -> u64) -> u64 {
        count(&self.disk.counters()).saturating_sub(count(&self.before))
    }

    /// Waits until a counter has grown.
    pub async fn until_grown(
        &self,
        what: &str,
        count: impl Fn(&DiskCounters) -> u64 + Send,
    ) -> Result<(), NemesisError> {
        let deadline = Instant::now() + EVIDENCE_TIMEOUT;
        while self.grown(&count) == 0 {
            if Instant::now() > deadline {
                let what = format!("{what} of {} did not grow", self.name);
                return Err(NemesisError::NoEvidence(what));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Its member.
    pub fn member<'a>(&self, group: &'a Group) -> Result<&'a Member, NemesisError> {
        group.member(&self.name).ok_or(NemesisError::Lacking("member of that name"))
    }

    /// What is to be told of it.
    pub fn evidence<const N: usize>(&self, counts: [(&str, u64); N]) -> Edn {
        let counts = counts.map(|(name, count)| (name.to_owned(), value::number(count)));
        let node = [("node".to_owned(), value::text(&self.name))];
        value::map_of(node.into_iter().chain(counts).collect())
    }
}

/// The disks of several members.
pub(super) fn victims(members: &[&Member]) -> Result<Vec<Victim>, NemesisError> {
    members.iter().map(|member| Victim::new(member)).collect()
}
