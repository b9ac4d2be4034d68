//! All nemeses by name.

use super::clock_jump::ClockJump;
use super::clock_skew::ClockSkew;
use super::damaged_file::DamagedFile;
use super::delay::Late;
use super::disk_full::DiskFull;
use super::disturb::Disturb;
use super::duplicate::Twice;
use super::failing_fsync::FailingFsync;
use super::grow::{Grow, Shrink};
use super::hop::Hop;
use super::kill::Kill;
use super::loss::Lost;
use super::lost_writes::LostWrites;
use super::partition::{Cut, Partition};
use super::pause::Pause;
use super::purge::Purge;
use super::reorder::Overtaken;
use super::replace::Replace;
use super::rolling::Rolling;
use super::rotate::Rotate;
use super::slow_fsync::SlowFsync;
use super::slow_watch::SlowWatch;
use super::term::Term;
use super::throttle::Narrow;
use super::transfer::Transfer;
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
const DISK: &[Need] = &[Need::Disk];
const ROOM: &[Need] = &[Need::Disk, Need::Room];
const CLOCK: &[Need] = &[Need::Clock];
const VACANCY: &[Need] = &[Need::Processes, Need::Vacancy];
const SHORT_LOG: &[Need] = &[Need::Processes, Need::ShortLog];

/// One that `all` means.
const fn own(
    name: &'static str,
    needs: &'static [Need],
    about: &'static str,
    make: fn() -> Box<dyn Nemesis>,
) -> Entry {
    Entry { name, about, needs, make, in_all: true }
}

/// One that only narrows another, or that only some workloads notice.
const fn narrow(
    name: &'static str,
    needs: &'static [Need],
    about: &'static str,
    make: fn() -> Box<dyn Nemesis>,
) -> Entry {
    Entry { name, about, needs, make, in_all: false }
}

/// All of them.
pub const CATALOGUE: &[Entry] = &[
    own(
        "kill",
        PROCESSES,
        "SIGKILL to one member, the leader, a majority or all; they are started again",
        || Box::new(Kill::new([Who::One, Who::Leader, Who::Majority, Who::All])),
    ),
    narrow("kill-one", PROCESSES, "SIGKILL to any one member", || Box::new(Kill::new([Who::One]))),
    narrow("kill-leader", PROCESSES, "SIGKILL to the leader", || {
        Box::new(Kill::new([Who::Leader]))
    }),
    narrow("kill-majority", PROCESSES, "SIGKILL to a majority", || {
        Box::new(Kill::new([Who::Majority]))
    }),
    narrow("kill-all", PROCESSES, "SIGKILL to all members at once", || {
        Box::new(Kill::new([Who::All]))
    }),
    own(
        "term",
        PROCESSES,
        "SIGTERM to one member, the leader or a minority; they are started again",
        || Box::new(Term::new([Who::One, Who::Leader, Who::Minority])),
    ),
    own(
        "pause",
        PROCESSES,
        "SIGSTOP to one member, the leader, a minority or a majority, shorter and longer \
                than elections take to begin",
        || Box::new(Pause::new([Who::One, Who::Leader, Who::Minority, Who::Majority])),
    ),
    own("rolling", PROCESSES, "all members are restarted by SIGTERM, one after the other", || {
        Box::new(Rolling::default())
    }),
    own("transfer", PROCESSES, "leadership is handed from member to member by command", || {
        Box::new(Transfer)
    }),
    own("rotate", PROCESSES, "certificates of one member, the leader or all are renewed", || {
        Box::new(Rotate)
    }),
    own("grow", VACANCY, "machines join and vote, and as many members are let go later", || {
        Box::new(Grow::default())
    }),
    own("shrink", VACANCY, "a member, or the leader, is let go, and a machine joins later", || {
        Box::new(Shrink::default())
    }),
    own("replace", VACANCY, "a killed member's place is taken by another machine", || {
        Box::new(Replace::by_another())
    }),
    own("wipe", PROCESSES, "a killed member comes back with nothing, as somebody new", || {
        Box::new(Replace::wiped())
    }),
    own(
        "purge",
        SHORT_LOG,
        "a member is away until the others have purged what it lacks, and fetches the state",
        || Box::new(Purge::default()),
    ),
    own("hop", PROCESSES, "clients go to another member with every operation", || {
        Box::new(Hop::default())
    }),
    narrow(
        "slow-watch",
        PROCESSES,
        "watchers do not read what they are sent (only with a workload that watches)",
        || Box::new(SlowWatch::default()),
    ),
    own("partition", NETWORK, "lines between members cut in any of the ways below", || {
        Box::new(Partition::new(Cut::ALL))
    }),
    narrow("partition-leader", NETWORK, "the leader alone", || {
        Box::new(Partition::new([Cut::Leader]))
    }),
    narrow("partition-halves", NETWORK, "two halves", || Box::new(Partition::new([Cut::Halves]))),
    narrow(
        "partition-ring",
        NETWORK,
        "each member sees a majority, and no two the same one",
        || Box::new(Partition::new([Cut::MajorityRing])),
    ),
    narrow("partition-bridge", NETWORK, "two halves that have one member in common", || {
        Box::new(Partition::new([Cut::Bridge]))
    }),
    narrow(
        "partition-one-way",
        NETWORK,
        "one member, or the leader, is not heard, or hears nobody",
        || Box::new(Partition::new(Cut::ONE_WAY)),
    ),
    narrow(
        "partition-clients",
        NETWORK,
        "one member, the leader or a minority, not reached by clients either",
        || Box::new(Partition::new(Cut::ALONE).and_clients()),
    ),
    own("delay", NETWORK, "packets between members come late", || Box::new(Disturb::<Late>::new())),
    own("loss", NETWORK, "packets between members are lost", || Box::new(Disturb::<Lost>::new())),
    own("duplicate", NETWORK, "packets between members come twice", || {
        Box::new(Disturb::<Twice>::new())
    }),
    own("reorder", NETWORK, "packets between members overtake each other", || {
        Box::new(Disturb::<Overtaken>::new())
    }),
    own("throttle", NETWORK, "few bytes a second pass between members", || {
        Box::new(Disturb::<Narrow>::new())
    }),
    own(
        "disk-full",
        ROOM,
        "no room on the disk of one member, the leader, a minority or all",
        || Box::new(DiskFull::default()),
    ),
    own("slow-fsync", DISK, "syncs of one member, the leader, a minority or all wait", || {
        Box::new(SlowFsync::default())
    }),
    own(
        "failing-fsync",
        DISK,
        "a sync fails: the member stops, and what it covered is lost",
        || Box::new(FailingFsync::default()),
    ),
    own(
        "lost-writes",
        DISK,
        "the power fails, and what was not synced is lost, or some of it",
        || Box::new(LostWrites::new()),
    ),
    own("torn-log", DISK, "the power fails during writes, and the log ends in a torn one", || {
        Box::new(LostWrites::torn())
    }),
    own(
        "flipped-log",
        PROCESSES,
        "a bit flips in the synced log of a minority that is down",
        || Box::new(DamagedFile::in_log()),
    ),
    own("cut-log", PROCESSES, "the synced log of a minority that is down is cut short", || {
        Box::new(DamagedFile::cut_log())
    }),
    own("flipped-state", PROCESSES, "bits flip in the state of a minority that is down", || {
        Box::new(DamagedFile::in_state())
    }),
    own("clock-jump", CLOCK, "wall clocks jump by seconds to days, and back", || {
        Box::new(ClockJump::default())
    }),
    own("clock-skew", CLOCK, "wall clocks go fast or slow, then jump back", || {
        Box::new(ClockSkew::default())
    }),
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
