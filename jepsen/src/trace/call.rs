//! Operations of clients, typed.

use super::Name;

/// The index of a return that never came.
pub const NEVER: u64 = u64::MAX;

/// A place in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The line's index: lines are totally ordered by it.
    pub index: u64,
    /// Nanoseconds since the run began.
    pub ns: u64,
}

/// How an operation ended, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It did not happen, and never will.
    Fail,
    /// Nobody knows.
    Info,
}

/// One operation: invocation and outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The client; none is the probe.
    pub process: Option<u64>,
    /// The name of the operation.
    pub f: Name,
    /// The workload, when lines say it.
    pub workload: Option<Name>,
    /// The member that was asked.
    pub node: Option<Name>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed or is unknown.
    pub error: Option<Name>,
    /// The floor that a 410 told.
    pub floor: Option<u64>,
    /// When it was invoked.
    pub invoked: Moment,
    /// When its outcome line came; none if the history ends before.
    pub ended: Option<Moment>,
    /// What was asked.
    pub input: Input,
    /// What was answered, when [`Outcome::Ok`].
    pub output: Output,
}

/// What an operation asks.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Input {
    Read {
        key: u64,
        at_least: Option<u64>,
    },
    Create {
        key: u64,
        val: i64,
    },
    Write {
        key: u64,
        val: i64,
    },
    Cas {
        key: u64,
        rev: u64,
        val: i64,
    },
    Delete {
        key: u64,
        rev: Option<u64>,
    },
    Add {
        val: i64,
    },
    List {
        selector: Selector,
        at_least: Option<u64>,
    },
    Watch {
        from: Option<u64>,
        mode: Mode,
        selector: Selector,
    },
    Lease {
        verb: LeaseVerb,
        holder: Name,
    },
    Fenced {
        fence: u64,
        val: i64,
    },
    Pod {
        key: u64,
        cpu: u64,
    },
    DeletePod {
        key: u64,
    },
    Node {
        node: Name,
        cpu: u64,
    },
    Settle,
    /// A transaction over lists.
    Txn {
        ops: Box<[ListOp]>,
    },
    /// A change of several objects, which an element tells: it is put into each of them, or taken back.
    Deed {
        deed: Deed,
        /// Which objects it is about, all in all.
        family: u64,
        /// The element.
        element: u64,
        /// Who gets it.
        objects: Box<[u64]>,
    },
    /// A list of the objects of a family.
    Look {
        family: u64,
        /// Whether any state of the member will do.
        local: bool,
    },
    /// The objects, or one, as they are.
    Present {
        key: Option<u64>,
    },
    /// The same as they were.
    Past {
        rev: u64,
        key: Option<u64>,
    },
    Writable,
    /// An operation that no checker knows.
    Other,
}

/// What an operation was answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Nothing: it failed, or nobody knows.
    None,
    /// An object; none if there is none.
    State(Option<State>),
    /// The version of what was written or deleted.
    Version {
        /// Its resource version, when told.
        rev: Option<u64>,
        /// The object's uid, when told.
        uid: Option<Name>,
    },
    /// A list of the set.
    Elements {
        /// The list's resource version.
        rev: u64,
        /// Its elements, in order.
        elements: Box<[Element]>,
    },
    /// A list of objects.
    Items {
        /// The list's resource version.
        rev: u64,
        /// Its objects.
        items: Box<[(u64, State)]>,
    },
    /// A piece of a watch.
    Events {
        /// In order.
        events: Box<[Event]>,
        /// Why it ended.
        end: End,
    },
    /// Where the pods are.
    Pods {
        /// The list's resource version.
        rev: u64,
        /// Its pods.
        pods: Box<[Placed]>,
    },
    /// A transaction over lists.
    Txn {
        /// What it was asked, with what was read.
        ops: Box<[ListOp]>,
    },
    /// A range of revisions that one commit took; none when there was nothing to change.
    Range {
        /// From and to, both within.
        revs: Option<(u64, u64)>,
    },
    /// A list of a family.
    Family {
        /// The list's resource version.
        rev: u64,
        /// Its objects.
        objects: Box<[(u64, Marked)]>,
    },
    /// Objects byte by byte.
    Bytes {
        /// The resource version of the list, or of the object.
        rev: u64,
        /// A digest of each object, in order.
        digests: Box<[Name]>,
    },
    /// A lease held, or a write under one.
    Lease {
        /// The fence.
        fence: u64,
        /// The resource version of what was written.
        rev: Option<u64>,
    },
}

/// A part of a transaction over lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListOp {
    /// What the list has.
    Read {
        /// Which list.
        key: u64,
        /// Its elements in order; none when nobody knows.
        list: Option<Box<[i64]>>,
    },
    /// An element is put at the end.
    Append {
        /// Which list.
        key: u64,
        /// The element.
        val: i64,
    },
}

/// What is done with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// One object gets it, by a patch of main.
    Note,
    /// Objects of a branch get it, which main must not show.
    Branch,
    /// What the branch changed comes to main.
    Merge,
    /// Objects get it by an atomic set of changes.
    Apply,
    /// The commit that brought it is taken back.
    Revert,
}

/// An object that tells elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Resource version.
    pub rev: u64,
    /// Its elements, as a text: `[3 17]`.
    pub has: Name,
    /// Its value.
    pub val: i64,
}

/// A pod and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its number.
    pub key: u64,
    /// Its CPU in millicores.
    pub cpu: u64,
    /// The node that it is bound to.
    pub node: Option<Name>,
}

/// An element of the set.
pub type Element = i64;

/// An object at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Resource version.
    pub rev: u64,
    /// Uid, when told.
    pub uid: Option<Name>,
    /// Content.
    pub val: i64,
}

/// One event of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it tells.
    pub change: Change,
    /// The object; 0 for a bookmark.
    pub key: u64,
    /// The resource version.
    pub rev: u64,
    /// The object's uid.
    pub uid: Option<Name>,
    /// The content, or a pod's CPU in millicores.
    pub val: Option<i64>,
    /// The node that a pod is bound to.
    pub node: Option<Name>,
    /// The object's elements, as [`Marked`] has them.
    pub has: Option<Name>,
}

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Change {
    Added,
    Modified,
    Deleted,
    Bookmark,
    /// The bookmark at the end of a WatchList's first part.
    InitialEnd,
}

/// How a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From a version.
    Watch,
    /// With the state first (`sendInitialEvents`).
    WatchList,
    /// From the last version that the same process saw.
    Resume,
}

/// Why a piece of a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The time that the client asked for was over.
    Timeout,
    /// The client cut it.
    Cut,
    /// The server closed it.
    Closed,
    /// 410 within the stream.
    Gone,
}

/// Which objects are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// Every one.
    All,
    /// Those whose content is even.
    Even,
    /// Those whose content is odd.
    Odd,
}

/// What is done with a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LeaseVerb {
    Acquire,
    Renew,
    Release,
}

impl Selector {
    /// Whether a content is wanted.
    pub fn matches(self, val: i64) -> bool {
        match self {
            Selector::All => true,
            Selector::Even => val.rem_euclid(2) == 0,
            Selector::Odd => val.rem_euclid(2) == 1,
        }
    }
}

impl Input {
    /// Whether it may change something.
    pub fn is_write(&self) -> bool {
        if let Input::Txn { ops } = self {
            return ops.iter().any(|op| matches!(op, ListOp::Append { .. }));
        }
        !matches!(
            self,
            Input::Read { .. }
                | Input::List { .. }
                | Input::Watch { .. }
                | Input::Settle
                | Input::Look { .. }
                | Input::Present { .. }
                | Input::Past { .. }
                // A branch's writes are none of the live objects'.
                | Input::Deed { deed: Deed::Branch, .. }
                | Input::Other
        )
    }
}

impl Change {
    /// Whether it is a bookmark of either sort.
    pub fn is_bookmark(self) -> bool {
        matches!(self, Change::Bookmark | Change::InitialEnd)
    }
}

impl Call {
    /// The line by whose time its effect must have been, [`NEVER`] if nobody knows.
    pub fn returned(&self) -> u64 {
        match (self.outcome, self.ended) {
            (Outcome::Ok | Outcome::Fail, Some(ended)) => ended.index,
            _ => NEVER,
        }
    }

    /// Whether it happened.
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }

    /// Whether it may have an effect that nobody was told of.
    pub fn is_unknown(&self) -> bool {
        self.outcome == Outcome::Info
    }

    /// The indexes of its lines.
    pub fn lines(&self) -> impl Iterator<Item = u64> + use<> {
        std::iter::once(self.invoked.index).chain(self.ended.map(|ended| ended.index))
    }

    /// The object that it reads or writes, if it is one.
    pub fn key(&self) -> Option<u64> {
        match self.input {
            Input::Read { key, .. }
            | Input::Create { key, .. }
            | Input::Write { key, .. }
            | Input::Cas { key, .. }
            | Input::Delete { key, .. }
            | Input::Pod { key, .. }
            | Input::DeletePod { key } => Some(key),
            _ => None,
        }
    }

    /// The state that it was answered, if there is one.
    pub fn state(&self) -> Option<State> {
        match self.output {
            Output::State(state) => state,
            _ => None,
        }
    }
}
