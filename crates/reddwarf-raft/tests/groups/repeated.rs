//! A proposal whose answer was lost is sent again, to another leader, and applied once.

use crate::group::{Group, create, key};
use reddwarf_core::{Outcome, Proposal, ProposalKind, RequestId};
use reddwarf_raft::Limits;
use reddwarf_raft::data::LogData;
use reddwarf_raft::peer::{
    Forwarded, Identity, Kind, Lane, PeerClient, TlsDial, decode, encode_forward,
};
use reddwarf_raft::types::Member;
use std::time::Duration;

/// The data folder by which the group knows a member.
fn incarnation(group: &Group, at: usize) -> u64 {
    let text = std::fs::read_to_string(group.data_dir(at).join("identity")).expect("reads");
    let digits = text.trim_end().rsplit(' ').next().expect("a last word");
    u64::from_str_radix(digits, 16).expect("hexadecimal digits")
}

/// Sends `proposal` to the member `to` as the member `from` does.
fn forward(group: &Group, from: usize, to: usize, proposal: &LogData) -> Forwarded {
    let (sender, target) = (&group.peers[from], &group.peers[to]);
    let dial = TlsDial::shared(&group.ca.client(&sender.name));
    let identity = Identity::new("test", sender.id, &sender.name, incarnation(group, from), dial);
    let member = Member { name: target.name.clone(), addr: target.addr.clone(), incarnation: 0 };
    let body = encode_forward(&[proposal.bytes().clone()]);
    let answers: Vec<Forwarded> = group.member(from).runtime.block_on(async {
        let client = PeerClient::new(identity, target.id, member);
        let answer = client.call(Lane::Forward, Kind::Forward, body, Duration::from_secs(5)).await;
        decode(&answer.expect("answers")).expect("decodes")
    });
    answers.into_iter().next().expect("one answer")
}

fn applied(answer: Forwarded) -> (u64, Outcome) {
    match answer {
        Forwarded::Applied(index, outcome) => (index, outcome),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_proposal_sent_to_two_leaders_is_applied_once() {
    let mut group = Group::start(3, Limits::default());
    let first = group.leader();
    let sender = (first + 1) % 3;
    let proposal = Proposal {
        request_id: RequestId([7; 16]),
        made_at: 1,
        kind: ProposalKind::Write(create("once", 64)),
    };
    let proposal = LogData::encode(proposal).expect("encodes");
    // The sender never looks at this answer: for the group it is as good as lost.
    let (index, outcome) = applied(forward(&group, sender, first, &proposal));
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    group.kill(first);
    let second = group.leader();
    let sender = (0..3).find(|at| *at != first && *at != second).expect("a third member");
    let (again, same) = applied(forward(&group, sender, second, &proposal));
    assert!(again > index, "it took another entry");
    assert_eq!(format!("{outcome:?}"), format!("{same:?}"), "and was answered from memory");
    group.start_member(first);
    for at in 0..3 {
        group.barrier(at);
        let view = group.member(at).store.view();
        assert_eq!((view.revision.0, view.objects.len()), (1, 1), "member {at}");
        assert!(view.get(&key("once")).is_some());
    }
    group.assert_same_roots();
}
