//! The run of one seed: faults while everything must stay safe, then calm in which everything must come
//! to rest.

use crate::checks::{Checks, Sight, Violation};
use crate::clients::{Clients, Counts, Journal};
use crate::group::Group;
use crate::plan::Plan;
use crate::trace::Trace;
use parking_lot::Mutex;
use reddwarf_core::Revision;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// How long everything may take to come to rest, in milliseconds.
const CALM_MS: u64 = 30_000;
/// Clients that watch.
const WATCHERS: usize = 2;
/// Clients that write branches and read the past, where there are any.
const BRANCHERS: usize = 2;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// What does not hold.
    pub violation: Option<Violation>,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
    /// Of them, how long it took to come to rest.
    pub calm_ms: u64,
    /// What clients learnt.
    pub counts: Counts,
    /// Entries that were committed.
    pub entries: u64,
    /// A digest of everything that happened: the same seed has the same.
    pub digest: u64,
}

/// Runs a plan, with the disks of all machines in `dir`.
#[must_use]
pub fn run(plan: &Plan, dir: &Path, trace: &Trace) -> Report {
    let mut run = Run::new(plan, dir, trace);
    let violation = run.safety(plan).and_then(|()| run.liveness()).err();
    run.group.end();
    Report {
        seed: plan.seed,
        violation,
        simulated_ms: run.group.now_ms(),
        calm_ms: run.calm_ms,
        counts: run.clients.journal.counts(),
        entries: run.checks.model().applied().map_or(0, |last| last + 1),
        digest: trace.digest(),
    }
}

struct Run {
    group: Group,
    clients: Clients,
    checks: Checks,
    watchers: Vec<usize>,
    calm_ms: u64,
}

impl Run {
    fn new(plan: &Plan, dir: &Path, trace: &Trace) -> Self {
        let mut group = Group::new(plan, dir, trace.clone());
        let clients = Clients {
            machines: group.machines.clone(),
            journal: Journal::default(),
            trace: trace.clone(),
            seed: plan.seed,
            calm: Arc::new(Mutex::new(false)),
        };
        let watchers: Vec<usize> = (plan.clients..plan.clients + WATCHERS).collect();
        let from = plan.clients + WATCHERS;
        let branching: Vec<usize> = match plan.branches {
            true => (from..from + BRANCHERS).collect(),
            false => Vec::new(),
        };
        let (all, acting, watching) = (clients.clone(), plan.clients, watchers.clone());
        group.add_clients(move || all.clone().run(acting, watching.clone(), branching.clone()));
        Run { group, clients, checks: Checks::default(), watchers, calm_ms: 0 }
    }

    fn sights(&self) -> Vec<Sight> {
        self.group.machines.iter().filter_map(|machine| Sight::of(machine)).collect()
    }

    /// A millisecond, and all checks after it.
    fn step(&mut self) -> Result<Vec<Sight>, Violation> {
        let violation = |group: &Group, check: &str, what| Violation {
            check: check.to_owned(),
            at_ms: group.now_ms(),
            what,
        };
        let stepped = self.group.step();
        stepped.map_err(|what| violation(&self.group, "simulation", what))?;
        if let Some(what) = self.group.broken.take() {
            return Err(violation(&self.group, "start", what));
        }
        let sights = self.sights();
        self.checks.look(self.group.now_ms(), &sights, self.clients.journal.take())?;
        Ok(sights)
    }

    fn safety(&mut self, plan: &Plan) -> Result<(), Violation> {
        let mut faults = plan.faults.iter().peekable();
        while self.group.now_ms() < plan.safety_ms {
            while let Some(fault) = faults.next_if(|fault| fault.at_ms <= self.group.now_ms()) {
                self.group.strike(fault);
            }
            self.step()?;
        }
        Ok(())
    }

    fn liveness(&mut self) -> Result<(), Violation> {
        self.group.calm_down();
        *self.clients.calm.lock() = true;
        let began = self.group.now_ms();
        let mut missing = String::new();
        let mut wanted: Option<Revision> = None;
        while self.group.now_ms() < began + CALM_MS {
            let sights = self.step()?;
            self.calm_ms = self.group.now_ms() - began;
            let seated = self.group.machines.iter().filter_map(|machine| machine.seat());
            let seated: Vec<u64> = seated.map(|seat| seat.node_id).collect();
            match self.checks.at_rest(&sights, &seated) {
                Err(what) => missing = what,
                Ok(()) => {
                    // Something that was written since, by whom ever, and told to all watches.
                    let wanted =
                        *wanted.get_or_insert_with(|| self.checks.model().revision().next());
                    let late = self
                        .watchers
                        .iter()
                        .find(|client| self.clients.journal.watched(**client) < wanted);
                    match late {
                        None => return Ok(()),
                        Some(client) => missing = format!("the watch of client {client} is late"),
                    }
                }
            }
        }
        Err(Violation {
            check: "convergence".to_owned(),
            at_ms: self.group.now_ms(),
            what: missing,
        })
    }
}
