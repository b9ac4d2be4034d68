//! Branches against a model that copies the whole state for each of them.

use proptest::prelude::*;
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::{
    BaseObject, BranchId, BranchProblem, Change, CommitPoint, Expectation, LinePoint, Links,
    ObjectIndex, ObjectKey, Outcome, Place, Precondition, Proposal, ProposalKind, Rejection,
    RequestId, Revision, View, Write,
};
use reddwarf_versioning::{Applied, EntryContext, State, StateBuilder, decode_header};
use std::collections::BTreeMap;

const BODY: &str = r#"{"metadata":{"resourceVersion":""},"n":0}"#;
const OFFSET: u32 = 32;

fn pod(n: u8) -> ObjectKey {
    ObjectKey::new("", "pods", "ns", &format!("p{n}"))
}

fn branch_key(n: u8) -> ObjectKey {
    let (group, resource) = BRANCHES.split_once('/').expect("a collection");
    ObjectKey::new(group, resource, "", &format!("b{n}"))
}

fn put(key: ObjectKey, value: u8) -> Change {
    Change::Put {
        key,
        body: BODY.replace(":0", &format!(":{value}")).into(),
        version_offset: OFFSET,
        index: ObjectIndex::default(),
        salt: None,
    }
}

/// Revision and creation of each object.
type Objects = BTreeMap<ObjectKey, (Revision, Revision)>;

/// A branch as it should be.
#[derive(Clone)]
struct Line {
    id: BranchId,
    /// Where it began, and what was there.
    base: Revision,
    begun: Objects,
    /// What it has now.
    objects: Objects,
}

/// A state machine, the objects of every line as they should be, and what a proposer keeps.
#[derive(Default)]
struct Group {
    state: State,
    index: u64,
    /// What main has.
    main: Objects,
    branches: BTreeMap<u8, Line>,
}

impl Group {
    fn apply(&mut self, kind: impl Into<ProposalKind>) -> Applied {
        self.index += 1;
        let request_id = RequestId(u128::from(self.index).to_be_bytes());
        let proposal = Proposal { request_id, made_at: self.index - 1, kind: kind.into() };
        let entry = EntryContext { index: self.index, term: 1, leader: 1 };
        self.state.apply(entry, proposal).expect("in order")
    }

    fn now(&self) -> Objects {
        self.main.clone()
    }

    fn head(&self) -> CommitPoint {
        self.state.head(BranchId::MAIN).expect("main")
    }

    /// Writes to main or a branch; whether it was taken.
    fn write(&mut self, line: Option<u8>, changes: Vec<Change>, expect: Vec<Precondition>) -> bool {
        // What a proposer knows of the base: it has read the line where the branch began.
        let (branch, known, objects) = match line {
            None => (BranchId::MAIN, None, self.now()),
            Some(n) => {
                let Line { id, begun, objects, .. } = self.branches[&n].clone();
                (id, Some(begun), objects)
            }
        };
        let keys = changes.iter().map(Change::key).chain(expect.iter().map(|one| &one.key));
        let facts = keys.filter_map(|key| {
            let (revision, created) = *known.as_ref()?.get(key)?;
            Some(BaseObject { key: key.clone(), revision, created })
        });
        let links = Links { base: facts.collect(), ..Links::default() };
        let before = objects.clone();
        let (mut objects, mut revision) = (objects, self.state.revision());
        let mut taken = expect.iter().all(|one| {
            let found = before.get(&one.key).map(|(revision, _)| *revision);
            match one.expect {
                Expectation::Absent => found.is_none(),
                Expectation::Present => found.is_some(),
                Expectation::At(revision) => found == Some(revision),
            }
        });
        for change in &changes {
            revision = revision.next();
            match change {
                Change::Put { key, .. } => {
                    let created = objects.get(key).map_or(revision, |(_, created)| *created);
                    objects.insert(key.clone(), (revision, created));
                }
                Change::Delete { key } => taken &= objects.remove(key).is_some(),
            }
        }
        let write = Write {
            branch,
            changes,
            preconditions: expect,
            links: known.map(|_| Box::new(links)),
            ..Write::default()
        };
        let applied = self.apply(write);
        match &applied.outcome {
            Outcome::Committed(committed) => {
                assert!(taken, "{:?}", applied.outcome);
                assert_eq!(committed.last, revision);
                let header = decode_header(&applied.commit.expect("a commit").header);
                let header = header.expect("a header");
                for change in &header.changes {
                    let found = before.get(&change.key).map(|(revision, _)| *revision);
                    assert_eq!(change.before, found, "{}", change.key);
                }
                match line {
                    None => self.main = objects,
                    Some(n) => self.branches.get_mut(&n).expect("it is there").objects = objects,
                }
                true
            }
            outcome => {
                assert!(!taken, "{outcome:?}");
                false
            }
        }
    }

    fn begin(&mut self, n: u8, from: Option<u8>) {
        let (line, begun) = match from {
            None => (BranchId::MAIN, self.now()),
            Some(from) => (self.branches[&from].id, self.branches[&from].objects.clone()),
        };
        let at = self.state.head(line).expect("a line");
        let links = Links { begins: Some(LinePoint { line, at }), ..Links::default() };
        let changes = vec![put(branch_key(n), 0)];
        let write = Write { changes, links: Some(Box::new(links)), ..Write::default() };
        let applied = self.apply(write);
        if self.branches.contains_key(&n) {
            // Its object is there, and nothing begins.
            return assert!(matches!(applied.outcome, Outcome::Rejected(_)));
        }
        assert!(matches!(applied.outcome, Outcome::Committed(_)));
        let revision = self.state.revision();
        self.main.insert(branch_key(n), (revision, revision));
        let id = self.state.view().branches[format!("b{n}").as_str()].at.id;
        let objects = begun.clone();
        self.branches.insert(n, Line { id, base: at.revision, begun, objects });
    }

    fn check(&self) {
        let view = self.state.view();
        let shown = |view: &View| -> BTreeMap<_, _> {
            let objects = view.objects.values();
            objects.map(|o| (o.key.clone(), (o.revision, o.created))).collect()
        };
        assert_eq!(shown(&view), self.now());
        assert_eq!(view.branches.len(), self.branches.len());
        for (n, line) in &self.branches {
            let branch = &view.branches[format!("b{n}").as_str()];
            assert_eq!((branch.at.id, branch.at.base.revision), (line.id, line.base));
            let mut all = line.begun.clone();
            for (key, change) in &branch.changes {
                match &change.object {
                    Some(object) => all.insert(key.clone(), (object.revision, object.created)),
                    None => all.remove(key),
                };
            }
            assert_eq!(all, line.objects, "b{n}");
        }
    }

    /// The state made of its rows alone.
    fn rebuilt(&self) -> State {
        let mut builder = StateBuilder::new(self.state.checkpoint());
        let view = self.state.view();
        for object in view.objects.values() {
            builder.object(BranchId::MAIN, object.as_ref().clone()).expect("content hash");
        }
        for branch in view.branches.values().chain(view.held.values()) {
            let id = branch.at.id;
            for (key, change) in &branch.changes {
                match &change.object {
                    Some(object) => builder.object(id, object.as_ref().clone()),
                    None => builder.removal(id, key.clone(), change.revision),
                }
                .expect("a branch");
            }
        }
        builder.finish().expect("adds up")
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// At main or another branch.
    Begin(u8, Option<u8>),
    End(u8),
    Write(Option<u8>, Vec<(u8, Option<u8>)>, Vec<(u8, u8)>),
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0..8u8, prop::option::weighted(0.7, any::<u8>()));
    let changes = prop::collection::btree_map(0..8u8, change, 1..4);
    let expect = prop::collection::vec((0..8u8, 0..4u8), 0..2);
    prop_oneof![
        1 => (0..3u8, prop::option::of(0..3u8)).prop_map(|(n, from)| Step::Begin(n, from)),
        1 => (0..3u8).prop_map(Step::End),
        8 => (prop::option::of(0..3u8), changes, expect).prop_map(|(line, changes, expect)| {
            let changes = changes.into_iter().map(|(n, (_, value))| (n, value)).collect();
            Step::Write(line, changes, expect)
        }),
    ]
}

proptest! {
    #[test]
    fn agree_with_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let mut group = Group::default();
        group.write(None, (0..4).map(|n| put(pod(n), n)).collect(), vec![]);
        for step in steps {
            match step {
                Step::Begin(n, from) => {
                    group.begin(n, from.filter(|from| group.branches.contains_key(from)));
                }
                Step::End(n) => {
                    let there = group.branches.contains_key(&n);
                    let ended = group.write(None, vec![Change::Delete { key: branch_key(n) }], vec![]);
                    prop_assert_eq!(ended, there);
                    group.branches.remove(&n);
                }
                Step::Write(Some(n), ..) if !group.branches.contains_key(&n) => {}
                Step::Write(line, changes, expect) => {
                    let changes = changes.into_iter().map(|(n, value)| match value {
                        Some(value) => put(pod(n), value),
                        None => Change::Delete { key: pod(n) },
                    });
                    let objects = line.map_or_else(|| group.now(), |n| group.branches[&n].objects.clone());
                    let expect = expect.into_iter().map(|(n, kind)| Precondition {
                        key: pod(n),
                        expect: match kind {
                            0 => Expectation::Absent,
                            1 => Expectation::Present,
                            2 => Expectation::At(Revision(1)),
                            _ => Expectation::At(objects.get(&pod(n)).map_or(Revision(1), |o| o.0)),
                        },
                    });
                    group.write(line, changes.collect(), expect.collect());
                }
            }
            group.check();
        }
        while !group.state.checkpoint().branches.removed.is_empty() {
            group.apply(ProposalKind::Tick { elapsed_ms: 1 });
        }
        let rebuilt = group.rebuilt();
        // Requests are rows of their own, which another test restores.
        prop_assert_eq!(rebuilt.checkpoint(), group.state.checkpoint());
        prop_assert_eq!(rebuilt.view().branches, group.state.view().branches);
        prop_assert_eq!(rebuilt.view().held, group.state.view().held);
    }
}

/// A group in which branch `b0` began after `p0` to `p3` were made, and changed `p0`.
fn forked() -> Group {
    let mut group = Group::default();
    group.write(None, (0..4).map(|n| put(pod(n), n)).collect(), vec![]);
    group.begin(0, None);
    assert!(group.write(Some(0), vec![put(pod(0), 9)], vec![]));
    group
}

fn merge(group: &Group, head: CommitPoint) -> Write {
    let id = group.branches[&0].id;
    let links = Links { merges: Some(LinePoint { line: id, at: head }), ..Links::default() };
    let changes = vec![put(pod(0), 9)];
    Write { changes, links: Some(Box::new(links)), ..Write::default() }
}

#[test]
fn a_merge_has_two_parents() {
    let mut group = forked();
    let id = group.branches[&0].id;
    let (ours, theirs) = (group.head(), group.state.head(id).expect("the branch"));
    let applied = group.apply(merge(&group, theirs));
    let header = decode_header(&applied.commit.expect("merged").header).expect("a header");
    assert_eq!(header.parents, [ours.commit, theirs.commit]);
    let view = group.state.view();
    let main = Place { line: BranchId::MAIN, revision: view.revision };
    assert_eq!(view.ancestry.has(main, id), Some(theirs.revision));
    let again = group.apply(merge(&group, theirs)).outcome;
    let problem = BranchProblem::Moved(theirs.revision);
    assert_eq!(again, Outcome::Rejected(Rejection::Branch(problem)));
}

#[test]
fn a_branch_that_moved_is_not_merged() {
    let mut group = forked();
    let id = group.branches[&0].id;
    let seen = group.state.head(id).expect("the branch");
    assert!(group.write(Some(0), vec![put(pod(1), 9)], vec![]));
    let root = group.state.view().revision;
    let moved = group.apply(merge(&group, seen)).outcome;
    let problem = BranchProblem::Moved(root);
    assert_eq!(moved, Outcome::Rejected(Rejection::Branch(problem)));
    group.write(None, vec![Change::Delete { key: branch_key(0) }], vec![]);
    let gone = group.apply(merge(&group, seen)).outcome;
    assert_eq!(gone, Outcome::Rejected(Rejection::Branch(BranchProblem::Gone)));
}

#[test]
fn a_removed_branch_is_forgotten_in_steps() {
    let mut group = Group::default();
    group.write(None, vec![put(pod(0), 0)], vec![]);
    let root = |group: &Group| group.state.checkpoint().objects_hash;
    group.begin(0, None);
    let id = group.branches[&0].id;
    let many = |n: u32| ObjectKey::new("", "pods", "ns", &format!("many{n}"));
    group.write(Some(0), (0..900).map(|n| put(many(n), 1)).collect(), vec![]);
    group.write(Some(0), vec![Change::Delete { key: many(3) }], vec![]);
    group.write(None, vec![Change::Delete { key: branch_key(0) }], vec![]);
    let mut sizes = Vec::new();
    loop {
        let collected = group.apply(ProposalKind::Tick { elapsed_ms: 1 }).collected;
        assert!(collected.iter().all(|(branch, _)| *branch == id));
        if collected.is_empty() {
            break;
        }
        sizes.push(collected.len());
    }
    assert_eq!(sizes.iter().sum::<usize>(), 900);
    assert!(sizes.iter().all(|size| *size <= 256), "{sizes:?}");
    let mut plain = Group::default();
    plain.write(None, vec![put(pod(0), 0)], vec![]);
    assert_eq!(root(&group), root(&plain));
    // A new branch of the name is another one.
    group.branches.clear();
    group.begin(0, None);
    assert_ne!(group.branches[&0].id, id);
}

#[test]
fn writes_that_say_nonsense_of_branches_change_nothing() {
    let mut group = forked();
    let root = group.state.checkpoint().objects_hash;
    let id = group.branches[&0].id;
    let head = group.head();
    let with = |links: Links, branch, key| Write {
        branch,
        changes: vec![put(key, 1)],
        links: Some(Box::new(links)),
        ..Write::default()
    };
    let merges = |line, at| Links { merges: Some(LinePoint { line, at }), ..Links::default() };
    let begins = |revision| {
        let at = CommitPoint { revision, ..head };
        Links { begins: Some(LinePoint::of_main(at)), ..Links::default() }
    };
    for write in [
        with(Links::default(), BranchId::MAIN, branch_key(1)),
        with(begins(head.revision), BranchId::MAIN, pod(1)),
        with(begins(Revision(1_000)), BranchId::MAIN, branch_key(1)),
        with(begins(head.revision), id, pod(1)),
        with(merges(id, head), id, pod(1)),
        with(merges(BranchId(77), head), id, pod(1)),
        with(merges(BranchId::MAIN, head), BranchId::MAIN, pod(1)),
        with(Links::default(), BranchId(77), pod(1)),
    ] {
        let outcome = group.apply(write.clone()).outcome;
        assert!(matches!(outcome, Outcome::Rejected(_)), "{write:?}: {outcome:?}");
    }
    assert_eq!(group.state.checkpoint().objects_hash, root);
}
