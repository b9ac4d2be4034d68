//! Who owns which fields of an object: `metadata.managedFields` and server-side apply.
//!
//! Every write records what it changed in the entry of its field manager; an apply also merges
//! its configuration, refuses to change what others own, and removes what it no longer says.
//! The rules are those of `sigs.k8s.io/structured-merge-diff` and of the chain of managers in
//! `k8s.io/apimachinery`.
//!
//! From below: a [`set`] of [paths](element) has a JSON [form](fields_v1); [`typed`] says how
//! values of a type merge; [`contents`], [`compare`], [`merge`] and [`remove`] walk values by
//! type; an [`entry`] gives fields to a manager, and [`entries`] are an object's; the
//! [`updater`] moves fields between entries; the [`tracker`] does so for one request.

pub mod check;
pub mod compare;
pub mod conflict;
pub mod contents;
pub mod conversions;
pub mod element;
pub mod entries;
pub mod entry;
pub mod fields_v1;
pub mod item;
pub mod last_applied;
pub mod leaf;
pub mod merge;
pub mod prune;
pub mod remove;
pub mod reset;
pub mod scale;
pub mod set;
pub mod topology;
pub mod tracker;
pub mod typed;
pub mod updater;
pub mod versions;

#[cfg(test)]
mod tests;

pub use conversions::{Conversions, Wanted};
pub use topology::KindTopology;
pub use tracker::{Applied, ApplyError, Tracker};
pub use updater::{NotApplied, Updater};
pub use versions::Versions;
