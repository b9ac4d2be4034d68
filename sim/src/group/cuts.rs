//! Which lines are cut.

use super::machine::{MachineId, host};
use std::collections::{BTreeMap, BTreeSet};
use turmoil::Sim;

/// How many reasons there are for each way of a line to be cut.
#[derive(Debug, Default)]
pub struct Cuts {
    /// Both ways are held: what is sent arrives when the line is back, as connections send it again.
    held: BTreeMap<(MachineId, MachineId), u32>,
    /// What is sent that way is lost.
    lost: BTreeMap<(MachineId, MachineId), u32>,
    /// Machines without power.
    off: BTreeSet<MachineId>,
    shown: BTreeMap<(MachineId, MachineId), Line>,
}

/// What a line does to messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Open,
    Held,
    Lost {
        there: bool,
        back: bool,
    },
}

impl Cuts {
    /// One more reason to hold, or one less.
    pub fn hold(&mut self, a: MachineId, b: MachineId, more: bool) {
        count(&mut self.held, (a.min(b), a.max(b)), more);
    }

    /// One more reason to lose what goes from one machine to another, or one less.
    pub fn lose(&mut self, from: MachineId, to: MachineId, more: bool) {
        count(&mut self.lost, (from, to), more);
    }

    /// Whether a machine has no power.
    pub fn is_off(&self, machine: MachineId) -> bool {
        self.off.contains(&machine)
    }

    /// No line is cut any more, but for those of machines without power.
    pub fn clear(&mut self) {
        self.held.clear();
        self.lost.clear();
    }

    /// A machine has no power, or has it again.
    pub fn power(&mut self, machine: MachineId, on: bool) {
        match on {
            true => self.off.remove(&machine),
            false => self.off.insert(machine),
        };
    }

    /// Tells the network of a run with so many machines.
    pub fn apply(&mut self, sim: &Sim<'_>, machines: usize) {
        for a in 0..machines {
            for b in a + 1..machines {
                let line = self.line(a, b);
                let shown = self.shown.entry((a, b)).or_default();
                if *shown == line {
                    continue;
                }
                *shown = line;
                let (a, b) = (host(a), host(b));
                // What was held arrives, what was lost stays lost.
                sim.release(a.as_str(), b.as_str());
                match line {
                    Line::Open => {}
                    Line::Held => sim.hold(a.as_str(), b.as_str()),
                    Line::Lost { there, back } => {
                        if there {
                            sim.partition_oneway(a.as_str(), b.as_str());
                        }
                        if back {
                            sim.partition_oneway(b.as_str(), a.as_str());
                        }
                    }
                }
            }
        }
    }

    fn line(&self, a: MachineId, b: MachineId) -> Line {
        let lost = |from, to| self.lost.get(&(from, to)).is_some_and(|reasons| *reasons > 0);
        let off = self.off.contains(&a) || self.off.contains(&b);
        let (there, back) = (off || lost(a, b), off || lost(b, a));
        if there || back {
            Line::Lost { there, back }
        } else if self.held.get(&(a, b)).is_some_and(|reasons| *reasons > 0) {
            Line::Held
        } else {
            Line::Open
        }
    }
}

fn count<K: Ord>(reasons: &mut BTreeMap<K, u32>, line: K, more: bool) {
    let reasons = reasons.entry(line).or_default();
    *reasons = if more { *reasons + 1 } else { reasons.saturating_sub(1) };
}
