//! Between which revisions somebody watched every object.

use crate::trace::{Call, Change, Input, Output, Selector};

/// Ranges `(after, upto]` of revisions in which no change can have been hidden.
#[derive(Debug, Default)]
pub(super) struct Covered {
    ranges: Vec<(u64, u64)>,
}

impl Covered {
    pub(super) fn of(calls: &[&Call]) -> Covered {
        let mut ranges: Vec<(u64, u64)> = calls.iter().filter_map(|call| range(call)).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (after, upto) in ranges {
            match merged.last_mut() {
                Some(last) if after <= last.1 => last.1 = last.1.max(upto),
                _ => merged.push((after, upto)),
            }
        }
        Covered { ranges: merged }
    }

    /// Whether every change in `(after, upto]` was seen.
    pub(super) fn covers(&self, after: u64, upto: u64) -> bool {
        let place = self.ranges.partition_point(|range| range.0 <= after);
        place.checked_sub(1).is_some_and(|place| self.ranges[place].1 >= upto)
    }
}

fn range(call: &Call) -> Option<(u64, u64)> {
    let (Input::Watch { from, selector: Selector::All, .. }, Output::Events { events, .. }) =
        (&call.input, &call.output)
    else {
        return None;
    };
    let initial = events.iter().find(|event| event.change == Change::InitialEnd);
    let after = initial.map(|event| event.rev).or(from.filter(|from| *from > 0))?;
    let upto = events.iter().map(|event| event.rev).max()?;
    (upto > after).then_some((after, upto))
}
