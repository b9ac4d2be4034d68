//! Every decoder that reads what others wrote, as a target for a fuzzer.
//!
//! A target is given bytes and must neither panic nor take long, whatever they are. It answers
//! with a signature of what it saw; inputs with a new one are worth keeping.

mod api;
mod inside;
mod mutate;
mod text;

pub use mutate::Mutator;

use std::hash::{DefaultHasher, Hash, Hasher};

/// One decoder.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Runs it on an input.
    pub run: fn(&[u8]) -> u64,
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub fn targets() -> Vec<Target> {
    [text::targets(), api::targets(), inside::targets()].into_iter().flatten().collect()
}

/// The signature of an outcome: numbers and what is quoted differ from input to input, and say
/// nothing of the way that was taken.
fn signature(outcome: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut quoted = false;
    for c in outcome.chars().take(400) {
        match c {
            '"' => quoted = !quoted,
            _ if quoted || c.is_ascii_digit() => {}
            c => c.hash(&mut hasher),
        }
    }
    hasher.finish()
}

/// The signature of a result, by what its error says.
fn signed<T, E: ToString>(result: Result<T, E>) -> u64 {
    match result {
        Ok(_) => 0,
        Err(error) => signature(&error.to_string()),
    }
}
