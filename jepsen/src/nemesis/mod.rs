//! Faults: one file each.
//!
//! A [`Nemesis`] begins a fault on members that it chooses, and ends it; what showed that it
//! really happened is the fault's *evidence*, without which the run does not count. A nemesis
//! says what it [needs](Need) of the hosts; [`CATALOGUE`] lists them all.

mod catalogue;
mod clock_jump;
mod clock_skew;
mod clocks;
mod command;
mod damaged_file;
mod delay;
mod disk_full;
mod disks;
mod disturb;
mod duplicate;
mod error;
mod failing_fsync;
mod grow;
mod hop;
mod kill;
mod lines;
mod loss;
mod lost_writes;
mod partition;
mod pause;
mod purge;
mod reorder;
mod replace;
mod rolling;
mod rotate;
mod slow_fsync;
mod slow_watch;
mod term;
mod throttle;
mod transfer;
mod turnover;
mod victims;

pub use catalogue::{CATALOGUE, Entry, UnknownNemesis, find};
pub use command::{COMMAND, command};
pub use error::NemesisError;
pub use partition::{Cut, Partition};
pub use victims::Who;

use crate::history::{Edn, value};
use crate::host::Group;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where nemeses draw from: seeded by the run.
pub type Rng = rand::rngs::SmallRng;

/// What a nemesis must be able to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Members' processes: any group that jepsen started.
    Processes,
    /// The links between members: [`Group::network`].
    Network,
    /// The disk below every member's data: [`Member::disk`](crate::host::Member::disk).
    Disk,
    /// The same, with so little room that it can be filled.
    Room,
    /// Every member's wall clock.
    Clock,
    /// Places where no member is, for those that join.
    Vacancy,
    /// Logs that keep little.
    ShortLog,
}

impl Need {
    /// What the user is told.
    pub fn name(self) -> &'static str {
        match self {
            Need::Processes => "members that jepsen starts",
            Need::Network => "network namespaces",
            Need::Disk => "disks of jepsen's own below the members' data",
            Need::Room => "small file systems below those",
            Need::Clock => "clocks that can be changed",
            Need::Vacancy => "places for further members",
            Need::ShortLog => "logs that keep little",
        }
    }
}

/// A fault that has begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Names of the members that it was done to.
    pub targets: Vec<String>,
    /// What else says which fault it was, such as `:who :leader`.
    pub parameters: BTreeMap<String, Edn>,
    /// What showed that it happened.
    pub evidence: Edn,
    /// How long it should last.
    pub hold: Duration,
}

impl Fault {
    /// A fault done to `targets`.
    pub fn new(targets: Vec<String>, hold: Duration, evidence: Edn) -> Fault {
        Fault { targets, parameters: BTreeMap::new(), evidence, hold }
    }

    /// With a parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: Edn) -> Fault {
        self.parameters.insert(name.to_owned(), value);
        self
    }

    /// What the nemesis' lines say of it.
    pub fn describe(&self) -> BTreeMap<String, Edn> {
        let mut all = self.parameters.clone();
        all.insert("targets".into(), value::texts(&self.targets));
        all
    }
}

/// What makes one kind of fault. At most one fault of a run is in progress at any time.
#[async_trait]
pub trait Nemesis: Send {
    /// Does the fault, and returns when it is done. After an error [`Nemesis::end`] is called all
    /// the same, and must undo whatever was done by halves.
    ///
    /// # Errors
    /// [`NemesisError`]
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError>;

    /// Undoes it and gives evidence of that, and of what happened meanwhile (packets dropped,
    /// syncs that failed, …). Processes that were ended are started again here; whether they have
    /// become ready is waited for by the caller.
    ///
    /// # Errors
    /// [`NemesisError`]
    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError>;
}
