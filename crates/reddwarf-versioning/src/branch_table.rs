//! The record of the branches, as it is hashed, stored and sent.

use reddwarf_core::codec::{self, CodecError};
use reddwarf_core::{Ancestry, BranchId, BranchRef, CommitPoint};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Version of a record that tells of branches of main alone, none of which was ever merged.
const OF_MAIN: u8 = 1;
/// Version of any other.
const TABLE_VERSION: u8 = 2;

/// Which branches there are and were; what they changed is in rows of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchTable {
    /// Where each branch stands, by name.
    pub refs: Vec<(Arc<str>, BranchRef)>,
    /// Removed branches that others began at or have merged.
    pub held: Vec<BranchRef>,
    /// Removed branches of which something is still held.
    pub removed: Vec<BranchId>,
    /// How many branches were ever made: the number of the newest one.
    pub made: u32,
    /// What the lines have of each other.
    pub ancestry: Arc<Ancestry>,
}

/// The record of [`OF_MAIN`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BranchesOfMain {
    refs: Vec<(Arc<str>, RefOfMain)>,
    removed: Vec<BranchId>,
    made: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RefOfMain {
    id: BranchId,
    base: CommitPoint,
    head: CommitPoint,
    /// What the newest merge took; earlier formats did not tell on which side.
    merged: Option<CommitPoint>,
}

/// Why a record of branches cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It is none.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// It tells of merges in a way that leaves open what was merged.
    #[error(
        "branch {0} was merged by an earlier build, which did not record what: remove it there"
    )]
    Merged(Arc<str>),
}

impl BranchTable {
    /// The branch of this number, also one that was removed but is held.
    pub fn find(&self, id: BranchId) -> Option<&BranchRef> {
        self.refs.iter().map(|(_, at)| at).chain(&self.held).find(|at| at.id == id)
    }

    /// The record.
    ///
    /// # Errors
    /// [`CodecError::Length`].
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        match self.of_main() {
            Some(table) => codec::encode(OF_MAIN, &table),
            None => codec::encode(TABLE_VERSION, self),
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn decode(record: &[u8]) -> Result<BranchTable, TableError> {
        match record.first() {
            Some(&OF_MAIN) => codec::decode::<BranchesOfMain>(OF_MAIN, record)?.try_into(),
            _ => Ok(codec::decode(TABLE_VERSION, record)?),
        }
    }

    /// What an earlier format says of these branches, if it can.
    fn of_main(&self) -> Option<BranchesOfMain> {
        let of_main = |(name, at): &(Arc<str>, BranchRef)| {
            let BranchRef { id, from, base, head } = *at;
            (from == BranchId::MAIN)
                .then(|| (name.clone(), RefOfMain { id, base, head, merged: None }))
        };
        let refs = self.refs.iter().map(of_main).collect::<Option<_>>()?;
        let plain = self.held.is_empty() && *self.ancestry == begun(&self.refs);
        plain.then(|| BranchesOfMain { refs, removed: self.removed.clone(), made: self.made })
    }
}

impl TryFrom<BranchesOfMain> for BranchTable {
    type Error = TableError;

    fn try_from(table: BranchesOfMain) -> Result<Self, TableError> {
        let mut refs = Vec::with_capacity(table.refs.len());
        for (name, RefOfMain { id, base, head, merged }) in table.refs {
            if merged.is_some() {
                return Err(TableError::Merged(name));
            }
            refs.push((name, BranchRef { id, from: BranchId::MAIN, base, head }));
        }
        let ancestry = Arc::new(begun(&refs));
        let BranchesOfMain { removed, made, .. } = table;
        Ok(BranchTable { refs, held: Vec::new(), removed, made, ancestry })
    }
}

/// What branches have of main that have never merged anything.
fn begun(refs: &[(Arc<str>, BranchRef)]) -> Ancestry {
    let mut ancestry = Ancestry::default();
    for (_, at) in refs {
        ancestry.begin(at.id, reddwarf_core::Place { line: at.from, revision: at.base.revision });
    }
    ancestry
}

#[cfg(test)]
mod tests {
    use super::*;
    use reddwarf_core::{Place, Revision};

    fn point(revision: u64) -> CommitPoint {
        CommitPoint { revision: Revision(revision), ..CommitPoint::default() }
    }

    fn table() -> BranchTable {
        let at =
            |id, from, base, head| BranchRef { id, from, base: point(base), head: point(head) };
        let refs: Vec<(Arc<str>, BranchRef)> =
            vec![("a".into(), at(BranchId(1), BranchId::MAIN, 3, 7))];
        let ancestry = Arc::new(begun(&refs));
        BranchTable { refs, removed: vec![BranchId(2)], made: 2, ancestry, held: Vec::new() }
    }

    #[test]
    fn branches_of_main_are_written_as_ever() {
        let table = table();
        let record = table.encode().expect("encoded");
        assert_eq!(record[0], OF_MAIN);
        assert_eq!(BranchTable::decode(&record).expect("read"), table);
    }

    #[test]
    fn what_else_there_is_has_a_version_of_its_own() {
        let mut merged = table();
        let from = Place { line: BranchId(1), revision: Revision(7) };
        Arc::make_mut(&mut merged.ancestry).merge(BranchId::MAIN, Revision(8), from, Revision(0));
        let mut nested = table();
        let at = nested.refs[0].1;
        nested.refs.push(("b".into(), BranchRef { id: BranchId(3), from: at.id, ..at }));
        let mut held = table();
        held.held.push(at);
        for table in [merged, nested, held] {
            let record = table.encode().expect("encoded");
            assert_eq!(record[0], TABLE_VERSION);
            assert_eq!(BranchTable::decode(&record).expect("read"), table);
        }
    }

    #[test]
    fn a_merge_of_unknown_direction_is_refused() {
        let old = BranchesOfMain {
            refs: vec![(
                "canary".into(),
                RefOfMain {
                    id: BranchId(1),
                    base: point(3),
                    head: point(9),
                    merged: Some(point(7)),
                },
            )],
            removed: Vec::new(),
            made: 1,
        };
        let record = codec::encode(OF_MAIN, &old).expect("encoded");
        let refused = BranchTable::decode(&record).expect_err("refused").to_string();
        assert!(refused.contains("branch canary was merged"), "{refused}");
    }
}
