//! Merge bases of main and the branches, against the commits' own graph.

use proptest::prelude::*;
use proptest::sample::Index;
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::{
    BranchId, BranchProblem, Change, CommitId, CommitPoint, LinePoint, Links, ObjectIndex,
    ObjectKey, Outcome, Place, Proposal, ProposalKind, Rejection, RequestId, Revision, Write,
};
use reddwarf_versioning::{EntryContext, State, decode_header};
use renderdag::{Ancestor, GraphRowRenderer, Renderer};
use std::collections::{BTreeMap, BTreeSet};

const BODY: &str = r#"{"metadata":{"resourceVersion":""}}"#;
const OFFSET: u32 = 32;
const MAIN: &str = "m";

fn put(key: ObjectKey) -> Change {
    let (index, salt) = (ObjectIndex::default(), None);
    Change::Put { key, body: BODY.into(), version_offset: OFFSET, index, salt }
}

fn branch_key(name: &str) -> ObjectKey {
    let (group, resource) = BRANCHES.split_once('/').expect("a collection");
    ObjectKey::new(group, resource, "", name)
}

/// A commit as the graph knows it.
struct Node {
    name: String,
    place: Place,
    parents: Vec<CommitId>,
}

/// A state machine and the graph of its commits.
#[derive(Default)]
struct Dag {
    state: State,
    index: u64,
    nodes: BTreeMap<CommitId, Node>,
    /// The commits of each line that there ever was.
    lines: BTreeMap<String, Vec<LinePoint>>,
}

impl Dag {
    fn id(&self, line: &str) -> BranchId {
        if line == MAIN { BranchId::MAIN } else { self.state.view().branches[line].at.id }
    }

    fn head(&self, line: &str) -> LinePoint {
        let id = self.id(line);
        LinePoint { line: id, at: self.state.head(id).expect("a line") }
    }

    /// The names of main and the branches.
    fn names(&self) -> Vec<String> {
        let view = self.state.view();
        [MAIN.to_owned()]
            .into_iter()
            .chain(view.branches.keys().map(|name| name.to_string()))
            .collect()
    }

    fn write(&mut self, line: &str, change: Change, links: Links) -> Result<(), Rejection> {
        self.index += 1;
        let branch = self.id(line);
        let write = Write { branch, changes: vec![change], ..Write::default() };
        let request_id = RequestId(u128::from(self.index).to_be_bytes());
        let kind = ProposalKind::LinkedWrite(write, links);
        let proposal = Proposal { request_id, made_at: self.index - 1, kind };
        let entry = EntryContext { index: self.index, term: 1, leader: 1 };
        let applied = self.state.apply(entry, proposal).expect("in order");
        if let Outcome::Rejected(rejection) = applied.outcome {
            return Err(rejection);
        }
        let commit = applied.commit.expect("a commit");
        let parents = decode_header(&commit.header).expect("a header").parents;
        let of_line = self.lines.entry(line.to_owned()).or_default();
        let (id, revision) = (commit.committed.id, commit.committed.last);
        of_line
            .push(LinePoint { line: branch, at: CommitPoint { commit: id, revision, time_ms: 0 } });
        let name = format!("{line}{}", of_line.len());
        self.nodes.insert(id, Node { name, place: Place { line: branch, revision }, parents });
        Ok(())
    }

    fn commit(&mut self, line: &str) {
        self.write(line, put(ObjectKey::new("", "pods", "ns", line)), Links::default())
            .expect("committed");
    }

    fn begin(&mut self, branch: &str, from: LinePoint) {
        let links = Links { begins: Some(from), ..Links::default() };
        self.write(MAIN, put(branch_key(branch)), links).expect("begun");
    }

    fn remove(&mut self, branch: &str) {
        let change = Change::Delete { key: branch_key(branch) };
        self.write(MAIN, change, Links::default()).expect("removed");
        self.lines.remove(branch);
    }

    fn merge(&mut self, from: LinePoint, into: &str) -> Result<(), Rejection> {
        let links = Links { merges: Some(from), ..Links::default() };
        self.write(into, put(ObjectKey::new("", "pods", "ns", "merged")), links)
    }

    fn ancestors(&self, of: CommitId) -> BTreeSet<CommitId> {
        let (mut found, mut next) = (BTreeSet::new(), vec![of]);
        while let Some(id) = next.pop() {
            if found.insert(id) {
                next.extend(self.nodes.get(&id).into_iter().flat_map(|node| &node.parents));
            }
        }
        found
    }

    /// Common ancestors of two lines that are ancestors of no other one, by the graph.
    fn best_common(&self, one: &str, other: &str) -> BTreeSet<Place> {
        let [one, other] = [one, other].map(|line| self.ancestors(self.head(line).at.commit));
        let common: Vec<CommitId> = one.intersection(&other).copied().collect();
        let below = |id: &CommitId| {
            common.iter().any(|other| other != id && self.ancestors(*other).contains(id))
        };
        let best = common.iter().filter(|id| !below(id));
        best.map(|id| self.nodes.get(id).map_or(Place::default(), |node| node.place)).collect()
    }

    fn bases(&self, one: &str, other: &str) -> BTreeSet<Place> {
        let view = self.state.view();
        let bases = view.ancestry.merge_bases(self.head(one).place(), self.head(other).place());
        // A line that has no commit of its own stands at the one where it began.
        let of_graph = |place: Place| {
            let branch = view.line(place.line).map(|(_, branch)| branch.at);
            match branch.filter(|at| at.base.revision == place.revision) {
                Some(at) => self.nodes.get(&at.base.commit).map_or(Place::default(), |n| n.place),
                None => place,
            }
        };
        bases.into_iter().map(of_graph).collect()
    }

    fn check(&self) {
        let names = self.names();
        for one in &names {
            for other in names.iter().filter(|other| *other != one) {
                let (bases, best) = (self.bases(one, other), self.best_common(one, other));
                let drawn = || self.drawn(&[one, other]);
                assert_eq!(bases, best, "{one} and {other}:\n{}", drawn());
            }
        }
    }

    fn named(&self, places: &BTreeSet<Place>) -> String {
        let names = places.iter().map(|place| {
            let found = self.nodes.values().find(|node| node.place == *place);
            found.map_or("the empty state", |node| &node.name)
        });
        names.collect::<Vec<_>>().join(" and ")
    }

    /// The graph of some lines, the newest commit first.
    fn drawn(&self, lines: &[&str]) -> String {
        let all = lines.iter().flat_map(|line| self.ancestors(self.head(line).at.commit));
        let mut all: Vec<(&CommitId, &Node)> = all
            .collect::<BTreeSet<_>>()
            .iter()
            .filter_map(|id| self.nodes.get_key_value(id))
            .collect();
        all.sort_by_key(|(_, node)| std::cmp::Reverse(node.place.revision));
        let mut renderer = GraphRowRenderer::new().output().with_min_row_height(1).build_ascii();
        let rows = all.into_iter().map(|(id, node)| {
            let parents = node.parents.iter().copied().map(Ancestor::Parent).collect();
            renderer.next_row(*id, parents, "o".to_owned(), node.name.clone())
        });
        let text: String = rows.collect();
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

/// Runs steps, one a word: `a` commits to that line, `+b:a` begins one at another's head, `a>m`
/// merges, `-a` removes.
fn run(steps: &str) -> Dag {
    let mut dag = Dag::default();
    for step in steps.split_whitespace() {
        if let Some((from, into)) = step.split_once('>') {
            dag.merge(dag.head(from), into).expect("merged");
        } else if let Some((branch, from)) = step.strip_prefix('+').and_then(|s| s.split_once(':'))
        {
            dag.begin(branch, dag.head(from));
        } else if let Some(branch) = step.strip_prefix('-') {
            dag.remove(branch);
        } else {
            dag.commit(step);
        }
        dag.check();
    }
    dag
}

/// What is told of the merge bases of two lines, with the graph.
fn told(steps: &str, one: &str, other: &str) -> String {
    let dag = run(steps);
    let bases = dag.named(&dag.bases(one, other));
    format!("{steps}\nthe merge base of {one} and {other}: {bases}\n\n{}", dag.drawn(&[one, other]))
}

#[test]
fn graphs() {
    let told = [
        ("m +a:m a m", MAIN, "a"),
        ("m +a:m a a>m m", MAIN, "a"),
        ("m +a:m a m m>a", MAIN, "a"),
        ("m +a:m a a>m m>a a>m m", MAIN, "a"),
        // A branch of a branch is merged with both.
        ("m +a:m a +b:a b a", "a", "b"),
        ("m +a:m a +b:a b m", MAIN, "b"),
        ("m +a:m a +b:a b b>m a m>a", MAIN, "a"),
        // Two branches that merge each other at the same time have two merge bases after that.
        ("m +a:m +b:m a b +x:a +y:b b>a x>b", "a", "b"),
        // The same with main.
        ("m +a:m a m +x:a m>a x>m a m", MAIN, "a"),
        // Again, one upon the other.
        ("m +a:m +b:m a b +x:a +y:b b>a x>b +p:a +q:b q>a p>b", "a", "b"),
        // Three lines from which two others have taken.
        ("m +a:m +b:m +c:m +d:m +e:m a b c a>d b>d c>d a>e b>e c>e", "d", "e"),
    ]
    .map(|(steps, one, other)| told(steps, one, other));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_removed_line_is_remembered_by_those_that_merged_it() {
    let dag = run("m +a:m +b:m +l:m l l>a l>b -l a b");
    assert_eq!(dag.state.view().held.len(), 1);
    let bases = dag.bases("a", "b");
    assert_eq!(bases.len(), 1);
    assert_ne!(bases.first().map(|place| place.line), Some(BranchId::MAIN));
    let dag = run("m +a:m +b:m +l:m l l>a l>b -l a b -a -b");
    assert!(dag.state.view().held.is_empty());
    // Who has it by way of main only does not need it.
    let dag = run("m +l:m l +a:m l>m m>a -l a m");
    assert!(dag.state.view().held.is_empty());
}

#[test]
fn a_merge_of_what_is_no_longer_the_newest_is_computed_again() {
    let mut dag = run("m +a:m +b:m a m");
    let (main, branch) = (dag.head(MAIN), dag.head("a"));
    dag.commit("a");
    let moved = BranchProblem::Moved(dag.head("a").at.revision);
    assert_eq!(dag.merge(branch, "b"), Err(Rejection::Branch(moved)));
    dag.commit(MAIN);
    dag.merge(main, "a").expect("any commit of main");
    let moved = BranchProblem::Moved(dag.head(MAIN).at.revision);
    assert_eq!(dag.merge(main, "a"), Err(Rejection::Branch(moved)), "it has that");
    let ahead = CommitPoint { revision: Revision(1_000), ..main.at };
    assert!(dag.merge(LinePoint::of_main(ahead), "a").is_err());
    assert!(dag.merge(dag.head("a"), "a").is_err());
    dag.check();
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Index),
    /// A branch begins at one of the commits of a line.
    Begin(usize, Index, Index),
    Remove(Index),
    /// What is merged is read now, and the merge proposed later.
    Read(Index),
    Merge(Index),
    /// Reads and merges.
    Both(Index, Index),
}

fn step() -> impl Strategy<Value = Step> {
    let any = any::<Index>;
    prop_oneof![
        4 => any().prop_map(Step::Commit),
        2 => (0..5_usize, any(), any()).prop_map(|(n, line, at)| Step::Begin(n, line, at)),
        1 => any().prop_map(Step::Remove),
        1 => any().prop_map(Step::Read),
        1 => any().prop_map(Step::Merge),
        4 => (any(), any()).prop_map(|(from, into)| Step::Both(from, into)),
    ]
}

proptest! {
    #[test]
    fn the_bases_are_the_best_common_ancestors(steps in prop::collection::vec(step(), 1..60)) {
        let mut dag = Dag::default();
        let mut read: Option<LinePoint> = None;
        dag.commit(MAIN);
        for step in steps {
            let names = dag.names();
            let one = |index: Index| names[index.index(names.len())].as_str();
            match step {
                Step::Commit(line) => dag.commit(one(line)),
                Step::Begin(n, from, at) => {
                    let (name, from) = (["a", "b", "c", "d", "e"][n], one(from));
                    let commits = dag.lines.get(from).map_or(&[][..], Vec::as_slice);
                    if !names.iter().any(|known| known == name) {
                        let head = dag.head(from);
                        dag.begin(name, if commits.is_empty() { head } else { *at.get(commits) });
                    }
                }
                Step::Remove(line) if names.len() > 1 => {
                    dag.remove(&names[1 + line.index(names.len() - 1)]);
                },
                Step::Read(line) => read = Some(dag.head(one(line))),
                // What is refused is computed again by who asked.
                Step::Merge(into) => drop(read.take().map(|from| dag.merge(from, one(into)))),
                Step::Both(from, into) => drop(dag.merge(dag.head(one(from)), one(into))),
                Step::Remove(_) => {}
            }
            dag.check();
        }
    }
}
