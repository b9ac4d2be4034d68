//! All nemeses by name.

use super::delay::Late;
use super::disturb::Disturb;
use super::duplicate::Twice;
use super::hop::Hop;
use super::kill::Kill;
use super::loss::Lost;
use super::partition::{Cut, Partition};
use super::pause::Pause;
use super::reorder::Overtaken;
use super::slow_watch::SlowWatch;
use super::term::Term;
use super::throttle::Narrow;
use super::{Need, Nemesis, Who};

/// A nemesis that can be asked for.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What `--nemesis` calls it, and the `:f` of its lines.
    pub name: &'static str,
    /// What it does, for `list`.
    pub about: &'static str,
    /// What the hosts must have.
    pub needs: &'static [Need],
    /// Makes one.
    pub make: fn() -> Box<dyn Nemesis>,
    /// Whether `all` means it too; not those that only narrow another one.
    pub in_all: bool,
}

/// There is no such nemesis.
#[derive(Debug, thiserror::Error)]
#[error("there is no nemesis {0:?}; `jepsen list` names them")]
pub struct UnknownNemesis(pub String);

const PROCESSES: &[Need] = &[Need::Processes];
const NETWORK: &[Need] = &[Need::Network];

/// All of them.
pub const CATALOGUE: &[Entry] = &[
    Entry {
        name: "kill",
        about: "SIGKILL to one member, the leader, a majority or all; they are started again",
        needs: PROCESSES,
        make: || Box::new(Kill::new([Who::One, Who::Leader, Who::Majority, Who::All])),
        in_all: true,
    },
    Entry {
        name: "kill-one",
        about: "SIGKILL to any one member",
        needs: PROCESSES,
        make: || Box::new(Kill::new([Who::One])),
        in_all: false,
    },
    Entry {
        name: "kill-leader",
        about: "SIGKILL to the leader",
        needs: PROCESSES,
        make: || Box::new(Kill::new([Who::Leader])),
        in_all: false,
    },
    Entry {
        name: "kill-majority",
        about: "SIGKILL to a majority",
        needs: PROCESSES,
        make: || Box::new(Kill::new([Who::Majority])),
        in_all: false,
    },
    Entry {
        name: "kill-all",
        about: "SIGKILL to all members at once",
        needs: PROCESSES,
        make: || Box::new(Kill::new([Who::All])),
        in_all: false,
    },
    Entry {
        name: "term",
        about: "SIGTERM to one member, the leader or a minority; they are started again",
        needs: PROCESSES,
        make: || Box::new(Term::new([Who::One, Who::Leader, Who::Minority])),
        in_all: true,
    },
    Entry {
        name: "pause",
        about: "SIGSTOP to one member, the leader, a minority or a majority, shorter and longer \
                than elections take to begin",
        needs: PROCESSES,
        make: || Box::new(Pause::new([Who::One, Who::Leader, Who::Minority, Who::Majority])),
        in_all: true,
    },
    Entry {
        name: "partition",
        about: "lines between members cut in any of the ways below",
        needs: NETWORK,
        make: || Box::new(Partition::new(Cut::ALL)),
        in_all: true,
    },
    Entry {
        name: "partition-leader",
        about: "the leader alone",
        needs: NETWORK,
        make: || Box::new(Partition::new([Cut::Leader])),
        in_all: false,
    },
    Entry {
        name: "partition-halves",
        about: "two halves",
        needs: NETWORK,
        make: || Box::new(Partition::new([Cut::Halves])),
        in_all: false,
    },
    Entry {
        name: "partition-ring",
        about: "each member sees a majority, and no two the same one",
        needs: NETWORK,
        make: || Box::new(Partition::new([Cut::MajorityRing])),
        in_all: false,
    },
    Entry {
        name: "partition-bridge",
        about: "two halves that have one member in common",
        needs: NETWORK,
        make: || Box::new(Partition::new([Cut::Bridge])),
        in_all: false,
    },
    Entry {
        name: "partition-one-way",
        about: "one member, or the leader, is not heard, or hears nobody",
        needs: NETWORK,
        make: || Box::new(Partition::new(Cut::ONE_WAY)),
        in_all: false,
    },
    Entry {
        name: "partition-clients",
        about: "one member, the leader or a minority, not reached by clients either",
        needs: NETWORK,
        make: || Box::new(Partition::new(Cut::ALONE).and_clients()),
        in_all: false,
    },
    Entry {
        name: "delay",
        about: "packets between members come late",
        needs: NETWORK,
        make: || Box::new(Disturb::<Late>::new()),
        in_all: true,
    },
    Entry {
        name: "loss",
        about: "packets between members are lost",
        needs: NETWORK,
        make: || Box::new(Disturb::<Lost>::new()),
        in_all: true,
    },
    Entry {
        name: "duplicate",
        about: "packets between members come twice",
        needs: NETWORK,
        make: || Box::new(Disturb::<Twice>::new()),
        in_all: true,
    },
    Entry {
        name: "reorder",
        about: "packets between members overtake each other",
        needs: NETWORK,
        make: || Box::new(Disturb::<Overtaken>::new()),
        in_all: true,
    },
    Entry {
        name: "throttle",
        about: "few bytes a second pass between members",
        needs: NETWORK,
        make: || Box::new(Disturb::<Narrow>::new()),
        in_all: true,
    },
    Entry {
        name: "hop",
        about: "clients go to another member with every operation",
        needs: PROCESSES,
        make: || Box::new(Hop::default()),
        in_all: true,
    },
    Entry {
        name: "slow-watch",
        about: "watchers do not read what they are sent (only with a workload that watches)",
        needs: PROCESSES,
        make: || Box::new(SlowWatch::default()),
        in_all: false,
    },
];

/// The entries that a list such as `kill,pause` or `all` names; every one once.
///
/// # Errors
/// [`UnknownNemesis`]
pub fn find(names: &[String]) -> Result<Vec<Entry>, UnknownNemesis> {
    let mut found: Vec<Entry> = Vec::new();
    for name in names {
        let before = found.len();
        let matching = CATALOGUE.iter().filter(|e| e.name == name || name == "all" && e.in_all);
        let known = CATALOGUE.iter().any(|entry| entry.name == name) || name == "all";
        for entry in matching {
            if !found.iter().any(|other| other.name == entry.name) {
                found.push(*entry);
            }
        }
        if !known && found.len() == before {
            return Err(UnknownNemesis(name.clone()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Result<Vec<&'static str>, UnknownNemesis> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        Ok(find(&names)?.into_iter().map(|entry| entry.name).collect())
    }

    #[test]
    fn names_are_unique_and_found_once() {
        for (at, entry) in CATALOGUE.iter().enumerate() {
            assert!(CATALOGUE[..at].iter().all(|other| other.name != entry.name));
        }
        assert_eq!(named(&["kill-all", "kill-all"]).expect("known"), ["kill-all"]);
        let all = named(&["all", "kill"]).expect("known");
        assert_eq!(all.iter().filter(|name| **name == "kill").count(), 1);
        assert!(!all.contains(&"kill-all"));
        assert_eq!(named(&["kil"]).expect_err("unknown").0, "kil");
    }
}
