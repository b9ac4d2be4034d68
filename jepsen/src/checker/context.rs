//! What every checker is given.

use super::Parameters;
use super::covered::Covered;
use super::ledger::Ledger;
use crate::trace::{Call, Input, Name, Trace};
use std::collections::BTreeMap;

/// A trace, taken apart by workload.
pub(super) struct Context<'a> {
    pub trace: &'a Trace,
    pub parameters: &'a Parameters,
    pub works: Vec<Work<'a>>,
}

/// One workload's part of a history.
pub(super) struct Work<'a> {
    pub name: &'a str,
    pub trace: &'a Trace,
    /// In the order of invocation.
    pub calls: Vec<&'a Call>,
    /// What its calls did to objects.
    pub ledger: Ledger,
    /// Where nothing can be hidden.
    pub covered: Covered,
}

impl<'a> Context<'a> {
    pub(super) fn new(trace: &'a Trace, parameters: &'a Parameters) -> Context<'a> {
        let first = parameters.workloads.first().map_or("", String::as_str);
        let mut works: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
        for call in trace.calls.iter().filter(|call| call.process.is_some()) {
            let name = call.workload.map_or(first, |name| trace.text(name));
            works.entry(name).or_default().push(call);
        }
        let works = works.into_iter().map(|(name, calls)| {
            let (ledger, covered) = (Ledger::of(&calls), Covered::of(&calls));
            Work { name, trace, calls, ledger, covered }
        });
        Context { trace, parameters, works: works.collect() }
    }

    /// Workloads of this name: one, or none.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Work<'a>> {
        self.works.iter().filter(move |work| work.name == name)
    }

    /// Workloads that write objects with values, whatever their name.
    pub(super) fn with_objects(&self) -> impl Iterator<Item = &Work<'a>> {
        self.works.iter().filter(|work| work.has_objects())
    }
}

impl Work<'_> {
    /// The text of a name.
    pub(super) fn text(&self, name: Name) -> &str {
        self.trace.text(name)
    }

    /// Whether no change of an object that nobody told of can lie in `(after, upto]`, as far as it
    /// could be told by a line.
    pub(super) fn certain(&self, key: u64, after: u64, upto: u64, line: u64) -> bool {
        !self.ledger.hidden_before(key, line, &self.calls) || self.covered.covers(after, upto)
    }

    fn has_objects(&self) -> bool {
        let writes = |call: &&Call| {
            matches!(call.input, Input::Create { .. } | Input::Write { .. } | Input::Cas { .. })
        };
        self.calls.iter().any(writes)
    }
}
