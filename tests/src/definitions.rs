//! Many small definitions of custom kinds, one after the other.

use crate::leader::Leader;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING};
use http_body_util::{BodyExt, Empty};
use reddwarf_apiserver::authn::PeerIdentity;
use reddwarf_apiserver::request::UserInfo;
use reddwarf_core::api::{ApiClient, ApiWatch};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
/// Longest time until a kind is established on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Definitions of one group.
const OF_A_GROUP: usize = 10;

/// The group of the definition of that number.
pub fn group(number: usize) -> String {
    format!("g{}.example.com", number / OF_A_GROUP)
}

/// A definition of a usual shape, if a small one.
fn definition(number: usize) -> Value {
    let group = group(number);
    let plural = format!("things{number}");
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "replicas": {"type": "integer", "minimum": 0, "default": 1},
            "parts": {"type": "array", "items": {"type": "object", "properties": {
                "name": {"type": "string"}, "size": {"type": "integer"}}}}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    json!({
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"plural": plural, "kind": format!("Thing{number}")},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}]},
    })
}

/// Makes definitions and sees when their kinds are established.
pub struct Definer<'l> {
    leader: &'l Leader,
    changes: Box<dyn ApiWatch>,
    made: usize,
}

impl<'l> Definer<'l> {
    /// Begins with the first definition.
    pub async fn new(leader: &'l Leader) -> Self {
        let changes = leader.client.watch(&format!("{DEFINITIONS}?watch=1")).await;
        Definer { leader, changes: changes.expect("a watch"), made: 0 }
    }

    /// Makes the next `count` definitions; how long each took from its creation to the first
    /// answer of its kind.
    pub async fn define(&mut self, count: usize) -> Vec<Duration> {
        let mut took = Vec::new();
        for number in self.made..self.made + count {
            let began = Instant::now();
            self.define_one(number).await;
            took.push(began.elapsed());
        }
        self.made += count;
        took
    }

    async fn define_one(&mut self, number: usize) {
        let body = Bytes::from(definition(number).to_string());
        let made = self.leader.client.request("POST", DEFINITIONS, None, Some(body)).await;
        made.unwrap_or_else(|status| panic!("definition {number}: {status}"));
        let established = self.established(number);
        tokio::time::timeout(PATIENCE, established).await.expect("established in time");
        let path = format!("/apis/{}/v1/things{number}", group(number));
        let list = self.leader.client.request("GET", &path, None, None).await;
        list.unwrap_or_else(|status| panic!("{path}: {status}"));
    }

    async fn established(&mut self, number: usize) {
        let kind = format!("Thing{number}");
        loop {
            let event = self.changes.next().await.expect("the watch goes on");
            let event: Value = serde_json::from_slice(&event).expect("JSON");
            let status = &event["object"]["status"];
            let conditions = status["conditions"].as_array().into_iter().flatten();
            let mut established = conditions.filter(|c| c["type"] == "Established");
            if status["acceptedNames"]["kind"] == *kind
                && established.any(|condition| condition["status"] == "True")
            {
                return;
            }
        }
    }
}

/// GETs a path as a client that takes aggregated discovery and gzip; how long the whole answer
/// took, and its size.
pub async fn ask(leader: &Leader, path: &str) -> (Duration, usize) {
    let groups = vec!["system:masters".to_owned(), "system:authenticated".to_owned()];
    let user = PeerIdentity(Arc::new(UserInfo::named("admin", groups)));
    let request = http::Request::get(path)
        .header(ACCEPT, format!("{AGGREGATED},application/json"))
        .header(ACCEPT_ENCODING, "gzip")
        .extension(user);
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let began = Instant::now();
    let response = leader.server.handle(request).await;
    assert!(response.status().is_success(), "{path}: {}", response.status());
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (began.elapsed(), body.len())
}

/// The least of many times that `path` took: what it costs when nothing else happens.
pub async fn least(leader: &Leader, path: &str, times: usize) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..times {
        least = least.min(ask(leader, path).await.0);
    }
    least
}

/// The middle one of some times.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
