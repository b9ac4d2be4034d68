//! All workloads by name.

use super::append::Append;
use super::merge::Merge;
use super::past::Past;
use super::register::Register;
use super::revert::Revert;
use super::schedule::Schedule;
use super::session::Session;
use super::set::Set;
use super::watch::Watch;
use super::{Workload, elector};

/// A workload that can be asked for.
#[derive(Clone, Copy)]
pub struct Entry {
    /// What `--workload` calls it.
    pub name: &'static str,
    /// What it does, for `list`.
    pub about: &'static str,
    /// Operations a second that it wants at most, so that its histories stay small; the rest of
    /// the run's rate goes to those that take any.
    pub rate_max: Option<f64>,
    /// What names it together with others: `mix` are the single objects of any Kubernetes API, and
    /// `history` what this history adds to it. Two sets, for ten workloads at once leave each little
    /// of a small machine.
    pub part_of: &'static str,
    /// Whether it can run against any Kubernetes API server.
    pub any_server: bool,
    /// Makes one.
    pub make: fn() -> Box<dyn Workload>,
}

/// There is no such workload.
#[derive(Debug, thiserror::Error)]
#[error("there is no workload {0:?}; `jepsen list` names them")]
pub struct UnknownWorkload(pub String);

/// All of them.
pub const CATALOGUE: &[Entry] = &[
    Entry {
        name: "register",
        about: "get, create, put, compare-and-swap, delete and recreate, over many objects",
        rate_max: None,
        part_of: "mix",
        any_server: true,
        make: || Box::new(Register::default()),
    },
    Entry {
        name: "set",
        about: "create, and paged lists whose pages come from different members",
        rate_max: Some(30.0),
        part_of: "mix",
        any_server: true,
        make: || Box::new(Set::default()),
    },
    Entry {
        name: "watch",
        about: "writers, and watchers that are cut and go on at another member",
        rate_max: Some(60.0),
        part_of: "mix",
        any_server: true,
        make: || Box::new(Watch::default()),
    },
    Entry {
        name: "session",
        about: "each client reads on other members at least what it saw",
        rate_max: None,
        part_of: "mix",
        any_server: false,
        make: || Box::new(Session::default()),
    },
    Entry {
        name: "lease",
        about: "leader election on a Lease; holders write with the Lease's transitions as fence",
        rate_max: Some(20.0),
        part_of: "mix",
        any_server: true,
        make: || Box::new(elector::Election::default()),
    },
    Entry {
        name: "schedule",
        about: "pods come and go, and the leader binds them to nodes that are too small for all",
        rate_max: Some(30.0),
        part_of: "mix",
        any_server: false,
        make: || Box::new(Schedule::default()),
    },
    Entry {
        name: "append",
        about: "lists in several objects that grow by atomic sets of changes, and are read as one",
        rate_max: Some(60.0),
        part_of: "history",
        any_server: false,
        make: || Box::new(Append::default()),
    },
    Entry {
        name: "merge",
        about: "branches change several objects and are merged while main changes them too",
        rate_max: Some(40.0),
        part_of: "history",
        any_server: false,
        make: || Box::new(Merge::default()),
    },
    Entry {
        name: "revert",
        about: "atomic sets of changes go to several objects, and their commits are taken back",
        rate_max: Some(40.0),
        part_of: "history",
        any_server: false,
        make: || Box::new(Revert::default()),
    },
    Entry {
        name: "past",
        about: "what was read at a revision is read again, later and on any member",
        rate_max: Some(60.0),
        part_of: "history",
        any_server: false,
        make: || Box::new(Past::default()),
    },
];

/// The workloads that a list names, by their own names or by what they are part of.
///
/// # Errors
/// [`UnknownWorkload`]
pub fn find(names: &[String]) -> Result<Vec<Entry>, UnknownWorkload> {
    let mut found: Vec<Entry> = Vec::new();
    for name in names {
        let matching = CATALOGUE.iter().filter(|entry| entry.name == name || entry.part_of == name);
        let before = found.len();
        found.extend(matching);
        if found.len() == before {
            return Err(UnknownWorkload(name.clone()));
        }
    }
    found.sort_by_key(|entry| entry.name);
    found.dedup_by_key(|entry| entry.name);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_workloads_have_names_and_each_is_found_once() {
        let names = |asked: &[&str]| {
            let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
            let found = find(&asked).expect("known");
            found.iter().map(|entry| entry.name).collect::<Vec<_>>()
        };
        let mix = ["lease", "register", "schedule", "session", "set", "watch"];
        assert_eq!(names(&["set", "mix"]), mix);
        assert_eq!(names(&["history"]), ["append", "merge", "past", "revert"]);
        assert_eq!(names(&["mix", "history"]).len(), CATALOGUE.len());
        assert_eq!(find(&["sets".into()]).err().expect("unknown").0, "sets");
    }
}
