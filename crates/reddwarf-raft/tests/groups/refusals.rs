//! Who is not let in, and what does not start.

use crate::group::{Ca, Group};
use reddwarf_raft::peer::{CallError, Identity, Kind, Lane, PeerClient, TlsDial};
use reddwarf_raft::types::Member;
use reddwarf_raft::{Limits, Node, NodeConfig, StartError};
use std::time::Duration;

fn call(
    group: &Group,
    ca: &Ca,
    cluster: &str,
    id: u64,
    name: &str,
    certificate: &str,
) -> CallError {
    let identity = Identity::new(cluster, id, name, 0, TlsDial::shared(&ca.client(certificate)));
    let target = &group.peers[0];
    let member = Member { name: target.name.clone(), addr: target.addr.clone(), incarnation: 0 };
    let timeout = Duration::from_secs(5);
    group.member(0).runtime.block_on(async {
        let client = PeerClient::new(identity, target.id, member);
        let asked = client.call(Lane::Control, Kind::Status, bytes::Bytes::new(), timeout).await;
        asked.expect_err("refused")
    })
}

#[test]
fn strangers_are_refused_by_name() {
    let group = Group::start(1, Limits::default());
    group.leader();
    let other_cluster = call(&group, &group.ca, "elsewhere", 1, "node-1", "node-1").to_string();
    assert!(
        other_cluster.contains("elsewhere") && other_cluster.contains("test"),
        "{other_cluster}"
    );
    let stranger = call(&group, &group.ca, "test", 9, "node-9", "node-9").to_string();
    assert!(stranger.contains("node-9 is no member"), "{stranger}");
    let wrong_name = call(&group, &group.ca, "test", 1, "node-1", "node-2").to_string();
    assert!(wrong_name.contains("node-2"), "{wrong_name}");
    let wrong_ca = call(&group, &Ca::new(), "test", 1, "node-1", "node-1");
    assert!(matches!(wrong_ca, CallError::Unreachable(_)), "{wrong_ca}");
}

#[test]
fn a_data_folder_of_another_node_is_refused() {
    let dir = tempfile::tempdir().expect("tempdir");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let config = NodeConfig::single("node-1", "127.0.0.1:1", dir.path().to_owned());
    let node = runtime.block_on(Node::start(config.clone())).expect("starts");
    runtime.block_on(node.shutdown());
    let other = NodeConfig { cluster_id: "elsewhere".to_owned(), ..config };
    let refused = runtime.block_on(Node::start(other)).err().expect("refused");
    assert!(matches!(refused, StartError::Identity { .. }), "{refused}");
}

#[test]
fn damage_in_the_log_keeps_a_node_from_starting() {
    let dir = tempfile::tempdir().expect("tempdir");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let config = NodeConfig::single("node-1", "127.0.0.1:1", dir.path().to_owned());
    let node = runtime.block_on(Node::start(config.clone())).expect("starts");
    runtime.block_on(node.ready()).expect("leads");
    runtime.block_on(node.shutdown());
    drop(node);
    runtime.shutdown_timeout(Duration::from_secs(5));
    let segment = dir.path().join("wal").join("0000000000000001.wal");
    let mut bytes = std::fs::read(&segment).expect("reads");
    bytes[60] ^= 4;
    std::fs::write(&segment, bytes).expect("writes");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let refused = runtime.block_on(Node::start(config)).err().expect("refused");
    assert!(matches!(refused, StartError::Wal(_)), "{refused}");
}
