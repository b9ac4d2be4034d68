//! What must hold after every step: an invariant of `ARCHITECTURE.md` each, in a file of its own.

mod acknowledged;
mod applied;
mod backups;
mod contents;
mod convergence;
mod durable;
mod elections;
mod leader_completeness;
mod lines;
mod log_matching;
mod lost_disks;
mod majorities;
mod membership;
mod past;
mod purges;
mod reads;
mod requests;
mod revisions;
mod roots;
mod sight;
mod votes;
mod watched_commits;
mod watches;

pub use sight::Sight;

use crate::clients::Note;
use crate::model::Model;
use applied::CommittedLog;

/// What there is to look at after a step.
pub struct Moment<'m> {
    /// Milliseconds since the beginning.
    pub now_ms: u64,
    /// The running members.
    pub members: &'m [Sight],
    /// What is committed, as far as any member has applied it.
    pub log: &'m CommittedLog,
    /// What that leads to.
    pub model: &'m Model,
    /// What clients learnt, as far as the model has it.
    pub notes: &'m [Note],
}

/// An invariant.
pub trait Check {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Looks at the group after a step.
    ///
    /// # Errors
    /// What is wrong.
    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String>;
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Violation {
    /// Which.
    pub check: String,
    /// When, in milliseconds since the beginning.
    pub at_ms: u64,
    /// What is wrong.
    pub what: String,
}

/// All checks of a run.
pub struct Checks {
    log: CommittedLog,
    model: Model,
    waiting: Vec<Note>,
    checks: Vec<Box<dyn Check>>,
}

impl Default for Checks {
    fn default() -> Self {
        let checks: Vec<Box<dyn Check>> = vec![
            Box::new(elections::Elections::default()),
            Box::new(votes::Votes::default()),
            Box::new(log_matching::LogMatching::default()),
            Box::new(leader_completeness::LeaderCompleteness::default()),
            Box::new(revisions::Revisions::default()),
            Box::new(contents::Contents::default()),
            Box::new(lines::LinesOfMembers::default()),
            Box::new(roots::Roots::default()),
            Box::new(durable::DurableState::default()),
            Box::new(purges::Purges),
            Box::new(membership::Memberships::default()),
            Box::new(lost_disks::LostDisks),
            Box::new(requests::Requests::default()),
            Box::new(acknowledged::Acknowledged),
            Box::new(reads::Reads),
            Box::new(past::PastReads),
            Box::new(backups::Backups),
            Box::new(watches::Watches),
            Box::new(watched_commits::WatchedCommits),
            Box::new(majorities::Majorities::default()),
        ];
        Checks {
            log: CommittedLog::default(),
            model: Model::default(),
            waiting: Vec::new(),
            checks,
        }
    }
}

impl Checks {
    /// Looks at the group after a step, and at what clients have noted since the last.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn look(
        &mut self,
        now_ms: u64,
        members: &[Sight],
        notes: Vec<Note>,
    ) -> Result<(), Violation> {
        let violation =
            |check: &str, what| Violation { check: check.to_owned(), at_ms: now_ms, what };
        let followed = self.log.follow(members, &mut self.model);
        followed.map_err(|what| violation("applied entries", what))?;
        self.waiting.extend(notes);
        let revision = self.model.revision();
        let (ready, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|note| note.needs().is_none_or(|needed| needed <= revision));
        self.waiting = waiting;
        let ready: Vec<Note> = ready;
        let moment = Moment { now_ms, members, log: &self.log, model: &self.model, notes: &ready };
        for check in &mut self.checks {
            check.look(&moment).map_err(|what| violation(check.name(), what))?;
        }
        Ok(())
    }

    /// Looks whether all has come to rest: every member has everything, and so has every watch.
    ///
    /// # Errors
    /// What is still missing.
    pub fn at_rest(&self, members: &[Sight], expected: &[u64]) -> Result<(), String> {
        convergence::at_rest(members, expected, &self.model)?;
        match self.waiting.first() {
            None => Ok(()),
            Some(note) => Err(format!(
                "a client was told of revision {:?}, which no member has: {note:?}",
                note.needs()
            )),
        }
    }

    /// What is committed.
    pub fn model(&self) -> &Model {
        &self.model
    }
}
