//! Which writes that were not synced survive a crash nevertheless.

use super::unsynced::BLOCK_BYTES;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::HashSet;
use std::ops::Range;

/// What a disk writes at once, or not at all.
pub const SECTOR_BYTES: u64 = 512;

/// Which writes that were not synced survive a crash nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// None: the longest possible loss.
    None,
    /// In each file the first ones, up to a random point, within a write, at a border of sectors.
    /// A sector that a lost write also touched is lost with it.
    Torn,
    /// Each block or not, in no order: a disk with a queue of its own.
    Some,
}

/// The choices of one crash, which a seed repeats.
pub struct Choice<'a> {
    survivors: Survivors,
    random: &'a mut StdRng,
}

impl<'a> Choice<'a> {
    /// A crash's choices.
    pub fn new(survivors: Survivors, random: &'a mut StdRng) -> Self {
        Choice { survivors, random }
    }

    /// Tells for a file of `len` bytes, by `writes` to it in order and the numbers of the blocks
    /// that they touched, which sectors (their first byte) survive.
    pub fn of_file(
        &mut self,
        writes: &[Range<u64>],
        blocks: impl Iterator<Item = u64>,
        len: u64,
    ) -> Box<dyn Fn(u64) -> bool> {
        match self.survivors {
            Survivors::None => Box::new(|_| false),
            Survivors::Some => {
                let kept: HashSet<u64> = blocks.filter(|_| self.random.random()).collect();
                Box::new(move |sector| sector < len && kept.contains(&(sector / BLOCK_BYTES)))
            }
            Survivors::Torn => self.torn(writes),
        }
    }

    fn torn(&mut self, writes: &[Range<u64>]) -> Box<dyn Fn(u64) -> bool> {
        if writes.is_empty() {
            return Box::new(|_| false);
        }
        let at = self.random.random_range(0..writes.len());
        let (mut done, mut lost) = (writes[..at].to_vec(), writes[at + 1..].to_vec());
        let torn = writes[at].clone();
        let sectors = torn.start / SECTOR_BYTES..torn.end.div_ceil(SECTOR_BYTES);
        let cut = self.random.random_range(sectors.start..=sectors.end) * SECTOR_BYTES;
        let cut = cut.clamp(torn.start, torn.end);
        done.push(torn.start..cut);
        lost.push(cut..torn.end);
        let touched = |writes: &[Range<u64>], sector: u64| {
            let mut some = writes.iter().filter(|write| !write.is_empty());
            some.any(|write| write.start < sector + SECTOR_BYTES && sector < write.end)
        };
        let touched_by = move |sector| touched(&done, sector) && !touched(&lost, sector);
        Box::new(touched_by)
    }

    /// How many of `changes` of names in order survive.
    pub fn of_names(&mut self, changes: usize) -> usize {
        match self.survivors {
            Survivors::None => 0,
            Survivors::Torn | Survivors::Some => self.random.random_range(0..=changes),
        }
    }
}

/// A generator that a seed repeats.
pub fn seeded(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}
