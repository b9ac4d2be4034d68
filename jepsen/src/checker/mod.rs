//! What must not have happened, looked for in a history.
//!
//! A checker reads a [`Trace`] and tells anomalies; each names its kind, says in words what is
//! wrong, and holds the lines that show it and no more. A checker that finds nothing to look at
//! says nothing, and `coverage` is what turns a run that tried too little from valid
//! into unknown.

mod append;
mod context;
mod coverage;
mod covered;
mod durability;
mod findings;
mod gone;
mod lease;
mod ledger;
mod linear;
mod list_watch;
mod liveness;
mod parameters;
mod past;
mod revisions;
mod roots;
mod schedule;
mod session;
mod set;
mod snapshot;
mod unique;
mod verdict;
mod watch;
mod whole;

pub use parameters::{ExpectedFault, Parameters};
pub use verdict::{Anomaly, Checked, Valid, Verdict};

use crate::history::History;
use crate::trace::Trace;
use context::Context;
use findings::Findings;

type Check = fn(&Context, &mut Findings);

/// The checkers, by name, in the order of a verdict.
const CHECKERS: &[(&str, Check)] = &[
    ("linear", linear::check),
    ("set", set::check),
    ("watch", watch::check),
    ("list-watch", list_watch::check),
    ("gone", gone::check),
    ("session", session::check),
    ("unique", unique::check),
    ("revisions", revisions::check),
    ("durability", durability::check),
    ("lease", lease::check),
    ("schedule", schedule::check),
    ("append", append::check),
    ("whole", whole::check),
    ("past", past::check),
    ("roots", roots::check),
    ("liveness", liveness::check),
    ("coverage", coverage::check),
];

/// Checks a history in memory.
pub fn check_all(history: &History, parameters: &Parameters) -> Verdict {
    check(&Trace::of(history), parameters)
}

/// Checks a trace; for long runs, read one with [`Trace::read`].
pub fn check(trace: &Trace, parameters: &Parameters) -> Verdict {
    let context = Context::new(trace, parameters);
    let results = CHECKERS.iter().filter_map(|(name, check)| {
        let mut findings = Findings::default();
        check(&context, &mut findings);
        findings.finish(name)
    });
    let mut verdict = Verdict { results: results.collect() };
    verdict.results.extend(malformed(trace));
    verdict
}

/// Lines that nobody understands may be the ones that show an anomaly.
fn malformed(trace: &Trace) -> Option<Checked> {
    let mut findings = Findings::default();
    let (index, what) = trace.malformed.first()?;
    findings.figure("lines", trace.malformed.len() as u64);
    findings.unknown(format!("line of index {index}: {what}"));
    findings.finish("vocabulary")
}
