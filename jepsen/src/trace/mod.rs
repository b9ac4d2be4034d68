//! A history made small: what happened, typed, without its text.
//!
//! A line of EDN costs kilobytes as a tree and a run of an hour has millions, so that checkers and
//! the report work on a [`Trace`], which is built line by line from a file or from a [`History`].
//! Invocation and outcome are one [`Call`] here. Texts (uids, members, errors) are numbers in
//! [`Names`].

mod build;
mod call;
mod decode;
mod fault;
mod names;
mod words;

pub use build::Builder;
pub use call::{
    Call, Change, Deed, Element, End, Event, Input, LeaseVerb, ListOp, Marked, Mode, Moment, NEVER,
    Outcome, Output, Placed, Selector, State,
};
pub use fault::{Fault, Member, Probe};
pub use names::{Name, Names};

use crate::history::{History, HistoryError, Lines};
use std::io::BufRead;

/// A history in the form that checkers read.
#[derive(Debug, Default)]
pub struct Trace {
    /// What clients did, and `:writable` of the probe, in the order in which it was invoked.
    pub calls: Vec<Call>,
    /// What the nemesis did, in the order in which it began.
    pub faults: Vec<Fault>,
    /// What members said of themselves, in order.
    pub probes: Vec<Probe>,
    /// The texts.
    pub names: Names,
    /// How many lines there were.
    pub lines: u64,
    /// The latest time of a line, in nanoseconds since the run began.
    pub end_ns: u64,
    /// Lines that the vocabulary does not have: their index and what is wrong.
    pub malformed: Vec<(u64, String)>,
}

impl Trace {
    /// Of a history in memory.
    pub fn of(history: &History) -> Trace {
        let mut builder = Builder::default();
        history.ops.iter().for_each(|op| builder.push(op));
        builder.finish()
    }

    /// Of lines; none is kept, so that an hour's file needs little memory.
    ///
    /// # Errors
    /// [`HistoryError`]
    pub fn read(from: impl BufRead) -> Result<Trace, HistoryError> {
        let mut builder = Builder::default();
        for op in Lines::new(from) {
            builder.push(&op?);
        }
        Ok(builder.finish())
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.names.text(name)
    }
}
