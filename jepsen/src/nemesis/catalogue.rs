//! All nemeses by name.

use super::kill::Kill;
use super::pause::Pause;
use super::term::Term;
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
