//! A repeatable sequence of entries for tests, with the state after each.

use crate::PersistBatch;
use reddwarf_core::{
    Change, Collection, ObjectIndex, Outcome, Proposal, ProposalKind, RequestId, Write,
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
    let kind = match index % 5 {
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
    };
    let request_id = RequestId(u128::from(index).to_be_bytes());
    Proposal { request_id, made_at: index.saturating_sub(1), kind }
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
