//! Inputs out of other inputs.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Bytes of an input at most.
const BYTES_MAX: usize = 64 * 1024;
/// Changes to an input at most.
const CHANGES_MAX: u32 = 8;

/// Texts that decoders look for.
const WORDS: [&str; 48] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "9223372036854775808",
    "\\u0000",
    "\\ud800",
    "$patch",
    "$retainKeys",
    "$setElementOrder/",
    "$deleteFromPrimitiveList/",
    "\"op\":\"copy\"",
    "\"op\":\"test\"",
    "\"path\":\"\"",
    "/-",
    "~1",
    "~0",
    "metadata",
    "name",
    "namespace",
    "labels",
    "managedFields",
    "fieldsV1",
    "f:",
    "k:{",
    "v:",
    "i:0",
    "spec",
    "status",
    "apiVersion",
    "kind",
    "&a ",
    "*a",
    "<<: ",
    "- ",
    "? ",
    "!!str ",
    "%",
    " in (",
    "\n",
];
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b' ', b'0', b'\n'];

/// Makes inputs, always the same ones from the same seed.
pub struct Mutator(SmallRng);

impl Mutator {
    /// A mutator.
    pub fn new(seed: u64) -> Self {
        Mutator(SmallRng::seed_from_u64(seed))
    }

    /// One of the inputs, changed in a few places.
    pub fn next(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.one_of(corpus).cloned().unwrap_or_default();
        for _ in 0..self.0.random_range(1..=CHANGES_MAX) {
            self.change(&mut input, corpus);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        if list.is_empty() { None } else { list.get(self.0.random_range(0..list.len())) }
    }

    fn place(&mut self, input: &[u8]) -> usize {
        self.0.random_range(0..=input.len())
    }

    fn range(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let from = self.place(input);
        let most = (input.len() - from).min(1 << self.0.random_range(0..12));
        from..from + self.0.random_range(0..=most)
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        match self.0.random_range(0..9) {
            0 => {
                let at = self.place(input);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.0.random_range(0..8);
                }
            }
            1 => {
                let at = self.place(input);
                let edge = EDGES[self.0.random_range(0..EDGES.len())];
                if let Some(byte) = input.get_mut(at) {
                    *byte = edge;
                }
            }
            2 => drop(input.drain(self.range(input))),
            3 => {
                let copied = input[self.range(input)].to_vec();
                let at = self.place(input);
                input.splice(at..at, copied);
            }
            4 | 5 => {
                let word = WORDS[self.0.random_range(0..WORDS.len())];
                let at = self.place(input);
                input.splice(at..at, word.bytes());
            }
            6 => {
                let Some(other) = self.one_of(corpus).cloned() else { return };
                let taken = other[self.range(&other)].to_vec();
                let replaced = self.range(input);
                input.splice(replaced, taken);
            }
            7 => {
                let repeated = input[self.range(input)].to_vec();
                let times = 1_usize << self.0.random_range(0..9);
                if repeated.len() * times < BYTES_MAX {
                    let at = self.place(input);
                    input.splice(at..at, repeated.repeat(times));
                }
            }
            _ => {
                let digit = input.iter().position(u8::is_ascii_digit);
                if let Some(byte) = digit.and_then(|at| input.get_mut(at)) {
                    *byte = b'0' + self.0.random_range(0..10);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_tells_the_inputs() {
        let corpus = vec![b"{\"a\": 1}".to_vec(), b"[1, 2]".to_vec()];
        let made = |seed: u64| {
            let mut mutator = Mutator::new(seed);
            (0..500).map(|_| mutator.next(&corpus)).collect::<Vec<_>>()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        assert!(made(1).iter().all(|input| input.len() <= BYTES_MAX));
    }
}
