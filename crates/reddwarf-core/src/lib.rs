//! The vocabulary that every crate of Reddwarf shares: keys, revisions, proposals, selectors,
//! `Status`, and the seams between the Kubernetes API and the replicated state: [`Store`] and
//! [`History`].
//!
//! Nothing here performs I/O, reads a clock or draws a random number; whoever needs a time or
//! an id takes it as an argument, so that the state machine built on these types stays
//! deterministic.
#![warn(missing_docs)]
// See clippy.toml.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

pub mod ancestry;
pub mod api;
pub mod branch;
pub mod codec;
pub mod commit;
pub mod commit_ref;
pub mod event;
pub mod feature;
pub mod field_path;
pub mod floors;
pub mod gvk;
pub mod history;
pub mod key;
pub mod kind_map;
pub mod kinds;
pub mod limits;
mod lost;
pub mod object;
pub mod planted;
pub mod proposal;
pub mod quantity;
pub mod revision;
pub mod selector;
pub mod status;
pub mod store;
pub mod topology;
pub mod view;

pub use ancestry::{Ancestry, Place};
pub use branch::{
    BaseObject, Branch, BranchChange, BranchId, BranchRef, CommitPoint, LinePoint, Links,
};
pub use commit::{Author, Commit, CommitChange, CommitHeader, CommitId};
pub use commit_ref::{CommitPrefix, CommitRef, NoCommitRef};
pub use event::ChangeEvent;
pub use feature::{Build, FeatureLevel, FeatureLevels, MemberBuild};
pub use field_path::{FieldPath, PathSegment};
pub use floors::Floors;
pub use gvk::{GroupResource, GroupVersionKind, GroupVersionResource};
pub use history::{ChangedObject, CommitPage, History, HistoryError, ObjectLogEntry};
pub use key::{Collection, ObjectKey};
pub use kind_map::KindMap;
pub use kinds::{Kinds, ServedKind};
pub use lost::Lost;
pub use object::{ObjectIndex, StoredObject, content_hash};
pub use proposal::{
    BranchProblem, Change, Committed, Excised, Expectation, Fence, Outcome, Precondition, Proposal,
    ProposalKind, Rejection, RequestId, Write,
};
pub use quantity::Quantity;
pub use revision::Revision;
pub use selector::{FieldSelector, LabelSelector};
pub use status::{Reason, Status, StatusCause};
pub use store::{
    CommitStream, ProposeError, ReadError, Store, WatchBatch, WatchClosed, WatchStream,
};
pub use topology::{Relation, Schemaless, Topology};
pub use view::View;
