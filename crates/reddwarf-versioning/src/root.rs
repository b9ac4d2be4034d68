//! The state root: one hash by which members compare their whole replicated state.
//!
//! Objects are many and change one at a time: they are summed in an [`LtHash`]. The rest is
//! small (refs, the clock, floors, membership) or hashed block by block as it grows (request
//! ids), and is absorbed when a root is asked for.

use crate::{LtHash, State, features};
use reddwarf_core::{BranchId, ObjectKey, Revision, StoredObject};
use std::fmt;

/// BLAKE3 of the replicated state.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateRoot(pub [u8; 32]);

impl fmt::Display for StateRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StateRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The element of the LtHash that stands for one current object of a branch.
pub(crate) fn element(branch: BranchId, object: &StoredObject) -> blake3::Hasher {
    hashed(branch, &object.key, [object.revision, object.created], &object.content)
}

/// The element that stands for a key that a branch has removed; no object was created at zero.
pub(crate) fn removal_element(
    branch: BranchId,
    key: &ObjectKey,
    revision: Revision,
) -> blake3::Hasher {
    hashed(branch, key, [revision, Revision::ZERO], &[0; 32])
}

fn hashed(
    branch: BranchId,
    key: &ObjectKey,
    [revision, created]: [Revision; 2],
    content: &[u8; 32],
) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    let mut fixed = [0; 52];
    fixed[..4].copy_from_slice(&branch.0.to_le_bytes());
    fixed[4..12].copy_from_slice(&revision.0.to_le_bytes());
    fixed[12..20].copy_from_slice(&created.0.to_le_bytes());
    fixed[20..].copy_from_slice(content);
    hasher.update(&fixed);
    hasher.update(key.as_str().as_bytes());
    hasher
}

/// Hashes the whole state; O(blocks of the request memory).
pub(crate) fn root_of(state: &State) -> StateRoot {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"reddwarf state root v1\n");
    hash_objects(&mut hasher, &state.objects_hash);
    hasher.update(&state.view.revision.0.to_le_bytes());
    hasher.update(&state.view.clock_ms.to_le_bytes());
    // Two more numbers than are needed: how many heads follow, and where main began.
    hasher.update(&1_u64.to_le_bytes());
    hasher.update(&BranchId::MAIN.0.to_le_bytes());
    hasher.update(&state.view.head.commit.0);
    for number in [state.view.head.revision.0, state.view.head.time_ms, 0] {
        hasher.update(&number.to_le_bytes());
    }
    if let Some(branches) = state.lines.hash() {
        hasher.update(b"branches");
        hasher.update(&branches);
    }
    if let Some(retention) = state.retention.hash() {
        hasher.update(b"retention");
        hasher.update(&retention);
    }
    if !state.view.lost.is_empty() {
        hasher.update(b"lost");
        for lost in state.view.lost.iter() {
            hasher.update(&lost.after.0.to_le_bytes());
            hasher.update(&lost.through.0.to_le_bytes());
        }
    }
    features::hash_into(state, &mut hasher);
    match &state.anchor {
        None => hasher.update(&[0]),
        Some(anchor) => {
            hasher.update(&[1]);
            hasher.update(&anchor.commit.0);
            hasher.update(&anchor.revision.0.to_le_bytes());
            hasher.update(&anchor.root)
        }
    };
    hasher.update(&(state.membership.len() as u64).to_le_bytes());
    hasher.update(&state.membership);
    state.requests.hash_into(&mut hasher);
    StateRoot(hasher.finalize().into())
}

fn hash_objects(hasher: &mut blake3::Hasher, objects: &LtHash) {
    hasher.update(&objects.to_bytes());
}
