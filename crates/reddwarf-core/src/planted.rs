//! Bugs that can be planted, to see that tests under faults find them.
//!
//! Only a build with the feature `planted-bugs` has them: the program `reddwarf-planted`, and a
//! simulation that is to show what it finds. Elsewhere [`is`] is constantly false and what it
//! guards is compiled away.

/// A known mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A follower answers linearizable reads without asking the leader.
    StaleRead,
    /// Some changes are left out of watches.
    DroppedEvent,
    /// Some changes are told twice.
    DoubledEvent,
    /// Changes that are told together come in the wrong order.
    ReorderedEvent,
    /// A write is acknowledged before it is synced to disk.
    EarlyAcknowledgement,
    /// A write does not look at the version that its client named once it is in the log.
    UncheckedCompareAndSwap,
    /// The log is purged up to what is applied, although less of it is durable.
    EarlyPurge,
    /// A snapshot that is sent is labelled with what memory has applied, although the file whose
    /// bytes it has is behind.
    SnapshotFromMemory,
    /// A leader that a quorum has confirmed answers reads without asking again, as long as no other
    /// could be elected by its own clock.
    LeaseRead,
    /// A member that comes back with an empty data folder goes on under its id, and votes.
    WipedVoter,
    /// A request's id is forgotten after a few others, and a late copy of it is applied again.
    EvictedRequest,
    /// Damage to what the log has synced is cut like the end of a write that power loss tore.
    CutDamage,
}

impl Bug {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Bug); 12] = [
        ("stale-read", Bug::StaleRead),
        ("dropped-event", Bug::DroppedEvent),
        ("doubled-event", Bug::DoubledEvent),
        ("reordered-event", Bug::ReorderedEvent),
        ("early-acknowledgement", Bug::EarlyAcknowledgement),
        ("unchecked-compare-and-swap", Bug::UncheckedCompareAndSwap),
        ("early-purge", Bug::EarlyPurge),
        ("snapshot-from-memory", Bug::SnapshotFromMemory),
        ("lease-read", Bug::LeaseRead),
        ("wiped-voter", Bug::WipedVoter),
        ("evicted-request", Bug::EvictedRequest),
        ("cut-damage", Bug::CutDamage),
    ];

    /// The bug of that name.
    pub fn named(name: &str) -> Option<Bug> {
        Bug::ALL.iter().find(|(known, _)| *known == name).map(|(_, bug)| *bug)
    }
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use super::Bug;
    use std::sync::OnceLock;

    static PLANTED: OnceLock<Bug> = OnceLock::new();

    /// Plants a bug for as long as the process lives. The first one stays.
    pub fn plant(bug: Bug) {
        // A second call changes nothing, as documented.
        let _ = PLANTED.set(bug);
    }

    /// Whether this bug is planted.
    pub fn is(bug: Bug) -> bool {
        PLANTED.get() == Some(&bug)
    }
}

#[cfg(feature = "planted-bugs")]
pub use switch::{is, plant};

/// Whether this bug is planted: never.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub const fn is(_bug: Bug) -> bool {
    false
}
