//! A homomorphic hash of a set: adding and removing an element costs the same whatever the
//! size of the set, and the result does not depend on the order in which it was built.
//!
//! LtHash16 (Bellare and Micciancio; Lewi and others, "Securing Update Propagation with
//! Homomorphic Hashing"): an element is expanded to 1,024 lanes of 16 bits, and the set's hash
//! is their sum, lane by lane, modulo 2^16.

use std::fmt;

/// Lanes of 16 bits.
pub const LANES: usize = 1_024;
/// Bytes of a hash, lanes in little endian.
pub const BYTES: usize = LANES * 2;

/// The hash of a set of elements; see the module's text.
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash(Box<[u16; LANES]>);

impl Default for LtHash {
    fn default() -> Self {
        LtHash(Box::new([0; LANES]))
    }
}

impl fmt::Debug for LtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LtHash({})", blake3::hash(&self.to_bytes()).to_hex())
    }
}

impl LtHash {
    /// The hash of the empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the element that `hasher` has absorbed.
    pub fn add(&mut self, hasher: &blake3::Hasher) {
        self.combine(hasher, u16::wrapping_add);
    }

    /// Takes away an element added before.
    pub fn remove(&mut self, hasher: &blake3::Hasher) {
        self.combine(hasher, u16::wrapping_sub);
    }

    fn combine(&mut self, hasher: &blake3::Hasher, op: impl Fn(u16, u16) -> u16) {
        let mut lanes = [0; BYTES];
        hasher.finalize_xof().fill(&mut lanes);
        for (lane, bytes) in self.0.iter_mut().zip(lanes.chunks_exact(2)) {
            *lane = op(*lane, u16::from_le_bytes([bytes[0], bytes[1]]));
        }
    }

    /// The lanes in little endian, [`BYTES`] long.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|lane| lane.to_le_bytes()).collect()
    }

    /// Reads what [`LtHash::to_bytes`] wrote; `None` for another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != BYTES {
            return None;
        }
        let mut hash = LtHash::new();
        for (lane, bytes) in hash.0.iter_mut().zip(bytes.chunks_exact(2)) {
            *lane = u16::from_le_bytes([bytes[0], bytes[1]]);
        }
        Some(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn element(n: u8) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[n]);
        hasher
    }

    fn of(elements: &[u8]) -> LtHash {
        let mut hash = LtHash::new();
        elements.iter().for_each(|n| hash.add(&element(*n)));
        hash
    }

    proptest! {
        #[test]
        fn order_does_not_matter(elements: Vec<u8>, seed: u64) {
            let mut other = elements.clone();
            other.sort_by_key(|n| u64::from(*n).wrapping_mul(seed | 1));
            prop_assert_eq!(of(&elements), of(&other));
        }

        #[test]
        fn removing_undoes_adding(elements: Vec<u8>, extra: Vec<u8>) {
            let mut hash = of(&elements);
            extra.iter().for_each(|n| hash.add(&element(*n)));
            extra.iter().rev().for_each(|n| hash.remove(&element(*n)));
            prop_assert_eq!(hash, of(&elements));
        }

        #[test]
        fn bytes_round_trip(elements: Vec<u8>) {
            let hash = of(&elements);
            prop_assert_eq!(LtHash::from_bytes(&hash.to_bytes()), Some(hash));
        }
    }

    #[test]
    fn sets_differ() {
        assert_ne!(of(&[1]), of(&[2]));
        assert_ne!(of(&[1]), of(&[1, 1]));
        assert_ne!(of(&[]), of(&[0]));
        assert_eq!(LtHash::from_bytes(&[0; 3]), None);
    }
}
