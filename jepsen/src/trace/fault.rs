//! What the nemesis and the probe say.

use super::Name;

/// One fault: from when the nemesis began to make it until it had undone it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Its name: the `:f` of its lines.
    pub f: Name,
    /// The members that it was done to.
    pub targets: Vec<Name>,
    /// When the nemesis set about it.
    pub begun_ns: u64,
    /// When it was undone; none if the history ends before.
    pub ended_ns: Option<u64>,
    /// What showed that it happened, as EDN.
    pub evidence: Option<Name>,
    /// Why a step failed.
    pub error: Option<Name>,
    /// The indexes of its lines.
    pub lines: Vec<u64>,
}

/// What the members that answered said, at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Its line.
    pub index: u64,
    /// When.
    pub time_ns: u64,
    /// One for each that answered.
    pub members: Vec<Member>,
}

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Which.
    pub node: Name,
    /// The log index that it has applied.
    pub applied: Option<u64>,
    /// The revision of its state.
    pub rev: Option<u64>,
    /// The state root at `applied`.
    pub root: Option<Name>,
    /// The state roots at earlier indexes.
    pub roots: Box<[(u64, Name)]>,
    /// The index at which it found its own root to differ from the majority's.
    pub diverged: Option<u64>,
    /// The revision below which a watch is answered with 410.
    pub floor: Option<u64>,
}
