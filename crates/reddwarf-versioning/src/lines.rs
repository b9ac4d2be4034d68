//! The branches within the replicated state.
//!
//! What a branch changed is held whole, in memory as on the disk; its base is not (see
//! [`reddwarf_core::branch`]). A branch exists as long as its object on main does. What a removed
//! one held is forgotten a little at each tick, so that no entry takes long.

use crate::root::{element, removal_element};
use crate::{LtHash, State};
use imbl::OrdMap;
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::codec;
use reddwarf_core::{
    Branch, BranchChange, BranchId, BranchProblem, BranchRef, Change, CommitPoint, Links,
    ObjectKey, Rejection, Revision, StoredObject, View,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Changes of removed branches that one tick forgets.
const COLLECTED_PER_TICK: usize = 256;
/// Format version of the record of a [`BranchTable`], which is hashed.
const TABLE_VERSION: u8 = 1;

/// Which branches there are and were; what they changed is in rows of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchTable {
    /// Where each branch stands, by name.
    pub refs: Vec<(Arc<str>, BranchRef)>,
    /// Removed branches of which something is still held.
    pub removed: Vec<BranchId>,
    /// How many branches were ever made: the number of the newest one.
    pub made: u32,
}

impl BranchTable {
    /// The branch of this number.
    pub fn find(&self, id: BranchId) -> Option<&BranchRef> {
        self.refs.iter().map(|(_, at)| at).find(|at| at.id == id)
    }

    /// Its hash within the state root; `None` before the first branch was made.
    fn hash(&self) -> Option<[u8; 32]> {
        if self.made == 0 {
            return None;
        }
        let record = codec::encode(TABLE_VERSION, self);
        let record = record.expect("invariant: some thousand branches fit a record");
        Some(blake3::hash(&record).into())
    }
}

/// The changes of one branch.
type Changes = OrdMap<ObjectKey, BranchChange>;

/// What the state keeps of branches beside [`View::branches`].
#[derive(Debug, Default)]
pub(crate) struct Lines {
    names: BTreeMap<BranchId, Arc<str>>,
    removed: BTreeMap<BranchId, Changes>,
    made: u32,
    table: Arc<BranchTable>,
    hash: Option<[u8; 32]>,
}

impl Lines {
    /// Goes on from a table; what the branches changed is still to be added.
    pub(crate) fn restore(table: &BranchTable, view: &mut View) -> Lines {
        let mut lines = Lines { made: table.made, ..Lines::default() };
        for (name, at) in &table.refs {
            lines.names.insert(at.id, name.clone());
            let branch = Branch { at: *at, changes: OrdMap::new() };
            view.branches.insert(name.clone(), Arc::new(branch));
        }
        lines.removed = table.removed.iter().map(|id| (*id, OrdMap::new())).collect();
        lines.note(view);
        lines
    }

    /// Adds a change that a branch, or a removed one, holds; `None` when there is no such branch.
    pub(crate) fn restore_change(
        &mut self,
        view: &mut View,
        id: BranchId,
        key: ObjectKey,
        change: BranchChange,
    ) -> Option<()> {
        if let Some(removed) = self.removed.get_mut(&id) {
            removed.insert(key, change);
            return Some(());
        }
        let branch = view.branches.get_mut(self.names.get(&id)?)?;
        Arc::make_mut(branch).changes.insert(key, change);
        Some(())
    }

    /// The table, as it is stored.
    pub(crate) fn table(&self) -> Arc<BranchTable> {
        self.table.clone()
    }

    /// See [`BranchTable::hash`].
    pub(crate) fn hash(&self) -> Option<[u8; 32]> {
        self.hash
    }

    /// The branch of this number.
    pub(crate) fn find<'a>(&self, view: &'a View, id: BranchId) -> Option<&'a Arc<Branch>> {
        view.branches.get(self.names.get(&id)?)
    }

    /// Puts a branch in its new place.
    pub(crate) fn replace(&mut self, view: &mut View, branch: Branch) {
        let Some(name) = self.names.get(&branch.at.id) else { return };
        view.branches.insert(name.clone(), Arc::new(branch));
        self.note(view);
    }

    fn note(&mut self, view: &View) {
        let refs = view.branches.iter().map(|(name, branch)| (name.clone(), branch.at));
        let removed = self.removed.keys().copied().collect();
        let table = BranchTable { refs: refs.collect(), removed, made: self.made };
        self.hash = table.hash();
        self.table = Arc::new(table);
    }
}

/// What a write does to the branches, beyond its changes.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    begins: Option<(Arc<str>, CommitPoint)>,
    ends: Vec<Arc<str>>,
    merges: Option<(BranchId, CommitPoint)>,
}

impl State {
    /// What a write to main does to the branches. Changes nothing.
    pub(crate) fn moves(&self, changes: &[Change], links: &Links) -> Result<Moves, Rejection> {
        let mut moves = Moves { merges: links.merges, ..Moves::default() };
        let named = |change: &Change| change.key().collection() == BRANCHES;
        for change in changes.iter().filter(|change| named(change)) {
            let key = change.key();
            match change {
                Change::Delete { .. } => moves.ends.push(key.name().into()),
                Change::Put { .. } if self.view.get(key).is_some() => {}
                Change::Put { .. } => self.begin(&mut moves, key, links)?,
            }
        }
        if moves.begins.is_none() && links.begins.is_some() {
            return Err(Rejection::Malformed("a branch begins without its object".into()));
        }
        if let Some((id, head)) = links.merges {
            let branch = self.lines.find(&self.view, id);
            let at = branch.ok_or(Rejection::Branch(BranchProblem::Gone))?.at;
            if at.head != head {
                return Err(Rejection::Branch(BranchProblem::Moved(at.head.revision)));
            }
        }
        Ok(moves)
    }

    /// What a write to a branch does to it. Changes nothing.
    pub(crate) fn moves_of(&self, at: &BranchRef, links: &Links) -> Result<Moves, Rejection> {
        let malformed = |text: &str| Err(Rejection::Malformed(text.to_owned()));
        let (taken, base) = match (links.merges, links.begins) {
            (None, None) => return Ok(Moves::default()),
            (Some((BranchId::MAIN, taken)), Some(base)) => (taken, base),
            _ => return malformed("branches begin at main, and only main is merged into them"),
        };
        if base != at.merge_base() {
            // Main has merged the branch since, and the commit that is taken may be older.
            return Err(Rejection::Branch(BranchProblem::Moved(at.head.revision)));
        }
        if taken.revision <= base.revision || taken.revision > self.view.head.revision {
            return malformed("main has no such commit after the merge base");
        }
        Ok(Moves { merges: Some((at.id, taken)), ..Moves::default() })
    }

    fn begin(&self, moves: &mut Moves, key: &ObjectKey, links: &Links) -> Result<(), Rejection> {
        let malformed = |text: String| Err(Rejection::Malformed(text));
        let Some(base) = links.begins else {
            return malformed(format!("{key} does not say where the branch begins"));
        };
        if moves.begins.is_some() {
            return malformed("two branches begin in one write".into());
        }
        let floor = self.anchor.map_or(Revision::ZERO, |anchor| anchor.revision);
        if base.revision > self.view.revision || base.revision < floor {
            return malformed(format!("a branch cannot begin at revision {}", base.revision));
        }
        moves.begins = Some((key.name().into(), base));
        Ok(())
    }

    /// Makes the moves.
    pub(crate) fn make(&mut self, moves: Moves) {
        let Moves { begins, ends, merges } = moves;
        if begins.is_none() && ends.is_empty() && merges.is_none() {
            return;
        }
        let (lines, view) = (&mut self.lines, &mut self.view);
        if let Some((id, head)) = merges
            && let Some(branch) = lines.names.get(&id).and_then(|name| view.branches.get_mut(name))
        {
            Arc::make_mut(branch).at.merged = Some(head);
        }
        for name in ends {
            let Some(branch) = view.branches.remove(&name) else { continue };
            lines.names.remove(&branch.at.id);
            lines.removed.insert(branch.at.id, branch.changes.clone());
        }
        if let Some((name, base)) = begins {
            lines.made += 1;
            let id = BranchId(lines.made);
            let at = BranchRef { id, base, head: base, merged: None };
            lines.names.insert(id, name.clone());
            view.branches.insert(name, Arc::new(Branch { at, changes: OrdMap::new() }));
        }
        lines.note(view);
    }

    /// Forgets some of what removed branches hold; the rows to be removed.
    pub(crate) fn collect_branches(&mut self) -> Vec<(BranchId, ObjectKey)> {
        let mut collected = Vec::new();
        while let Some(mut entry) = self.lines.removed.first_entry() {
            let (id, changes) = (*entry.key(), entry.get_mut());
            while collected.len() < COLLECTED_PER_TICK
                && let Some((key, change)) = changes.get_min().cloned()
            {
                remove(&mut self.objects_hash, id, &key, &change);
                changes.remove(&key);
                collected.push((id, key));
            }
            if !changes.is_empty() {
                break;
            }
            entry.remove();
            self.lines.note(&self.view);
        }
        collected
    }
}

/// Adds what a branch holds at a key to the sum over all objects.
pub(crate) fn add(hash: &mut LtHash, id: BranchId, key: &ObjectKey, change: &BranchChange) {
    match &change.object {
        Some(object) => hash.add(&element(id, object)),
        None => hash.add(&removal_element(id, key, change.revision)),
    }
}

/// Takes it out again.
pub(crate) fn remove(hash: &mut LtHash, id: BranchId, key: &ObjectKey, change: &BranchChange) {
    match &change.object {
        Some(object) => hash.remove(&element(id, object)),
        None => hash.remove(&removal_element(id, key, change.revision)),
    }
}

/// Adds an object that a branch, or main, shows to a sum over all objects.
pub fn add_object(hash: &mut LtHash, branch: BranchId, object: &StoredObject) {
    hash.add(&element(branch, object));
}

/// Adds a key that a branch has removed.
pub fn add_removal(hash: &mut LtHash, branch: BranchId, key: &ObjectKey, revision: Revision) {
    hash.add(&removal_element(branch, key, revision));
}
