//! What a client is told that it wrote is on the disks of a majority in that moment.
//!
//! What a member synced in the millisecond in which it died is not known; it counts as if it had synced
//! all that there was.

use super::sight::voters;
use super::{Check, Moment, Sight};
use crate::clients::{Fate, Learnt};
use reddwarf_raft::inspect::{Members, Payload, Position};
use std::collections::BTreeMap;

/// What is known of a member's disk. One that is lost later takes nothing back: what is asked is whether
/// a majority had it.
#[derive(Default)]
struct Disk {
    /// Up to which committed entry it has held all.
    held: Option<u64>,
    /// What it holds that was not seen to be committed yet.
    tail: Vec<Position>,
    /// The member's newest process.
    life: u64,
    /// Whether that runs.
    runs: bool,
    /// Up to which entry it may have held all when it died.
    perhaps: Option<u64>,
}

/// See the module's text.
#[derive(Default)]
pub struct Majorities {
    /// By node.
    disks: BTreeMap<u64, Disk>,
    /// Committed memberships, by the index of their entry.
    members: BTreeMap<u64, Members>,
    /// The newest committed entry that was looked at.
    looked: Option<u64>,
    /// The newest entry of any log.
    newest: Option<u64>,
}

impl Disk {
    fn look(&mut self, member: &Sight, committed: u64) -> Result<(), String> {
        self.held = self.held.max(member.durable);
        let Some(durable) = member.durable_log else { return Ok(()) };
        let purged = member.purged.map(|purged| purged.index);
        self.held = self.held.max(purged.filter(|purged| *purged <= committed));
        let from = self.held.map_or(0, |held| held + 1);
        let entries = member.entries(from..durable + 1)?;
        self.tail = entries.into_iter().map(|entry| entry.at).collect();
        Ok(())
    }

    /// By log matching, what stands before a committed entry is committed as well.
    fn settle(&mut self, moment: &Moment<'_>) {
        let is_committed =
            |at: &&Position| moment.log.get(at.index).is_some_and(|entry| entry.at == **at);
        let newest = self.tail.iter().rev().find(is_committed).map(|at| at.index);
        self.held = self.held.max(newest);
        self.tail.retain(|at| Some(at.index) > newest);
    }

    fn may_hold(&self, index: u64) -> bool {
        self.held.max(self.perhaps).is_some_and(|held| held >= index)
    }
}

impl Majorities {
    fn follow(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        let committed = moment.log.last().map_or(0, |entry| entry.at.index);
        for entry in
            (self.looked.unwrap_or_default()..=committed).filter_map(|index| moment.log.get(index))
        {
            if let Payload::Members(members) = &entry.payload {
                self.members.insert(entry.at.index, members.clone());
            }
        }
        self.looked = Some(committed);
        let last = moment.members.iter().filter_map(|member| Some(member.last?.index)).max();
        self.newest = self.newest.max(last);
        for (id, disk) in &mut self.disks {
            let same = |member: &Sight| member.process() == (*id, disk.life);
            if disk.runs && !moment.members.iter().any(same) {
                (disk.runs, disk.perhaps) = (false, self.newest);
            }
        }
        for member in moment.members.iter().filter(|member| !member.wiped) {
            let disk = self.disks.entry(member.id).or_default();
            (disk.life, disk.runs) = (member.life, true);
            disk.look(member, committed)?;
        }
        self.disks.values_mut().for_each(|disk| disk.settle(moment));
        Ok(())
    }

    /// Whether a majority has an entry, of each set of voters.
    fn is_held(&self, index: u64, members: &Members) -> bool {
        let holds = |id: &&u64| self.disks.get(*id).is_some_and(|disk| disk.may_hold(index));
        members.voters.iter().all(|set| set.iter().filter(holds).count() * 2 > set.len())
    }
}

impl Check for Majorities {
    fn name(&self) -> &'static str {
        "majorities"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        self.follow(moment)?;
        for note in moment.notes {
            let Learnt::Write { fate: Fate::Committed(told), .. } = &note.learnt else { continue };
            let Some(commit) = moment.model.commit_of(told.first) else { continue };
            let index = commit.index;
            // The members of that time, or of any later one, which may not be committed yet.
            let then = self.members.range(..=index).next_back();
            let later = self.members.range(index + 1..).chain(then).map(|(_, members)| members);
            let newest = moment.members.iter().map(|member| &member.members);
            if !later.chain(newest).any(|members| self.is_held(index, members)) {
                let holders: Vec<u64> = self
                    .disks
                    .iter()
                    .filter(|(_, disk)| disk.may_hold(index))
                    .map(|(id, _)| *id)
                    .collect();
                let voters = then.map(|(_, members)| voters(members)).unwrap_or_default();
                return Err(format!(
                    "client {} was told of entry {index}, which is on the disks of the nodes \
                     {holders:?}; {voters:?} vote",
                    note.client
                ));
            }
        }
        Ok(())
    }
}
