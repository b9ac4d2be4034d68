//! What the HTTP surface adds to the verbs: pages across members, watches that begin with lists,
//! times, seats, compression, and the end of a server.

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT,
};
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use reddwarf_apiserver::authn::PeerIdentity;
use reddwarf_apiserver::bootstrap::{self, BootstrapConfig};
use reddwarf_apiserver::request::UserInfo;
use reddwarf_apiserver::{ApiServer, LocalClient};
use reddwarf_tests::memory_api::server;
use reddwarf_tests::memory_store::MemoryStore;
use reddwarf_versioning::WindowLimits;
use serde_json::{Value, json};
use std::io::Read;
use std::sync::Arc;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

struct Member(ApiServer);

impl Member {
    /// Members over one store, as those of a group are.
    async fn group(store: Arc<MemoryStore>) -> [Member; 2] {
        let of = |store: Arc<MemoryStore>| Member(server(store, "127.0.0.1:6443".into()));
        let members = [of(store.clone()), of(store)];
        members[0].post("/api/v1/namespaces", json!({"metadata": {"name": "default"}})).await;
        members
    }

    async fn new() -> Member {
        let [member, _] = Member::group(MemoryStore::new()).await;
        member
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: String,
    ) -> Response<Bytes> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("a path");
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
        let user = UserInfo::named("admin", vec!["system:masters".into()]);
        request.extensions_mut().insert(PeerIdentity(Arc::new(user)));
        let (parts, body) = self.0.handle(request).await.into_parts();
        Response::from_parts(parts, body.collect().await.expect("whole").to_bytes())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.send(Method::GET, path, &[], String::new()).await;
        (response.status(), serde_json::from_slice(response.body()).expect("JSON"))
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let response = self.send(Method::POST, path, &[], body.to_string()).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{:?}", response.body());
        serde_json::from_slice(response.body()).expect("JSON")
    }

    async fn maps(&self, names: impl IntoIterator<Item = String>, fill: usize) {
        for name in names {
            let data = json!({"fill": "x".repeat(fill)});
            self.post(MAPS, json!({"metadata": {"name": name}, "data": data})).await;
        }
    }
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items");
    items.iter().filter_map(|item| item["metadata"]["name"].as_str()).collect()
}

#[tokio::test]
async fn a_page_of_one_member_is_followed_by_one_of_another() {
    let [one, other] = Member::group(MemoryStore::new()).await;
    one.maps(["a", "b", "c", "d"].map(str::to_owned), 1).await;
    let (_, first) = one.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
    one.maps(["bb".to_owned()], 1).await;
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let (_, second) = other.get(&format!("{MAPS}?limit=1&continue={token}")).await;
    assert_eq!(names(&second), ["c"]);
    assert_eq!(second["metadata"]["remainingItemCount"], 1);
    let everywhere = format!("/api/v1/configmaps?limit=3&continue={token}");
    let (code, _) = other.get(&everywhere).await;
    assert_eq!(code, StatusCode::OK, "the token of another list means something there, too");
}

#[tokio::test]
async fn a_token_that_is_too_old_names_one_that_goes_on() {
    let limits = WindowLimits { collection_events_max: 8, ..WindowLimits::default() };
    let [one, other] = Member::group(MemoryStore::with_limits(limits)).await;
    one.maps(["a", "b", "c"].map(str::to_owned), 1).await;
    let (_, first) = one.get(&format!("{MAPS}?limit=1")).await;
    one.maps((0..20).map(|n| format!("n{n:02}")), 1).await;
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let (code, expired) = other.get(&format!("{MAPS}?limit=1&continue={token}")).await;
    assert_eq!((code, &expired["reason"]), (StatusCode::GONE, &json!("Expired")));
    let fresh = expired["metadata"]["continue"].as_str().expect("a token that goes on");
    let (code, rest) = other.get(&format!("{MAPS}?limit=30&continue={fresh}")).await;
    assert_eq!(code, StatusCode::OK);
    assert_eq!(names(&rest)[..3], ["b", "c", "n00"]);
    assert_eq!(rest["metadata"].get("continue"), None);
    let exact = format!("{MAPS}?resourceVersion={}&resourceVersionMatch=Exact", 1);
    let (code, gone) = other.get(&exact).await;
    assert_eq!(code, StatusCode::GONE, "{gone}");
}

async fn events(member: &Member, query: &str) -> Vec<(String, String)> {
    let path = format!("{MAPS}?watch=1&timeoutSeconds=1&{query}");
    let response = member.send(Method::GET, &path, &[], String::new()).await;
    let text = String::from_utf8(response.body().to_vec()).expect("UTF-8");
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let meta = &event["object"]["metadata"];
        let ends = meta["annotations"]["k8s.io/initial-events-end"] == "true";
        let name = if ends { "end" } else { meta["name"].as_str().unwrap_or_default() };
        (event["type"].as_str().unwrap_or_default().to_owned(), name.to_owned())
    };
    text.lines().map(event).collect()
}

#[tokio::test]
async fn a_watch_from_nowhere_tells_when_its_beginning_is_over() {
    let member = Member::new().await;
    member.maps(["a", "b"].map(str::to_owned), 1).await;
    let added = |name: &str| ("ADDED".to_owned(), name.to_owned());
    let end = ("BOOKMARK".to_owned(), "end".to_owned());
    for query in ["allowWatchBookmarks=true", "allowWatchBookmarks=true&resourceVersion=0"] {
        let seen = events(&member, query).await;
        assert_eq!(seen[..3], [added("a"), added("b"), end.clone()], "{query}");
    }
    assert_eq!(events(&member, "").await, [added("a"), added("b")]);
    let later = events(
        &member,
        "allowWatchBookmarks=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan",
    );
    assert!(!later.await.contains(&end));
}

#[tokio::test]
async fn long_lists_are_compressed_in_every_form() {
    let member = Member::new().await;
    member.maps((0..700).map(|n| format!("m{n:03}")), 1_000).await;
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    for headers in [
        vec![],
        vec![(ACCEPT, table)],
        vec![(ACCEPT, "application/yaml")],
        vec![(USER_AGENT, "curl/8")],
    ] {
        let path = format!("{MAPS}?includeObject=Object");
        let plain = member.send(Method::GET, &path, &headers, String::new()).await;
        assert!(plain.body().len() > 700_000);
        let asked = [headers.clone(), vec![(ACCEPT_ENCODING, "gzip")]].concat();
        let packed = member.send(Method::GET, &path, &asked, String::new()).await;
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip", "{headers:?}");
        assert_eq!(packed.headers()[CONTENT_TYPE], plain.headers()[CONTENT_TYPE]);
        assert!(packed.body().len() < plain.body().len() / 4);
        let mut text = Vec::new();
        GzDecoder::new(&packed.body()[..]).read_to_end(&mut text).expect("gzip");
        // Ages in tables move on.
        assert!(text.len().abs_diff(plain.body().len()) < 2_000, "{headers:?}");
        if headers.is_empty() {
            assert_eq!(text, plain.body()[..]);
        }
    }
    let watch = format!("{MAPS}?watch=1&timeoutSeconds=1");
    let asked = [(ACCEPT_ENCODING, "gzip")];
    let events = member.send(Method::GET, &watch, &asked, String::new()).await;
    assert!(events.body().len() > 700_000 && !events.headers().contains_key(CONTENT_ENCODING));
}

#[tokio::test]
async fn answers_tell_where_their_request_belonged() {
    let store = MemoryStore::new();
    let [member, _] = Member::group(store).await;
    let client = LocalClient::privileged(member.0.clone(), "test", "test");
    bootstrap::run(&client, &BootstrapConfig::default()).await.expect("the first objects");
    // The objects are looked at twice a second.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    let answer = member.send(Method::GET, MAPS, &[], String::new()).await;
    let group = "/apis/flowcontrol.apiserver.k8s.io/v1";
    for (header, path) in [
        ("x-kubernetes-pf-flowschema-uid", "flowschemas/exempt"),
        ("x-kubernetes-pf-prioritylevel-uid", "prioritylevelconfigurations/exempt"),
    ] {
        let (_, object) = member.get(&format!("{group}/{path}")).await;
        let uid = object["metadata"]["uid"].as_str().expect("a uid");
        assert_eq!(answer.headers()[header], uid);
    }
}

#[tokio::test]
async fn times_of_requests() {
    let member = Member::new().await;
    let (code, refused) = member.get(&format!("{MAPS}?timeout=fast")).await;
    assert_eq!(code, StatusCode::BAD_REQUEST);
    assert_eq!(
        refused["message"],
        "invalid timeout specified in the request URL - time: invalid duration \"fast\""
    );
    // A version of the future is waited for, longer than this.
    let (code, over) = member.get(&format!("{MAPS}?resourceVersion=999999&timeout=100ms")).await;
    assert_eq!((code, &over["reason"]), (StatusCode::GATEWAY_TIMEOUT, &json!("Timeout")));
    assert_eq!(over["message"], "Timeout: request did not complete within the allotted timeout");
}

#[tokio::test]
async fn a_server_that_stops_sends_clients_elsewhere() {
    let member = Member::new().await;
    member.0.stop();
    let refused = member.send(Method::GET, MAPS, &[], String::new()).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[RETRY_AFTER], "1");
    let alive = member.send(Method::GET, "/livez", &[], String::new()).await;
    assert_eq!(alive.status(), StatusCode::OK);
}
