//! In which order the items of a merged list stand.

use super::merge::Side;

/// The order of a list in three versions. Items are numbers from 0 on.
pub(super) struct Order<'o> {
    pub(super) ours: &'o [usize],
    pub(super) theirs: &'o [usize],
    /// Where each item stands in the version that both come from.
    pub(super) places_in_base: &'o [Option<usize>],
}

/// The items that are `kept`, in their order.
///
/// It is the order of the side that reordered what was there before; of the one that `prefer`
/// names, or ours, when none or both did. An item that only the other side has comes after the
/// same one as there, and after what else is new in that place.
pub(super) fn sequence(
    order: &Order<'_>,
    kept: impl Fn(usize) -> bool,
    prefer: impl FnOnce() -> Option<Side>,
) -> Vec<usize> {
    let leader = match (order.is_moved(order.ours), order.is_moved(order.theirs)) {
        (true, false) => Side::Ours,
        (false, true) => Side::Theirs,
        _ => prefer().unwrap_or(Side::Ours),
    };
    match leader {
        Side::Ours => joined(order.ours, order.theirs, order.places_in_base.len(), kept),
        Side::Theirs => joined(order.theirs, order.ours, order.places_in_base.len(), kept),
    }
}

impl Order<'_> {
    fn is_moved(&self, side: &[usize]) -> bool {
        !side.iter().filter_map(|item| self.places_in_base[*item]).is_sorted()
    }
}

/// The kept items of `leader`, and among them those that only `other` has.
fn joined(
    leader: &[usize],
    other: &[usize],
    items: usize,
    kept: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let members = |list: &[usize]| {
        let mut members = vec![false; items];
        list.iter().for_each(|item| members[*item] = true);
        members
    };
    let (in_leader, in_other) = (members(leader), members(other));
    // What follows each item both have, the last of these being what follows none.
    let mut followers = vec![Vec::new(); items + 1];
    let mut neighbour = items;
    for item in other.iter().copied().filter(|item| kept(*item)) {
        match in_leader[item] {
            true => neighbour = item,
            false => followers[neighbour].push(item),
        }
    }
    let mut sequence = Vec::new();
    let mut waiting = std::mem::take(&mut followers[items]);
    for item in leader.iter().copied().filter(|item| kept(*item)) {
        if in_other[item] {
            sequence.append(&mut waiting);
            waiting = std::mem::take(&mut followers[item]);
        }
        sequence.push(item);
    }
    sequence.append(&mut waiting);
    sequence
}
