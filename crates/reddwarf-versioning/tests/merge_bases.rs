//! Merge bases of main and its branches, against the commits' own graph.

use proptest::prelude::*;
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::{
    BranchId, BranchProblem, Change, CommitId, CommitPoint, Links, ObjectIndex, ObjectKey, Outcome,
    Proposal, ProposalKind, Rejection, RequestId, Revision, Write,
};
use reddwarf_versioning::{EntryContext, State, decode_header};
use std::collections::{BTreeMap, BTreeSet};

const BODY: &str = r#"{"metadata":{"resourceVersion":""}}"#;
const OFFSET: u32 = 32;

fn put(key: ObjectKey) -> Change {
    let (index, salt) = (ObjectIndex::default(), None);
    Change::Put { key, body: BODY.into(), version_offset: OFFSET, index, salt }
}

fn branch_key(name: &str) -> ObjectKey {
    let (group, resource) = BRANCHES.split_once('/').expect("a collection");
    ObjectKey::new(group, resource, "", name)
}

/// A state machine and the graph of its commits.
#[derive(Default)]
struct Dag {
    state: State,
    index: u64,
    /// Name and parents of each commit.
    commits: BTreeMap<CommitId, (String, Vec<CommitId>)>,
    counts: BTreeMap<String, u32>,
}

impl Dag {
    fn point(&self, line: &str) -> CommitPoint {
        let view = self.state.view();
        if line == "m" { view.head } else { view.branches[line].at.head }
    }

    fn base(&self, branch: &str) -> CommitPoint {
        self.state.view().branches[branch].at.merge_base()
    }

    /// Writes to a line: `m`, or a branch.
    fn write(
        &mut self,
        line: &str,
        change: Change,
        links: Links,
    ) -> Result<CommitPoint, Rejection> {
        self.index += 1;
        let branch = match line {
            "m" => BranchId::MAIN,
            name => self.state.view().branches[name].at.id,
        };
        let links = (!links.is_empty()).then(|| Box::new(links));
        let write = Write { branch, changes: vec![change], links, ..Write::default() };
        let kind = match (branch, ProposalKind::from(write)) {
            (BranchId::MAIN, kind) | (_, kind @ ProposalKind::LinkedWrite(..)) => kind,
            (_, ProposalKind::Write(write)) => ProposalKind::LinkedWrite(write, Links::default()),
            (_, kind) => kind,
        };
        let request_id = RequestId(u128::from(self.index).to_be_bytes());
        let proposal = Proposal { request_id, made_at: self.index - 1, kind };
        let entry = EntryContext { index: self.index, term: 1, leader: 1 };
        let applied = self.state.apply(entry, proposal).expect("in order");
        if let Outcome::Rejected(rejection) = applied.outcome {
            return Err(rejection);
        }
        let commit = applied.commit.expect("a commit");
        let header = decode_header(&commit.header).expect("a header");
        let count = self.counts.entry(line.to_owned()).or_default();
        *count += 1;
        self.commits.insert(commit.committed.id, (format!("{line}{count}"), header.parents));
        Ok(self.point(line))
    }

    fn commit(&mut self, line: &str) {
        let key = ObjectKey::new("", "pods", "ns", line);
        self.write(line, put(key), Links::default()).expect("committed");
    }

    fn begin(&mut self, branch: &str) {
        let links = Links { begins: Some(self.point("m")), ..Links::default() };
        self.write("m", put(branch_key(branch)), links).expect("begun");
    }

    /// Main merges a branch.
    fn merge(&mut self, branch: &str) {
        let at = self.state.view().branches[branch].at;
        let links = Links { merges: Some((at.id, at.head)), ..Links::default() };
        let key = ObjectKey::new("", "pods", "ns", branch);
        self.write("m", put(key), links).expect("merged");
    }

    /// A branch merges a commit of main, whose proposer saw that merge base.
    fn take(
        &mut self,
        branch: &str,
        taken: CommitPoint,
        base: CommitPoint,
    ) -> Result<(), Rejection> {
        let merges = Some((BranchId::MAIN, taken));
        let links = Links { merges, begins: Some(base), ..Links::default() };
        let key = ObjectKey::new("", "pods", "ns", "m");
        self.write(branch, put(key), links).map(drop)
    }

    fn ancestors(&self, of: CommitId) -> BTreeSet<CommitId> {
        let (mut found, mut next) = (BTreeSet::new(), vec![of]);
        while let Some(id) = next.pop() {
            if found.insert(id) {
                next.extend(self.commits.get(&id).into_iter().flat_map(|(_, parents)| parents));
            }
        }
        found
    }

    /// Common ancestors of main and a branch that are ancestors of no other one.
    fn best_common(&self, branch: &str) -> Vec<CommitId> {
        let ours = self.ancestors(self.point("m").commit);
        let theirs = self.ancestors(self.point(branch).commit);
        let common: Vec<CommitId> = ours.intersection(&theirs).copied().collect();
        let below = |id: &CommitId| {
            common.iter().any(|other| other != id && self.ancestors(*other).contains(id))
        };
        common.iter().filter(|id| !below(id)).copied().collect()
    }

    fn name(&self, id: CommitId) -> &str {
        self.commits.get(&id).map_or("-", |(name, _)| name)
    }

    fn check(&self) {
        for branch in self.state.view().branches.keys() {
            let best = self.best_common(branch);
            let base = self.base(branch).commit;
            assert_eq!(best, [base], "{branch}: {}\n{}", self.name(base), self.drawn(branch));
        }
    }

    /// Every commit with its parents, the newest first, as far as main and the branch have them.
    fn drawn(&self, branch: &str) -> String {
        let mut all = self.ancestors(self.point("m").commit);
        all.extend(self.ancestors(self.point(branch).commit));
        let mut lines = BTreeMap::new();
        for id in all {
            let Some((name, parents)) = self.commits.get(&id) else { continue };
            let parents: Vec<&str> = parents.iter().map(|parent| self.name(*parent)).collect();
            lines.insert(name.clone(), format!("{name} <- {}\n", parents.join(" ")));
        }
        lines.into_values().collect()
    }
}

/// Runs steps, one a word: `m` and `a` commit to that line, `a>m` and `m>a` merge.
fn run(steps: &str) -> Dag {
    let mut dag = Dag::default();
    for step in steps.split_whitespace() {
        match step.split_once('>') {
            None if step.starts_with('+') => dag.begin(&step[1..]),
            None => dag.commit(step),
            Some((branch, "m")) => dag.merge(branch),
            Some(("m", branch)) => {
                let (taken, base) = (dag.point("m"), dag.base(branch));
                dag.take(branch, taken, base).expect("taken");
            }
            Some(_) => panic!("{step}"),
        }
        dag.check();
    }
    dag
}

#[test]
fn the_newest_merge_tells_the_base() {
    for (steps, base, drawn) in [
        // m1─m2─m3
        //  └──a1
        ("m +a a m", "m1", "a1 <- m1\nm1 <- \nm2 <- m1\nm3 <- m2\n"),
        // m1─m2─m3─m4
        //  └─a1──┘
        ("m +a a a>m m", "a1", "a1 <- m1\nm1 <- \nm2 <- m1\nm3 <- m2 a1\nm4 <- m3\n"),
        // m1─m2─m3
        //  │     └──┐
        //  └─a1────a2
        ("m +a a m m>a", "m3", "a1 <- m1\na2 <- a1 m3\nm1 <- \nm2 <- m1\nm3 <- m2\n"),
        // Criss and cross, one after the other.
        // m1─m2─m3──┬──m4─m5
        //  └─a1┘    a2─┘
        (
            "m +a a a>m m>a a>m m",
            "a2",
            "a1 <- m1\na2 <- a1 m3\nm1 <- \nm2 <- m1\nm3 <- m2 a1\nm4 <- m3 a2\nm5 <- m4\n",
        ),
    ] {
        let dag = run(steps);
        assert_eq!(dag.name(dag.base("a").commit), base, "{steps}");
        assert_eq!(dag.drawn("a"), drawn, "{steps}");
    }
}

#[test]
fn branches_know_of_each_other_through_main() {
    let dag = run("m +a +b a b a>m m>b b m>a b>m a m>a");
    assert_eq!(dag.name(dag.base("a").commit), "m5");
    assert_eq!(dag.name(dag.base("b").commit), "b3");
}

/// Main merges the branch while a merge of main into the branch is computed: the two would have
/// two merge bases, of which none is the better.
#[test]
fn a_merge_that_would_cross_another_is_computed_again() {
    let mut dag = run("m +a a m");
    let (taken, base) = (dag.point("m"), dag.base("a"));
    dag.merge("a");
    let crossed = dag.take("a", taken, base);
    let head = dag.point("a").revision;
    assert_eq!(crossed, Err(Rejection::Branch(BranchProblem::Moved(head))));
    dag.check();
    let (taken, base) = (dag.point("m"), dag.base("a"));
    dag.take("a", taken, base).expect("computed again");
    dag.check();
}

#[test]
fn what_cannot_be_taken_is_refused() {
    let mut dag = run("m +a a m +b b m>a");
    let base = dag.base("a");
    let ahead = CommitPoint { revision: Revision(1_000), ..base };
    for (taken, base) in [(base, base), (ahead, base), (dag.point("b"), dag.base("b"))] {
        assert!(dag.take("a", taken, base).is_err(), "{taken:?}");
    }
    let other = dag.state.view().branches["b"].at;
    let links =
        Links { merges: Some((other.id, other.head)), begins: Some(base), ..Links::default() };
    let of_other = dag.write("a", put(ObjectKey::new("", "pods", "ns", "x")), links);
    assert!(matches!(of_other, Err(Rejection::Malformed(_))), "{of_other:?}");
    dag.check();
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Option<u8>),
    Begin(u8),
    Merge(u8),
    /// What is needed to merge main is read now, and the merge proposed later.
    Read(u8),
    Take(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::option::of(0..3u8).prop_map(Step::Commit),
        1 => (0..3u8).prop_map(Step::Begin),
        2 => (0..3u8).prop_map(Step::Merge),
        2 => (0..3u8).prop_map(Step::Read),
        2 => (0..3u8).prop_map(Step::Take),
    ]
}

proptest! {
    #[test]
    fn the_base_is_the_one_best_common_ancestor(steps in prop::collection::vec(step(), 1..50)) {
        let mut dag = Dag::default();
        let mut read: BTreeMap<u8, (CommitPoint, CommitPoint)> = BTreeMap::new();
        let name = |n: u8| ["a", "b", "c"][usize::from(n)];
        dag.commit("m");
        for step in steps {
            let begun = |n: u8| dag.state.view().branches.contains_key(name(n));
            match step {
                Step::Commit(None) => dag.commit("m"),
                Step::Begin(n) if !begun(n) => dag.begin(name(n)),
                Step::Commit(Some(n)) if begun(n) => dag.commit(name(n)),
                Step::Merge(n) if begun(n) => dag.merge(name(n)),
                Step::Read(n) if begun(n) => {
                    read.insert(n, (dag.point("m"), dag.base(name(n))));
                }
                Step::Take(n) if read.contains_key(&n) => {
                    let (taken, base) = read.remove(&n).expect("just seen");
                    // What is refused is computed again by who asked.
                    let _ = dag.take(name(n), taken, base);
                }
                _ => {}
            }
            dag.check();
        }
    }
}
