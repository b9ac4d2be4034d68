//! Custom kinds on every member of a group of real processes.

use bytes::Bytes;
use http::Method;
use reddwarf::client::Connection;
use reddwarf_tests::cluster::{Cluster, PATIENCE};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// A kind is served everywhere that soon after its definition was accepted.
const SOON: Duration = Duration::from_millis(100);
/// Other programs may slow down some of the rounds, but not all.
const ROUNDS: usize = 8;

async fn post(connection: &mut Connection, path: &str, body: &Value) -> u16 {
    let body = Bytes::from(body.to_string());
    let answer = connection.send(Method::POST, path, Some("application/json"), body).await;
    answer.expect("an answer").status.as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_defined_on_one_member_is_served_on_the_others_at_once() {
    let cluster = Cluster::start(3).await;
    let mut members = Vec::new();
    for i in 1..=3 {
        members.push(cluster.connect(i).await.expect("a connection"));
    }
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let group = format!("round{round}.example.com");
        let definition = json!({
            "metadata": {"name": format!("widgets.{group}")},
            "spec": {"group": group, "scope": "Namespaced",
                "names": {"plural": "widgets", "kind": "Widget"},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                        "spec": {"type": "object", "properties": {
                            "size": {"type": "integer", "default": 3}}}}}}}]},
        });
        let path = format!("/apis/{group}/v1/namespaces/default/widgets");
        let widget = json!({"apiVersion": format!("{group}/v1"), "kind": "Widget",
            "metadata": {"name": "a"}, "spec": {}});
        assert_eq!(post(&mut members[round % 3], DEFINITIONS, &definition).await, 201);
        let begun = Instant::now();
        let other = &mut members[(round + 1) % 3];
        // Each answer waits until the member has caught up, so this does not spin.
        while post(other, &path, &widget).await != 201 {
            assert!(begun.elapsed() < PATIENCE, "the kind is not served");
        }
        took.push(begun.elapsed());
        let third = cluster.get(1 + (round as u16 + 2) % 3, &format!("{path}/a")).await;
        assert_eq!(third["spec"]["size"], 3, "the default is filled in");
    }
    took.sort();
    assert!(took[0] < SOON && took[ROUNDS / 2] < 2 * SOON, "{took:?}");
}
