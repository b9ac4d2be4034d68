//! 410 Gone is answered below the advertised floor only.

use super::context::Context;
use super::findings::Findings;
use crate::trace::{Call, End, Input, NEVER, Output, Trace};

pub(super) fn check(context: &Context, findings: &mut Findings) {
    for call in context.works.iter().flat_map(|work| &work.calls) {
        let Some(from) = gone_from(context.trace, call) else { continue };
        findings.figure("gone", 1);
        let (floor, who) = match (call.floor, advertised(context.trace, call)) {
            (Some(floor), _) => (floor, "it told itself"),
            (None, Some(floor)) => (floor, "its member advertised later"),
            (None, None) => {
                findings.figure("without a known floor", 1);
                continue;
            }
        };
        if from >= floor {
            findings.found_in("gone-above-floor", [*call], || {
                format!(
                    "{}: 410 for revision {from}, which is not below the floor {floor} that {who}",
                    context.trace.describe_asked(call)
                )
            });
        }
    }
}

/// The revision that was gone, if that was the answer.
fn gone_from(trace: &Trace, call: &Call) -> Option<u64> {
    let expired = call.error.is_some_and(|error| trace.text(error) == "expired");
    match (&call.input, &call.output) {
        (Input::Watch { from, .. }, Output::None) if expired => *from,
        (Input::Watch { from, .. }, Output::Events { events, end: End::Gone }) => {
            events.last().map(|event| event.rev).or(*from)
        }
        _ => None,
    }
}

/// A floor rises only: what a member told after the answer is no lower than it was then.
fn advertised(trace: &Trace, call: &Call) -> Option<u64> {
    let returned = Some(call.returned()).filter(|line| *line != NEVER)?;
    let later = trace.probes.iter().filter(|probe| probe.index > returned);
    let mut members = later.flat_map(|probe| &probe.members);
    members.find(|member| Some(member.node) == call.node)?.floor
}
