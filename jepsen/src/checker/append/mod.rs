//! Transactions over lists are strictly serializable, as [Elle] looks for it.
//!
//! A list shows in which order its elements were appended, so that reads tell the order of the
//! versions of each list, and every element which transaction wrote it. What contradicts itself
//! already there is told by [`lists`]; [`graph`] then draws which transaction must have been before
//! which, by what they wrote, read, did not read yet, and by real time: a cycle has no order.
//!
//! A transaction whose outcome nobody knows happened if any of its elements was read; otherwise it
//! may have happened or not, and is left out.
//!
//! There is `adya` on crates.io, a young reimplementation of Elle with a runner of its own; this is
//! the part of it that one sort of history needs. The histories are in Elle's form, so that either
//! can check them as well.
//!
//! [Elle]: https://github.com/jepsen-io/elle

mod graph;
mod lists;

use super::context::{Context, Work};
use super::findings::Findings;
use crate::trace::{Call, Input, ListOp, Outcome, Output};
use lists::Lists;

pub(super) fn check(context: &Context, findings: &mut Findings) {
    for work in context.named("append") {
        let mut txns = txns(work);
        findings.figure("transactions", txns.len() as u64);
        let lists = Lists::of(&mut txns);
        findings.figure("lists", lists.by_key.len() as u64);
        lists::check(context.trace, &lists, &txns, findings);
        graph::check(context.trace, &lists, &txns, findings);
    }
}

/// A transaction.
struct Txn<'a> {
    call: &'a Call,
    /// What it did, with what it read when that was answered.
    ops: &'a [ListOp],
    /// Whether it surely happened.
    happened: bool,
}

fn txns<'a>(work: &Work<'a>) -> Vec<Txn<'a>> {
    let txn = |call: &&'a Call| {
        let Input::Txn { ops: asked } = &call.input else { return None };
        let ops = match &call.output {
            Output::Txn { ops } => ops,
            _ => asked,
        };
        Some(Txn { call, ops, happened: call.is_ok() })
    };
    work.calls.iter().filter_map(txn).collect()
}

impl<'a> Txn<'a> {
    /// Lists that it was shown.
    fn reads(&self) -> impl Iterator<Item = (u64, &'a [i64])> + use<'a> {
        self.ops.iter().filter_map(|op| match op {
            ListOp::Read { key, list: Some(list) } => Some((*key, &**list)),
            _ => None,
        })
    }

    /// Lists and what it appended to them.
    fn appends(&self) -> impl Iterator<Item = (u64, i64)> + use<'a> {
        self.ops.iter().filter_map(|op| match op {
            ListOp::Append { key, val } => Some((*key, *val)),
            ListOp::Read { .. } => None,
        })
    }

    fn failed(&self) -> bool {
        self.call.outcome == Outcome::Fail
    }
}
