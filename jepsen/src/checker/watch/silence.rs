//! Whether a stream was silent while it should have told something.
//!
//! A member that is cut off may be silent for as long as it is. So only what was known while no
//! fault was going on, nor had been for a while, counts.

use super::super::context::{Context, Work};
use super::super::findings::Findings;
use super::Piece;
use super::complete::{Expected, expect};

/// Changes beyond a stream's end that are looked at: one that was told nothing misses the first.
const LOOKED_AT_MAX: usize = 200;

pub(super) fn check(context: &Context, work: &Work, piece: &Piece, findings: &mut Findings) {
    let (Some(_), Some(ended)) = (piece.start, piece.call.ended) else { return };
    let lag_ns = context.parameters.watch_lag_max.as_nanos() as u64;
    let beyond = work.ledger.versions.range(piece.last + 1..).map(|(_, version)| version);
    for version in beyond.take(LOOKED_AT_MAX) {
        let known = work.calls[version.witness].ended.map_or(u64::MAX, |at| at.ns);
        let late_ns = known.max(piece.call.invoked.ns).saturating_add(lag_ns);
        if late_ns > ended.ns {
            continue;
        }
        let told =
            matches!(expect(work, version, piece.selector), Expected::Told(_) | Expected::Present);
        if told && quiet(context, known.saturating_sub(lag_ns), ended.ns) {
            let calls = [work.calls[version.witness], piece.call];
            findings.found_in("silent-watch", calls, || {
                format!(
                    "{}: told nothing after {}, although revision {} was known {} ms before it \
                     ended, with no fault going on: {}",
                    context.trace.describe_asked(piece.call),
                    piece.last,
                    version.rev,
                    (ended.ns - known) / 1_000_000,
                    context.trace.describe(work.calls[version.witness])
                )
            });
            return;
        }
    }
}

fn quiet(context: &Context, from_ns: u64, to_ns: u64) -> bool {
    let mut faults = context.trace.faults.iter();
    !faults.any(|fault| fault.begun_ns <= to_ns && fault.ended_ns.is_none_or(|end| end >= from_ns))
}
