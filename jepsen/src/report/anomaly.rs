//! Each anomaly with the operations that show it.

use super::html::seconds;
use super::timeline;
use crate::checker::{Anomaly, Verdict};
use crate::trace::{Call, Fault, Probe, Trace};
use maud::{Markup, html};
use std::collections::{HashMap, HashSet};

/// Operations of one anomaly beyond this are not told.
const TOLD_MAX: usize = 40;

/// What the lines are that anomalies name.
pub(super) struct Lines<'a> {
    trace: &'a Trace,
    of: HashMap<u64, Line<'a>>,
}

#[derive(Clone, Copy)]
enum Line<'a> {
    Call(&'a Call),
    Fault(&'a Fault),
    Probe(&'a Probe),
}

impl<'a> Lines<'a> {
    pub(super) fn of(trace: &'a Trace, verdict: &Verdict) -> Lines<'a> {
        let named: HashSet<u64> =
            verdict.anomalies().flat_map(|(_, anomaly)| anomaly.ops.iter().copied()).collect();
        let mut lines = Lines { trace, of: HashMap::new() };
        let mut note = |index: u64, line: Line<'a>| {
            if named.contains(&index) {
                lines.of.insert(index, line);
            }
        };
        for call in &trace.calls {
            call.lines().for_each(|index| note(index, Line::Call(call)));
        }
        for fault in &trace.faults {
            fault.lines.iter().for_each(|index| note(*index, Line::Fault(fault)));
        }
        trace.probes.iter().for_each(|probe| note(probe.index, Line::Probe(probe)));
        lines
    }

    fn shown(&self, anomaly: &Anomaly) -> Vec<Line<'a>> {
        let mut seen = HashSet::new();
        let lines = anomaly.ops.iter().filter_map(|index| self.of.get(index).copied());
        lines.filter(|line| seen.insert(line.begun())).collect()
    }

    /// When each anomaly began.
    pub(super) fn moments(&self, verdict: &Verdict) -> Vec<u64> {
        let last = |anomaly: &Anomaly| self.shown(anomaly).last().map(|line| line.begun().1);
        verdict.anomalies().filter_map(|(_, anomaly)| last(anomaly)).collect()
    }
}

impl Line<'_> {
    /// Its first line's index and time.
    fn begun(&self) -> (u64, u64) {
        match self {
            Line::Call(call) => (call.invoked.index, call.invoked.ns),
            Line::Fault(fault) => (fault.lines.first().copied().unwrap_or(0), fault.begun_ns),
            Line::Probe(probe) => (probe.index, probe.time_ns),
        }
    }

    fn ended_ns(&self) -> Option<u64> {
        match self {
            Line::Call(call) => call.ended.map(|ended| ended.ns),
            Line::Fault(fault) => fault.ended_ns,
            Line::Probe(probe) => Some(probe.time_ns),
        }
    }

    fn words(&self, trace: &Trace) -> String {
        match self {
            Line::Call(call) => trace.describe(call),
            Line::Fault(fault) => trace.describe_fault(fault),
            Line::Probe(probe) => {
                let member = |member: &crate::trace::Member| {
                    format!(
                        "{} at index {}, revision {}, root {}",
                        trace.text(member.node),
                        member.applied.unwrap_or(0),
                        member.rev.unwrap_or(0),
                        member.root.map_or("unknown", |root| trace.text(root))
                    )
                };
                let members: Vec<String> = probe.members.iter().map(member).collect();
                format!("the probe: {}", members.join("; "))
            }
        }
    }
}

/// Every anomaly.
pub(super) fn all(lines: &Lines, verdict: &Verdict) -> Markup {
    html! {
        @if verdict.anomalies().next().is_some() {
            h2 { "Anomalies" }
            @for (result, anomaly) in verdict.anomalies() {
                article {
                    h3 { (result.checker) ": " (anomaly.kind) }
                    p { (anomaly.words) }
                    (history(lines, anomaly))
                }
            }
        }
    }
}

fn history(lines: &Lines, anomaly: &Anomaly) -> Markup {
    let shown = lines.shown(anomaly);
    let calls: Vec<&Call> = shown
        .iter()
        .filter_map(|line| match line {
            Line::Call(call) => Some(*call),
            _ => None,
        })
        .collect();
    html! {
        table {
            tr { th { "line" } th { "from" } th { "to" } th { "what happened" } }
            @for line in shown.iter().take(TOLD_MAX) {
                tr {
                    td .number { (line.begun().0) }
                    td .number { (seconds(line.begun().1)) }
                    td .number { (line.ended_ns().map_or("never".to_owned(), seconds)) }
                    td { (line.words(lines.trace)) }
                }
            }
        }
        @if shown.len() > TOLD_MAX { p .soft { (shown.len() - TOLD_MAX) " more" } }
        @if !calls.is_empty() {
            details { summary .soft { "these operations among all others" }
                figure { (timeline::window(lines.trace, &calls)) }
            }
        }
    }
}
