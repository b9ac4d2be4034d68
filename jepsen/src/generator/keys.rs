//! Objects that are used for a while and then left alone.

use std::sync::atomic::{AtomicU64, Ordering};

/// Keys for clients in groups: the members of a group use one object at a time, and go on to the
/// next after so many operations. That keeps each object's history short, and checking it cheap.
#[derive(Debug)]
pub struct Keys {
    operations: Vec<AtomicU64>,
    operations_per_key: u64,
}

impl Keys {
    /// Keys for so many groups.
    pub fn new(groups: usize, operations_per_key: u64) -> Keys {
        let operations = (0..groups.max(1)).map(|_| AtomicU64::new(0)).collect();
        Keys { operations, operations_per_key: operations_per_key.max(1) }
    }

    /// The key of a group's next operation.
    pub fn next(&self, group: usize) -> u64 {
        let groups = self.operations.len();
        let group = group % groups;
        let operation = self.operations[group].fetch_add(1, Ordering::Relaxed);
        operation / self.operations_per_key * groups as u64 + group as u64
    }

    /// Every key that was given.
    pub fn used(&self) -> Vec<u64> {
        let groups = self.operations.len() as u64;
        let of_group = |(group, count): (usize, &AtomicU64)| {
            let keys = count.load(Ordering::Relaxed).div_ceil(self.operations_per_key);
            (0..keys).map(move |n| n * groups + group as u64)
        };
        let mut used: Vec<u64> = self.operations.iter().enumerate().flat_map(of_group).collect();
        used.sort_unstable();
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_keys_of_their_own_and_leave_them() {
        let keys = Keys::new(2, 3);
        let first: Vec<u64> = (0..7).map(|_| keys.next(0)).collect();
        assert_eq!(first, [0, 0, 0, 2, 2, 2, 4]);
        assert_eq!((keys.next(1), keys.next(3)), (1, 1));
        assert_eq!(keys.used(), [0, 1, 2, 4]);
    }
}
