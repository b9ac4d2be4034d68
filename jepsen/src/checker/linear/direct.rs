//! What contradicts the order of resource versions, without a search.

use super::super::findings::Findings;
use super::object::{Act, Object};
use crate::trace::Trace;

/// Tells whether something was found.
pub(super) fn check(trace: &Trace, object: &Object, findings: &mut Findings) -> bool {
    let order = Order::of(object);
    let before = findings.told();
    order.writes(trace, object, findings);
    order.reads(trace, object, findings);
    findings.told() > before
}

/// For each place in the order of changes, the one at or after it that was proved first.
struct Order {
    earliest: Vec<usize>,
}

impl Order {
    fn of(object: &Object) -> Order {
        let mut earliest: Vec<usize> = (0..object.effects.len()).collect();
        let proved = |place: usize| object.effects[place].version.proved;
        for place in (0..earliest.len().saturating_sub(1)).rev() {
            let next = earliest[place + 1];
            if proved(next) <= proved(place) {
                earliest[place] = next;
            }
        }
        Order { earliest }
    }

    /// A change after `position` that was known by a line.
    fn known_by(&self, object: &Object, position: usize, line: u64) -> Option<usize> {
        let place = *self.earliest.get(position + 1)?;
        (object.effects[place].version.proved < line).then_some(place)
    }

    fn writes(&self, trace: &Trace, object: &Object, findings: &mut Findings) {
        for (position, effect) in object.effects.iter().enumerate() {
            let Some(writer) = effect.version.writer else { continue };
            let call = object.work.calls[writer];
            if effect.version.proved < call.invoked.index {
                let witness = object.work.calls[effect.version.witness];
                findings.found_in("seen-before-written", [call, witness], || {
                    format!(
                        "object {}: {}, although somebody had seen its effect before it was \
                         invoked: {}",
                        object.key,
                        trace.describe(call),
                        trace.describe(witness)
                    )
                });
            }
            let Some(later) = self.known_by(object, position, call.invoked.index) else { continue };
            let later = object.effects[later].version;
            let witness = object.work.calls[later.witness];
            findings.found_in("write-order", [call, witness], || {
                format!(
                    "object {}: {} got revision {}, although revision {} was known before it was \
                     invoked: {}",
                    object.key,
                    trace.describe(call),
                    effect.version.rev,
                    later.rev,
                    trace.describe(witness)
                )
            });
        }
    }

    fn reads(&self, trace: &Trace, object: &Object, findings: &mut Findings) {
        for step in &object.steps {
            let Act::Sees(Some(rev)) = step.act else { continue };
            let position = object.effects.partition_point(|effect| effect.version.rev < rev);
            let Some(later) = self.known_by(object, position, step.invoked) else { continue };
            let later = object.effects[later].version;
            let calls = [object.work.calls[step.call], object.work.calls[later.witness]];
            findings.found_in("stale-read", calls, || {
                format!(
                    "object {}: {}, although revision {} was known before it was invoked: {}",
                    object.key,
                    trace.describe(calls[0]),
                    later.rev,
                    trace.describe(calls[1])
                )
            });
        }
    }
}
