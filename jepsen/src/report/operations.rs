//! What was done, how often, and how long it took.

use super::outcome::Ending;
use super::series::Latencies;
use crate::trace::{Call, Trace};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// The name of an operation, with its workload when lines say it.
pub(super) fn name(trace: &Trace, call: &Call) -> String {
    match call.workload {
        Some(workload) => format!("{} {}", trace.text(workload), trace.text(call.f)),
        None => trace.text(call.f).to_owned(),
    }
}

/// A row for each operation.
pub(super) fn table(trace: &Trace, latencies: &BTreeMap<String, Latencies>) -> Markup {
    let mut counts: BTreeMap<String, [u64; 4]> = BTreeMap::new();
    for call in &trace.calls {
        counts.entry(name(trace, call)).or_default()[Ending::of(trace, call) as usize] += 1;
    }
    html! {
        table {
            tr {
                th { "operation" }
                @for ending in Ending::ALL { th .number { (ending.name()) } }
                @for head in ["p50 ms", "p99 ms", "longest ms"] { th .number { (head) } }
            }
            @for (name, counts) in counts {
                tr {
                    td { (name) }
                    @for count in counts { td .number { (count) } }
                    @match latencies.get(&name).map(|latencies| latencies.whole) {
                        Some((_, p50, p99, longest)) => {
                            @for ms in [p50, p99, longest] { td .number { (format!("{ms:.1}")) } }
                        }
                        None => { td {} td {} td {} }
                    }
                }
            }
        }
    }
}
