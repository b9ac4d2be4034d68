//! Which of the changes that were not synced a power loss leaves, as a seed says.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::ops::Range;

/// What a disk writes at once or not at all.
pub const SECTOR_BYTES: u64 = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Nothing,
    Everything,
    /// Those before this operation, and a part of this one.
    Until(u64),
    /// Each as chance has it, since a disk writes in whatever order it likes.
    Any,
}

/// How much of one write reached the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    None,
    Whole,
    Torn,
}

/// The choice that one seed makes. Ask in the order of operations.
#[derive(Debug)]
pub struct Survival {
    rule: Rule,
    random: StdRng,
}

impl Survival {
    /// `pending` are the operations that were not synced, in order.
    pub fn new(seed: u64, pending: &[u64]) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let rule = match (random.random_range(0..8), pending.len()) {
            (0, _) => Rule::Nothing,
            (1, _) => Rule::Everything,
            (2..5, count @ 1..) => Rule::Until(pending[random.random_range(0..count)]),
            _ => Rule::Any,
        };
        Survival { rule, random }
    }

    /// How many of the changes of names got through, the first ones: file systems journal them in
    /// order.
    pub fn names(&mut self, pending: &[u64]) -> usize {
        match self.rule {
            Rule::Nothing => 0,
            Rule::Everything => pending.len(),
            Rule::Until(end) => pending.partition_point(|operation| *operation < end),
            Rule::Any => self.random.random_range(0..=pending.len()),
        }
    }

    /// Whether a change of a file's length got through.
    pub fn length(&mut self, operation: u64) -> bool {
        match self.rule {
            Rule::Nothing => false,
            Rule::Everything => true,
            Rule::Until(end) => operation < end,
            Rule::Any => self.random.random(),
        }
    }

    /// The parts of a write that got through, as ranges of its bytes: whole sectors of the file.
    pub fn parts(&mut self, operation: u64, offset: u64, bytes: usize) -> Vec<Range<usize>> {
        let whole = Range { start: 0, end: bytes };
        match self.extent(operation) {
            Extent::None => Vec::new(),
            Extent::Whole => vec![whole],
            Extent::Torn => self.torn(offset, bytes),
        }
    }

    fn extent(&mut self, operation: u64) -> Extent {
        match self.rule {
            Rule::Nothing => Extent::None,
            Rule::Everything => Extent::Whole,
            Rule::Until(end) if operation < end => Extent::Whole,
            Rule::Until(end) if operation == end => Extent::Torn,
            Rule::Until(_) => Extent::None,
            Rule::Any => match self.random.random_range(0..4) {
                0 => Extent::None,
                1 => Extent::Torn,
                _ => Extent::Whole,
            },
        }
    }

    /// The first sectors of a write, or any of them.
    fn torn(&mut self, offset: u64, bytes: usize) -> Vec<Range<usize>> {
        let mut sectors = sectors(offset, bytes);
        match self.random.random() {
            true => sectors.truncate(self.random.random_range(0..=sectors.len())),
            false => sectors.retain(|_| self.random.random()),
        }
        sectors
    }
}

/// A write taken apart at the borders of the file's sectors.
fn sectors(offset: u64, bytes: usize) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    while start < bytes {
        let in_sector = (offset + start as u64) % SECTOR_BYTES;
        let end = bytes.min(start + (SECTOR_BYTES - in_sector) as usize);
        out.push(start..end);
        start = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_taken_apart_where_the_files_sectors_begin() {
        assert_eq!(sectors(0, 1_024), [0..512, 512..1_024]);
        assert_eq!(sectors(500, 600), [0..12, 12..524, 524..600]);
        assert_eq!(sectors(512, 5), [Range { start: 0, end: 5 }]);
        assert!(sectors(7, 0).is_empty());
    }

    #[test]
    fn every_kind_of_loss_comes_about() {
        let (mut none, mut whole, mut torn, mut ordered) = (0, 0, 0, 0);
        for seed in 0..200 {
            let mut survival = Survival::new(seed, &[3, 4]);
            ordered += u64::from(matches!(survival.rule, Rule::Until(_)));
            match survival.parts(3, 0, 2_048).as_slice() {
                [] => none += 1,
                [all] if *all == (0..2_048) => whole += 1,
                parts => {
                    assert!(parts.iter().all(|part| part.start % 512 == 0 && part.end % 512 == 0));
                    torn += 1;
                }
            }
        }
        assert!(none > 20 && whole > 20 && torn > 20 && ordered > 20);
    }
}
