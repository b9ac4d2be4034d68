//! Tokens of service accounts over a store in memory: from the request to the refusal.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use reddwarf_apiserver::bootstrap::{self, BootstrapConfig};
use reddwarf_apiserver::{ApiServer, LocalClient};
use reddwarf_core::Status;
use reddwarf_core::api::ApiClient;
use reddwarf_tests::memory_api::server;
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Value, json};

const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const PODS: &str = "/api/v1/namespaces/default/pods";
const WHOAMI: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

struct Api {
    server: ApiServer,
    client: LocalClient,
}

impl Api {
    async fn new() -> Self {
        let server = server(MemoryStore::new(), "127.0.0.1:6443".into());
        let client = LocalClient::privileged(server.clone(), "test", "test");
        bootstrap::run(&client, &BootstrapConfig::default()).await.expect("the first objects");
        let api = Api { server, client };
        api.send("POST", ACCOUNTS, json!({"metadata": {"name": "robot"}})).await.expect("made");
        api
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Result<Value, Box<Status>> {
        let body = (!body.is_null()).then(|| Bytes::from(body.to_string()));
        let answer = self.client.request(method, path, None, body).await?;
        Ok(serde_json::from_slice(&answer).expect("JSON"))
    }

    async fn ask(&self, spec: Value) -> Result<Value, Box<Status>> {
        self.send("POST", &format!("{ACCOUNTS}/robot/token"), json!({ "spec": spec })).await
    }

    async fn token(&self, spec: Value) -> String {
        let reply = self.ask(spec).await.expect("issued");
        reply["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// Sends a request that says who it is from by a token alone.
    async fn bear(&self, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let (parts, body) = self.server.handle(request).await.into_parts();
        let bytes = body.collect().await.expect("whole").to_bytes();
        (parts.status.as_u16(), serde_json::from_slice(&bytes).expect("JSON"))
    }

    async fn whoami(&self, token: &str) -> (u16, Value) {
        self.bear(token, "POST", WHOAMI, json!({})).await
    }

    async fn pod(&self, account: &str) -> Value {
        let spec =
            json!({"serviceAccountName": account, "containers": [{"name": "a", "image": "a"}]});
        let pod = json!({"metadata": {"name": "p"}, "spec": spec});
        self.send("POST", PODS, pod).await.expect("a pod")
    }
}

#[tokio::test]
async fn an_account_is_who_its_token_says() {
    let api = Api::new().await;
    let token = api.token(json!({})).await;
    let (code, review) = api.whoami(&token).await;
    assert_eq!(code, 201, "{review}");
    let user = &review["status"]["userInfo"];
    assert_eq!(user["username"], "system:serviceaccount:default:robot");
    assert_eq!(
        user["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"])
    );
    assert!(user["extra"]["authentication.kubernetes.io/credential-id"][0].is_string());
    let (code, refused) = api.bear(&token, "GET", "/api/v1/nodes", Value::Null).await;
    assert_eq!(code, 403, "known, but without rights: {refused}");
    api.send("DELETE", &format!("{ACCOUNTS}/robot"), Value::Null).await.expect("deleted");
    assert_eq!(api.whoami(&token).await.0, 401, "the account is gone");
    api.send("POST", ACCOUNTS, json!({"metadata": {"name": "robot"}})).await.expect("made");
    assert_eq!(api.whoami(&token).await.0, 401, "another account of that name");
}

#[tokio::test]
async fn a_token_lives_no_longer_than_its_pod() {
    let api = Api::new().await;
    let pod = api.pod("robot").await;
    let bound =
        json!({"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": pod["metadata"]["uid"]});
    let token = api.token(json!({ "boundObjectRef": bound })).await;
    let (_, review) = api.whoami(&token).await;
    let extra = &review["status"]["userInfo"]["extra"];
    assert_eq!(extra["authentication.kubernetes.io/pod-name"], json!(["p"]));
    assert_eq!(extra["authentication.kubernetes.io/pod-uid"], json!([pod["metadata"]["uid"]]));
    let now = json!({"gracePeriodSeconds": 0});
    api.send("DELETE", &format!("{PODS}/p"), now).await.expect("deleted");
    assert_eq!(api.whoami(&token).await.0, 401);
    let again = api.ask(json!({ "boundObjectRef": bound })).await.expect_err("no pod");
    assert_eq!(again.code, 404);
}

#[tokio::test]
async fn a_token_is_bound_to_a_pod_of_the_account_only() {
    let api = Api::new().await;
    api.send("POST", ACCOUNTS, json!({"metadata": {"name": "other"}})).await.expect("made");
    api.pod("other").await;
    let bound = |uid: &str| json!({"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": uid});
    let other = api.ask(json!({ "boundObjectRef": bound("") })).await.expect_err("another's pod");
    assert_eq!(other.code, 400);
    let map = json!({"kind": "ConfigMap", "apiVersion": "v1", "name": "p"});
    let map = api.ask(json!({ "boundObjectRef": map })).await.expect_err("not of that kind");
    assert_eq!(map.message, "cannot bind token to object of type /v1, Kind=ConfigMap");
    let short = api.ask(json!({"expirationSeconds": 10})).await.expect_err("too short");
    assert_eq!(short.code, 422);
}

#[tokio::test]
async fn a_review_checks_the_audience() {
    let api = Api::new().await;
    let token = api.token(json!({"audiences": ["vault"]})).await;
    assert_eq!(api.whoami(&token).await.0, 401, "not meant for the API");
    let review = |audiences: Value| json!({"spec": {"token": token, "audiences": audiences}});
    let found = api.send("POST", REVIEWS, review(json!(["vault", "x"]))).await.expect("reviewed");
    assert_eq!(found["status"]["authenticated"], true);
    assert_eq!(found["status"]["audiences"], json!(["vault"]));
    let found = api.send("POST", REVIEWS, review(json!(["x"]))).await.expect("reviewed");
    assert!(found["status"]["authenticated"].is_null(), "{found}");
    assert!(found["status"]["error"].is_string());
}

#[tokio::test]
async fn a_forged_token_is_nobody() {
    let api = Api::new().await;
    let token = api.token(json!({})).await;
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{flipped}{}", &signature[1..]);
    for token in [forged.as_str(), "nonsense", &format!("{signed}.")] {
        assert_eq!(api.whoami(token).await.0, 401, "{token}");
    }
}

#[tokio::test]
async fn everybody_may_read_the_keys() {
    let api = Api::new().await;
    let read = async |path: &str| {
        let request = http::Request::get(path).body(http_body_util::Empty::<Bytes>::new());
        let (parts, body) = api.server.handle(request.expect("a request")).await.into_parts();
        assert_eq!(parts.status, 200, "{path}");
        let bytes = body.collect().await.expect("whole").to_bytes();
        serde_json::from_slice::<Value>(&bytes).expect("JSON")
    };
    let discovery = read("/.well-known/openid-configuration").await;
    assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["ES256"]));
    let keys = read("/openid/v1/jwks").await;
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["crv"]), (&json!("EC"), &json!("P-256")));
    assert!(keys["keys"][0].get("d").is_none(), "the private half stays");
}
