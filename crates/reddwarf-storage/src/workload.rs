//! A repeatable sequence of entries for tests, with the state after each.

use crate::PersistBatch;
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::{
    BaseObject, Change, Collection, LinePoint, Links, ObjectIndex, ObjectKey, Outcome, Proposal,
    ProposalKind, RequestId, View, Write,
};
use reddwarf_versioning::{EntryContext, State, StateRoot};

/// The entry with this index, which follows from the index and the state.
pub(crate) fn proposal(state: &State, index: u64) -> Proposal {
    let key = |n: u64| Collection::new("", "pods").key("ns", &format!("pod-{}", n % 7));
    let put = |n: u64| Change::Put {
        key: key(n),
        body: format!(
            r#"{{"metadata":{{"resourceVersion":""}},"n":"{}"}}"#,
            "x".repeat((n * 131 % 900) as usize)
        )
        .into(),
        version_offset: 32,
        index: ObjectIndex { uid: format!("uid-{n}").into(), ..ObjectIndex::default() },
        salt: n.is_multiple_of(3).then_some([n as u8; 16]),
    };
    let view = state.view();
    let kind = if let Some(write) = on_branches(&view, index, &put) {
        ProposalKind::from(write)
    } else {
        of_main(&view, index, &key, &put)
    };
    let request_id = RequestId(u128::from(index).to_be_bytes());
    Proposal { request_id, made_at: index.saturating_sub(1), kind }
}

fn of_main(
    view: &View,
    index: u64,
    key: &dyn Fn(u64) -> ObjectKey,
    put: &dyn Fn(u64) -> Change,
) -> ProposalKind {
    match index % 5 {
        0 => ProposalKind::Tick { elapsed_ms: index },
        1 if view.get(&key(index)).is_some() => {
            let changes = vec![Change::Delete { key: key(index) }, put(index + 1)];
            ProposalKind::Write(Write { changes, ..Write::default() })
        }
        2 => ProposalKind::Write(Write {
            changes: vec![put(index), put(index + 2), put(index + 4)],
            ..Write::default()
        }),
        _ => ProposalKind::Write(Write { changes: vec![put(index)], ..Write::default() }),
    }
}

/// Three entries in which a branch begins and changes, and one in which an older one ends; `None`
/// for all others. Main stands still meanwhile, so the base is what it has.
fn on_branches(view: &View, index: u64, put: &dyn Fn(u64) -> Change) -> Option<Write> {
    const ROUND: u64 = 13;
    let (round, place) = (index / ROUND, index % ROUND);
    let (group, resource) = BRANCHES.split_once('/').expect("a collection");
    let object = |round: u64| ObjectKey::new(group, resource, "", &format!("b{round}"));
    let branch = view.branches.get(format!("b{round}").as_str());
    let write = match place {
        6 => {
            let Change::Put { body, version_offset, index, salt, .. } = put(0) else { return None };
            let change = Change::Put { key: object(round), body, version_offset, index, salt };
            let links = Links { begins: Some(LinePoint::of_main(view.head)), ..Links::default() };
            Write { changes: vec![change], links: Some(Box::new(links)), ..Write::default() }
        }
        7 | 8 => {
            let first = view.objects.values().find(|one| one.key.collection() == "/pods")?;
            let gone = branch?.changes.get(&first.key).is_none();
            let delete = Change::Delete { key: first.key.clone() };
            let mut changes = vec![put(index)];
            changes.retain(|change| *change.key() != first.key);
            changes.extend(gone.then_some(delete));
            let known = |key: &ObjectKey| {
                let found = view.get(key)?;
                let (revision, created) = (found.revision, found.created);
                Some(BaseObject { key: key.clone(), revision, created })
            };
            let base = changes.iter().filter_map(|change| known(change.key())).collect();
            let links = Some(Box::new(Links { base, ..Links::default() }));
            Write { branch: branch?.at.id, changes, links, ..Write::default() }
        }
        9 => {
            let key = object(round.checked_sub(1)?);
            view.get(&key)?;
            Write { changes: vec![Change::Delete { key }], ..Write::default() }
        }
        _ => return None,
    };
    (!write.changes.is_empty()).then_some(write)
}

/// Applies the entry with this index.
pub(crate) fn step(state: &mut State, index: u64) -> PersistBatch {
    let entry = EntryContext { index, term: 1 + index / 10, leader: 1 };
    let mut applied = Vec::new();
    if index % 11 == 4 {
        let members = format!("members as of {index}");
        state.set_membership(entry, members.into()).expect("in order");
    } else {
        let answer = state.apply(entry, proposal(state, index)).expect("in order");
        assert!(!matches!(answer.outcome, Outcome::Rejected(_)), "{:?}", answer.outcome);
        applied.push(answer);
    }
    PersistBatch { applied, checkpoint: state.checkpoint() }
}

/// The state roots after each index up to `last`, index zero first.
pub(crate) fn roots(last: u64) -> Vec<StateRoot> {
    let mut state = State::new();
    let mut roots = vec![state.root()];
    for index in 1..=last {
        step(&mut state, index);
        roots.push(state.root());
    }
    roots
}
