//! `apply` against a map that does the same in the plainest way.

use proptest::prelude::*;
use reddwarf_core::{
    BranchId, Change, Expectation, ObjectIndex, ObjectKey, Outcome, Precondition, Proposal,
    ProposalKind, RequestId, Revision, Write,
};
use reddwarf_versioning::{EntryContext, State, StateBuilder, commit_id, decode_header};
use std::collections::BTreeMap;

const BODY: &str = r#"{"metadata":{"resourceVersion":""},"n":0}"#;
const OFFSET: u32 = 32;

#[derive(Clone, Debug)]
struct Step {
    changes: Vec<(u8, Option<u8>)>,
    conditions: Vec<(u8, u8)>,
    repeat: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0..8u8, prop::option::weighted(0.8, any::<u8>()));
    let changes = prop::collection::vec(change, 1..4);
    let conditions = prop::collection::vec((0..8u8, 0..4u8), 0..2);
    (changes, conditions, prop::bool::weighted(0.1))
        .prop_map(|(changes, conditions, repeat)| Step { changes, conditions, repeat })
}

fn key(n: u8) -> ObjectKey {
    ObjectKey::new(
        "",
        if n.is_multiple_of(2) { "pods" } else { "services" },
        "ns",
        &format!("o{n}"),
    )
}

#[derive(Default)]
struct Model {
    revision: u64,
    objects: BTreeMap<ObjectKey, (u64, u64, String)>,
}

impl Model {
    /// The write's range of revisions, `None` when it must be rejected.
    fn write(&mut self, write: &Write) -> Option<(u64, u64)> {
        let mut seen = BTreeMap::new();
        for change in &write.changes {
            seen.insert(change.key().clone(), ());
            let absent = !self.objects.contains_key(change.key());
            if matches!(change, Change::Delete { .. }) && absent {
                return None;
            }
        }
        let holds = |condition: &Precondition| {
            let found = self.objects.get(&condition.key).map(|object| object.0);
            match condition.expect {
                Expectation::Absent => found.is_none(),
                Expectation::Present => found.is_some(),
                Expectation::At(revision) => found == Some(revision.0),
            }
        };
        if seen.len() != write.changes.len() || !write.preconditions.iter().all(holds) {
            return None;
        }
        let first = self.revision + 1;
        for change in &write.changes {
            self.revision += 1;
            let created = self.objects.get(change.key()).map_or(self.revision, |o| o.1);
            match change {
                Change::Delete { key } => {
                    self.objects.remove(key);
                }
                Change::Put { key, body, .. } => {
                    let text = String::from_utf8_lossy(body);
                    let text = text.replace(
                        r#""resourceVersion":"""#,
                        &format!(r#""resourceVersion":"{}""#, self.revision),
                    );
                    self.objects.insert(key.clone(), (self.revision, created, text));
                }
            }
        }
        Some((first, self.revision))
    }
}

fn write_of(step: &Step, model: &Model) -> Write {
    let changes = step.changes.iter().map(|(n, value)| match value {
        None => Change::Delete { key: key(*n) },
        Some(value) => Change::Put {
            key: key(*n),
            body: BODY.replace(":0", &format!(":{value}")).into(),
            version_offset: OFFSET,
            index: ObjectIndex::default(),
            salt: None,
        },
    });
    let conditions = step.conditions.iter().map(|(n, kind)| Precondition {
        key: key(*n),
        expect: match kind {
            0 => Expectation::Absent,
            1 => Expectation::Present,
            2 => Expectation::At(Revision(model.revision)),
            _ => Expectation::At(Revision(model.objects.get(&key(*n)).map_or(1, |o| o.0))),
        },
    });
    Write { preconditions: conditions.collect(), changes: changes.collect(), ..Write::default() }
}

proptest! {
    #[test]
    fn agrees_with_the_model(steps in prop::collection::vec(step(), 1..40)) {
        let (mut state, mut model) = (State::new(), Model::default());
        let (mut index, mut id, mut parent) = (0, 0u128, None);
        let mut requests = BTreeMap::new();
        for step in &steps {
            id += u128::from(!step.repeat || id == 0);
            index += 1;
            let write = write_of(step, &model);
            let repeated = requests.values().any(|(known, _, _)| *known == id);
            let expected = if repeated { None } else { model.write(&write) };
            let request_id = RequestId(id.to_be_bytes());
            let proposal = Proposal { request_id, made_at: index - 1, kind: ProposalKind::Write(write) };
            let applied = state.apply(EntryContext { index, term: 1, leader: 1 }, proposal).expect("in order");
            prop_assert_eq!(applied.remembered.is_none(), repeated);
            if repeated {
                let first = requests.values().find(|(known, _, _)| *known == id).map(|(_, o, _)| o);
                prop_assert_eq!(first, Some(&applied.outcome));
            } else {
                let range = match &applied.outcome {
                    Outcome::Committed(committed) => Some((committed.first.0, committed.last.0)),
                    _ => None,
                };
                prop_assert_eq!(range, expected, "{:?}", applied.outcome);
            }
            if let Some(commit) = &applied.commit {
                let header = decode_header(&commit.header).expect("a header");
                prop_assert_eq!(header.parents.first().copied(), parent);
                prop_assert_eq!(commit_id(&commit.header), commit.committed.id);
                parent = Some(commit.committed.id);
            }
            if let Some(row) = applied.remembered {
                requests.insert(row.index, (id, applied.outcome, row.record));
            }
        }
        let view = state.view();
        prop_assert_eq!(view.revision.0, model.revision);
        let stored: BTreeMap<_, _> = view.objects.iter().map(|(key, o)| {
            (key.clone(), (o.revision.0, o.created.0, String::from_utf8_lossy(&o.bytes).into_owned()))
        }).collect();
        prop_assert_eq!(stored, model.objects);

        // The root follows from the rows alone, in whatever order they come.
        let mut builder = StateBuilder::new(state.checkpoint());
        for object in view.objects.values().rev() {
            builder.object(BranchId::MAIN, object.as_ref().clone()).expect("content hash");
        }
        for (index, (_, _, record)) in &requests {
            builder.request(*index, record).expect("a row");
        }
        prop_assert_eq!(builder.finish().expect("adds up").root(), state.root());
    }
}

#[test]
fn entries_out_of_order_stop_the_replica() {
    let mut state = State::new();
    let entry = |index| EntryContext { index, term: 1, leader: 1 };
    state.apply_blank(entry(0)).expect("the first entry");
    state.apply_blank(entry(5)).expect("a later entry");
    assert!(state.apply_blank(entry(5)).is_err());
    assert!(state.set_membership(entry(4), "m".into()).is_err());
    assert_eq!(state.applied().index, 5);
}

#[test]
fn the_root_covers_what_is_not_an_object() {
    let entry = |index| EntryContext { index, term: 1, leader: 1 };
    let tick = |elapsed_ms, id| Proposal {
        request_id: RequestId([id; 16]),
        made_at: 0,
        kind: ProposalKind::Tick { elapsed_ms },
    };
    let of = |kind: u8| {
        let mut state = State::new();
        match kind {
            0 => state.apply_blank(entry(1)).expect("applies"),
            1 => state.set_membership(entry(1), "members".into()).expect("applies"),
            n => drop(state.apply(entry(1), tick(u64::from(n), n)).expect("applies")),
        }
        state.root()
    };
    let roots: std::collections::BTreeSet<_> = (0..5).map(|kind| of(kind).0).collect();
    assert_eq!(roots.len(), 5);
}
