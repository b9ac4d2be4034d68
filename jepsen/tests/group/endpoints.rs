//! The endpoints of the `kubernetes` Service are the members that can serve.

use crate::trio::{PATIENCE, Trio, eventually};
use jepsen::client::Call;
use jepsen::host::Member;
use jepsen::net::Grudge;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints/kubernetes";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices\
                      ?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
/// What is promised: an election, a look each second that a silent member holds up for half a
/// second, and a write.
const FOLLOWS_MAX: Duration = Duration::from_secs(3);

type Addresses = BTreeSet<String>;

fn address(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// What `Endpoints` and the slices name.
async fn named(trio: &Trio, member: &Member) -> (Addresses, Addresses) {
    // A group that has just begun has none yet.
    let endpoints = trio.ask(member, Call::get(ENDPOINTS)).await.json().expect("JSON");
    let subsets = endpoints["subsets"].as_array().into_iter().flatten();
    let addresses = subsets.flat_map(|subset| subset["addresses"].as_array().into_iter().flatten());
    let slices = trio.get(member, SLICES).await;
    let slices = slices["items"].as_array().expect("slices").iter();
    let of_slices = slices.flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
    let of_slices = of_slices.filter_map(|endpoint| address(&endpoint["addresses"][0]));
    (addresses.filter_map(|found| address(&found["ip"])).collect(), of_slices.collect())
}

/// Waits until both name just these members, as `asked` tells; how long after `since` that was.
async fn until(trio: &Trio, asked: &Member, members: &[&Member], since: Instant) -> Duration {
    let wanted: Addresses = members.iter().map(|member| member.address.ip().to_string()).collect();
    eventually("the endpoints follow the members", async || {
        let (endpoints, slices) = named(trio, asked).await;
        endpoints == wanted && slices == wanted
    })
    .await;
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_follow_the_members_that_can_serve() {
    let Some(trio) = Trio::in_namespaces(|_| Ok(())).await else { return };
    let all: Vec<&Member> = trio.group.all.iter().collect();
    until(&trio, all[0], &all, Instant::now()).await;
    let network = trio.group.network.as_ref().expect("namespaces have links");
    let names: Vec<String> = all.iter().map(|member| member.name.clone()).collect();
    for leads in [false, true] {
        let choose = async || match leads {
            true => trio.leader().await,
            false => trio.followers().await[0],
        };
        let gone = choose().await;
        let others = trio.others(gone);
        let since = Instant::now();
        gone.kill().await.expect("it runs");
        let left = until(&trio, others[0], &others, since).await;
        gone.start().expect("it starts");
        trio.group.ready(gone, PATIENCE).await.expect("it serves again");
        let back = until(&trio, others[0], &all, Instant::now()).await;
        println!("killed, leads: {leads}; left after {left:?}, back {back:?} after it was ready");
        assert!(left.max(back) < FOLLOWS_MAX, "{left:?}, {back:?}");

        let gone = choose().await;
        let others = trio.others(gone);
        let since = Instant::now();
        network.cut(&Grudge::isolate(&names, &gone.name)).expect("known members");
        let left = until(&trio, others[0], &others, since).await;
        network.heal();
        trio.group.ready(gone, PATIENCE).await.expect("it serves again");
        let back = until(&trio, others[0], &all, Instant::now()).await;
        println!("cut off, leads: {leads}; left after {left:?}, back {back:?} after it was ready");
        assert!(left.max(back) < FOLLOWS_MAX, "{left:?}, {back:?}");
    }
    trio.end().await;
}
