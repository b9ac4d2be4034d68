//! Groups whose members run different builds, and how their feature level is raised.

use crate::group::Group;
use reddwarf_core::{
    FeatureLevel, FeatureLevels, Fence, MemberBuild, Proposal, ProposalKind, RequestId, codec,
};
use reddwarf_raft::peer::{
    self, CallError, Forwarded, Identity, Kind, Lane, PeerBuild, PeerClient, TlsDial,
};
use reddwarf_raft::types::Member;
use reddwarf_raft::{ChangeError, GroupStatus, Limits, Node, StartError};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(20);

fn levels(text: &str) -> FeatureLevels {
    text.parse().expect("levels")
}

/// Raised at once, or only when it is asked for.
fn settling(settle: Option<Duration>) -> Limits {
    Limits { level_settle: settle, ..Limits::default() }
}

fn wait_for_level(group: &Group, at: usize, level: u32) {
    let running = group.member(at);
    let reached = async {
        let mut told = running.node.level();
        let wait = told.wait_for(|told| *told == FeatureLevel(level));
        tokio::time::timeout(PATIENCE, wait).await.expect("the level in time").expect("it runs");
    };
    running.runtime.block_on(reached);
}

fn status(group: &Group, at: usize) -> GroupStatus {
    let running = group.member(at);
    running.runtime.block_on(running.node.status())
}

fn finish(group: &Group, at: usize) -> Result<FeatureLevel, ChangeError> {
    let running = group.member(at);
    running.runtime.block_on(running.node.raise_level())
}

/// A way to member `at`, as a member of another build.
fn client(group: &Group, as_member: usize, at: usize, build: PeerBuild) -> PeerClient {
    let (own, target) = (&group.peers[as_member], &group.peers[at]);
    let level = watch::channel(FeatureLevel::FIRST).1;
    let dial = TlsDial::shared(&group.ca.client(&own.name));
    // The group knows its members' data folders.
    let incarnation = group.member(at).node.members()[&own.id].incarnation;
    let identity = Identity::new("test", own.id, &own.name, incarnation, dial);
    let member = Member { name: target.name.clone(), addr: target.addr.clone(), incarnation: 0 };
    PeerClient::new(identity.of_build(build, level), target.id, member)
}

#[test]
fn the_level_rises_when_the_last_member_supports_it() {
    let older = HashMap::from([(2, levels("1"))]);
    let mut group = Group::start_as(3, settling(Some(Duration::ZERO)), older);
    group.leader();
    group.create(0, "written-at-first").expect("written");
    let said = finish(&group, 1).expect_err("one lacks").to_string();
    assert!(said.contains("node-3 (reddwarf test) supports feature level 1, not 2"), "{said}");
    assert_eq!(status(&group, 1).level, FeatureLevel::FIRST);
    group.assert_same_roots();
    group.stop(2);
    group.levels.clear();
    group.start_member(2);
    (0..3).for_each(|at| wait_for_level(&group, at, 2));
    group.create(2, "written-then").expect("written");
    group.barrier(0);
    group.assert_same_roots();
    group.kill(0);
    group.start_member(0);
    wait_for_level(&group, 0, 2);
    group.barrier(0);
    assert!(group.has(0, "written-at-first") && group.has(0, "written-then"));
    group.assert_same_roots();
}

#[test]
fn who_does_not_support_the_level_is_refused_and_told_why() {
    let mut group = Group::start(3, settling(None));
    group.leader();
    assert_eq!(finish(&group, 2).expect("all support it"), FeatureLevel(2));
    assert_eq!(finish(&group, 0).expect("it is there already"), FeatureLevel(2));
    (0..3).for_each(|at| wait_for_level(&group, at, 2));
    group.stop(1);

    let mut config = group.config(1);
    config.levels = levels("1");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let refused = runtime.block_on(Node::start(config)).err().expect("refused");
    let StartError::Level { level, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(*level, FeatureLevel(2));
    assert!(refused.to_string().contains("this build supports 1; start a version"), "{refused}");

    let build = PeerBuild { version: "0.0.9".to_owned(), levels: levels("1") };
    let called = group.member(0);
    let said = called.runtime.block_on(async {
        let client = client(&group, 1, 0, build);
        let asked = client.call(Lane::Control, Kind::Status, bytes::Bytes::new(), PATIENCE).await;
        asked.expect_err("refused").to_string()
    });
    let expected =
        "node-2 runs reddwarf 0.0.9, which supports feature level 1; the group is at level 2";
    assert!(said.contains(expected), "{said}");

    // What it ran last is known, and it goes on where it was.
    let deadline = Instant::now() + PATIENCE;
    while status(&group, 0).members[1].levels != Some(FeatureLevels::OF_THIS_BUILD) {
        assert!(Instant::now() < deadline, "{:?}", status(&group, 0).members);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(status(&group, 0).members[1].version, "test");
    group.levels.insert(1, levels("2-3"));
    group.start_member(1);
    wait_for_level(&group, 1, 2);
    group.barrier(1);
    group.assert_same_roots();
}

/// What members that support less cannot decode never gets into the log (invariant 2).
#[test]
fn the_leader_appends_nothing_that_needs_a_higher_level() {
    let group = Group::start(3, settling(None));
    let leader = group.leader();
    let other = (leader + 1) % 3;
    let running = group.member(leader);
    let term = running.node.leadership().borrow().expect("it leads");
    let build = MemberBuild { node: 1, version: String::new(), levels: levels("1") };
    let fence = Fence { term };
    let kinds = [
        ProposalKind::RecordBuilds { fence, builds: vec![build] },
        ProposalKind::RaiseLevel { fence, level: FeatureLevel(2) },
        ProposalKind::RaiseLevel { fence, level: FeatureLevel(9) },
    ];
    let proposals = kinds.map(|kind| {
        let proposal = Proposal { request_id: RequestId(rand::random()), made_at: 1, kind };
        codec::encode(1, &proposal).expect("encodes").into()
    });
    let build = PeerBuild { version: "test".to_owned(), levels: FeatureLevels::OF_THIS_BUILD };
    let answers: Result<Vec<Forwarded>, CallError> = running.runtime.block_on(async {
        let client = client(&group, other, leader, build);
        let body = peer::encode_forward(&proposals);
        let answer = client.call(Lane::Forward, Kind::Forward, body, PATIENCE).await?;
        Ok(peer::decode(&answer).expect("an answer"))
    });
    let answers = answers.expect("it is a member's");
    let [Forwarded::NotYet(builds), Forwarded::Refused(next), Forwarded::NotYet(far)] =
        &answers[..]
    else {
        panic!("{answers:?}")
    };
    let why =
        "this needs feature level 2, and the group is at 1 until all of its members run a version";
    assert!(builds.starts_with(why), "{builds}");
    assert!(far.starts_with("this needs feature level 8, and the group is at 1"), "{far}");
    assert_eq!(next, "only the leader itself proposes this");
    assert_eq!(status(&group, leader).level, FeatureLevel::FIRST);
    group.create(other, "after").expect("it goes on");
    group.assert_same_roots();
}

/// A member that ends after the entry is committed and before its file says so leaves a file that an
/// older build opens.
#[test]
fn an_entry_that_raises_the_level_stops_a_build_that_does_not_support_it() {
    let mut group = Group::start(1, settling(None));
    group.leader();
    group.create(0, "before").expect("written");
    group.stop(0);
    let state = group.data_dir(0).join("state.redb");
    let of_before = std::fs::read(&state).expect("reads");
    group.start_member(0);
    group.leader();
    finish(&group, 0).expect("all support it");
    group.create(0, "after").expect("written");
    group.stop(0);
    std::fs::write(&state, of_before).expect("writes");

    let mut config = group.config(0);
    config.levels = levels("1");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let said = runtime.block_on(async {
        match Node::start(config).await {
            Err(error) => error.to_string(),
            Ok(node) => {
                let failed = tokio::time::timeout(PATIENCE, node.failed()).await;
                failed.expect("it does not go on").to_string()
            }
        }
    });
    runtime.shutdown_timeout(PATIENCE);
    let why = "the group was raised to feature level 2, this build supports 1; start a version";
    assert!(said.contains(why), "{said}");
    group.start_member(0);
    group.leader();
    wait_for_level(&group, 0, 2);
    assert!(group.has(0, "before") && group.has(0, "after"));
}
