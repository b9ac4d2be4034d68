//! Amounts of resources.

use super::raw::Amounts;
use std::sync::Arc;

/// An amount of every resource: CPU in thousandths, everything else in whole units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a CPU.
    pub cpu_milli: i64,
    /// Bytes.
    pub memory_bytes: i64,
    /// Bytes.
    pub ephemeral_bytes: i64,
    /// Everything else, sorted by name; mostly empty.
    pub extended: Vec<(Arc<str>, i64)>,
}

impl Resources {
    /// Reads a `ResourceList`; `pods` and unknown units are left out.
    pub fn from_amounts(amounts: &Amounts) -> Self {
        let mut of = Resources::default();
        for (name, amount) in amounts {
            match name.as_ref() {
                "cpu" => of.cpu_milli = amount.0.milli_value(),
                "memory" => of.memory_bytes = amount.0.value(),
                "ephemeral-storage" => of.ephemeral_bytes = amount.0.value(),
                "pods" => {}
                other => of.extended.push((other.into(), amount.0.value())),
            }
        }
        of
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Resources) {
        self.combine(other, i64::saturating_add);
    }

    /// Takes `other` away.
    pub fn subtract(&mut self, other: &Resources) {
        self.combine(other, i64::saturating_sub);
    }

    /// Takes the larger of each.
    pub fn raise_to(&mut self, other: &Resources) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Resources, by: fn(i64, i64) -> i64) {
        self.cpu_milli = by(self.cpu_milli, other.cpu_milli);
        self.memory_bytes = by(self.memory_bytes, other.memory_bytes);
        self.ephemeral_bytes = by(self.ephemeral_bytes, other.ephemeral_bytes);
        for (name, amount) in &other.extended {
            match self.extended.binary_search_by(|(n, _)| n.cmp(name)) {
                Ok(at) => self.extended[at].1 = by(self.extended[at].1, *amount),
                Err(at) => self.extended.insert(at, (name.clone(), by(0, *amount))),
            }
        }
    }

    /// The amount of an extended resource.
    pub fn extended(&self, name: &str) -> i64 {
        let at = self.extended.binary_search_by(|(n, _)| n.as_ref().cmp(name));
        at.map_or(0, |at| self.extended[at].1)
    }
}
