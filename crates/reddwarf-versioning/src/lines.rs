//! The branches within the replicated state.
//!
//! What a branch changed is held whole, in memory as on the disk; its base is not (see
//! [`reddwarf_core::branch`]). A branch exists as long as its object on main does. A removed one is
//! held while a branch reads through it or has merged it, other than by way of main; after that what
//! it held is forgotten a little at each tick, so that no entry takes long.

use crate::root::{element, removal_element};
use crate::{BranchTable, LtHash, State};
use imbl::OrdMap;
use reddwarf_core::ancestry::TAKEN_MAX;
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::{
    Ancestry, Branch, BranchChange, BranchId, BranchProblem, BranchRef, Change, LinePoint, Links,
    ObjectKey, Place, Rejection, Revision, StoredObject, View,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Changes of removed branches that one tick forgets.
const COLLECTED_PER_TICK: usize = 256;

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
        for at in &table.held {
            view.held.insert(at.id, Arc::new(Branch { at: *at, changes: OrdMap::new() }));
        }
        view.ancestry = table.ancestry.clone();
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
        let branch = match self.names.get(&id) {
            Some(name) => view.branches.get_mut(name)?,
            None => view.held.get_mut(&id)?,
        };
        Arc::make_mut(branch).changes.insert(key, change);
        Some(())
    }

    /// The table, as it is stored.
    pub(crate) fn table(&self) -> Arc<BranchTable> {
        self.table.clone()
    }

    /// The hash of the table within the state root; `None` before the first branch was made.
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
        let table = BranchTable {
            refs: refs.collect(),
            held: view.held.values().map(|branch| branch.at).collect(),
            removed: self.removed.keys().copied().collect(),
            made: self.made,
            ancestry: view.ancestry.clone(),
        };
        self.hash = (self.made > 0).then(|| {
            let record = table.encode();
            let record = record.expect("invariant: a table's parts have limits that fit a record");
            blake3::hash(&record).into()
        });
        self.table = Arc::new(table);
    }

    /// Gives up the removed branches that nobody has to read any more.
    fn release(&mut self, view: &mut View) {
        let needed = needed(view);
        let held: Vec<BranchId> = view.held.keys().copied().collect();
        for id in held.into_iter().filter(|id| !needed.contains(id)) {
            let Some(branch) = view.held.remove(&id) else { continue };
            self.removed.insert(id, branch.changes.clone());
            Arc::make_mut(&mut view.ancestry).forget(id);
        }
    }
}

/// The lines that branches read through, or have merged other than by way of main.
fn needed(view: &View) -> BTreeSet<BranchId> {
    let mut needed = BTreeSet::new();
    let mut open: Vec<BranchId> = Vec::new();
    for branch in view.branches.values() {
        open.push(branch.at.from);
        open.extend(view.ancestry.beyond_main(branch.at.id));
    }
    while let Some(id) = open.pop() {
        if needed.insert(id)
            && let Some(held) = view.held.get(&id)
        {
            open.push(held.at.from);
        }
    }
    needed
}

/// What a write does to the branches, beyond its changes.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    begins: Option<(Arc<str>, LinePoint)>,
    ends: Vec<Arc<str>>,
    merges: Option<LinePoint>,
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
        if let Some(taken) = links.merges {
            self.check_merge(BranchId::MAIN, taken)?;
        }
        Ok(moves)
    }

    /// What a write to a branch does to it. Changes nothing.
    pub(crate) fn moves_of(&self, id: BranchId, links: &Links) -> Result<Moves, Rejection> {
        if links.begins.is_some() {
            return Err(Rejection::Malformed("a branch's own write begins no other".into()));
        }
        if let Some(taken) = links.merges {
            self.check_merge(id, taken)?;
        }
        Ok(Moves { merges: links.merges, ..Moves::default() })
    }

    /// # Errors
    /// [`BranchProblem::Gone`], [`BranchProblem::Moved`] when something else than `taken` would have
    /// to be merged by now, [`Rejection::Malformed`].
    fn check_merge(&self, into: BranchId, taken: LinePoint) -> Result<(), Rejection> {
        let LinePoint { line, at } = taken;
        if line == into {
            return Err(Rejection::Malformed("a line is not merged into itself".into()));
        }
        let head = match line {
            BranchId::MAIN => self.view.head,
            _ => {
                let branch = self.lines.find(&self.view, line);
                branch.ok_or(Rejection::Branch(BranchProblem::Gone))?.at.head
            }
        };
        // Main never rests, so that any commit of it may be taken.
        let moved = if line == BranchId::MAIN {
            at.revision > head.revision
        } else {
            at.revision != head.revision
        };
        let here = Place { line: into, revision: self.view.revision };
        let taken = self.view.own_place(taken.place());
        if moved || self.view.ancestry.is_within(taken, here) {
            return Err(Rejection::Branch(BranchProblem::Moved(head.revision)));
        }
        let count = self.view.ancestry.len();
        if count >= TAKEN_MAX {
            return Err(Rejection::Malformed(format!(
                "the branches tell of {count} merges, at most {TAKEN_MAX}: remove some branches"
            )));
        }
        Ok(())
    }

    fn begin(&self, moves: &mut Moves, key: &ObjectKey, links: &Links) -> Result<(), Rejection> {
        let malformed = |text: String| Err(Rejection::Malformed(text));
        let Some(begins) = links.begins else {
            return malformed(format!("{key} does not say where the branch begins"));
        };
        if moves.begins.is_some() {
            return malformed("two branches begin in one write".into());
        }
        let floor = self.anchor.map_or(Revision::ZERO, |anchor| anchor.revision);
        let (oldest, newest) = match begins.line {
            BranchId::MAIN => (floor, self.view.revision),
            line => {
                let from = self.lines.find(&self.view, line);
                let from = from.ok_or(Rejection::Branch(BranchProblem::Gone))?;
                (from.at.base.revision, from.at.head.revision)
            }
        };
        let revision = begins.at.revision;
        if revision > newest || revision < oldest {
            return malformed(format!("a branch cannot begin at revision {revision}"));
        }
        moves.begins = Some((key.name().into(), begins));
        Ok(())
    }

    /// Makes the moves of the commit at `here`.
    pub(crate) fn make(&mut self, moves: Moves, here: Place) {
        let Moves { begins, ends, merges } = moves;
        if begins.is_none() && ends.is_empty() && merges.is_none() {
            return;
        }
        let floor = self.anchor.map_or(Revision::ZERO, |anchor| anchor.revision);
        let (lines, view) = (&mut self.lines, &mut self.view);
        if let Some(taken) = merges {
            let taken = view.own_place(taken.place());
            let ancestry: &mut Ancestry = Arc::make_mut(&mut view.ancestry);
            ancestry.merge(here.line, here.revision, taken, floor);
        }
        for name in ends {
            let Some(branch) = view.branches.remove(&name) else { continue };
            lines.names.remove(&branch.at.id);
            view.held.insert(branch.at.id, branch);
        }
        if let Some((name, LinePoint { line, at })) = begins {
            lines.made += 1;
            let id = BranchId(lines.made);
            let base = view.own_place(LinePoint { line, at }.place());
            let at = BranchRef { id, from: base.line, base: at, head: at };
            Arc::make_mut(&mut view.ancestry).begin(id, base);
            lines.names.insert(id, name.clone());
            view.branches.insert(name, Arc::new(Branch { at, changes: OrdMap::new() }));
        }
        lines.release(view);
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
