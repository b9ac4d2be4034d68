//! A webhook that converts gadgets: HTTPS on a port of its own, with answers that tests choose.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Names that the certificate bears.
const HOSTS: [&str; 2] = ["127.0.0.1", "hooks.default.svc"];

/// What is answered to a review.
type Answering = dyn Fn(&Value) -> (StatusCode, Value) + Send + Sync;

/// See the module's text.
pub struct Hook {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its authority, as a configuration has it.
    pub bundle: String,
    inside: Arc<Inside>,
    task: JoinHandle<()>,
}

struct Inside {
    answering: Mutex<Arc<Answering>>,
    reviews: Mutex<Vec<Value>>,
    connections: AtomicUsize,
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hook {
    /// A webhook that converts as it should.
    pub async fn new() -> Hook {
        let (bundle, config) = certificates();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let inside = Arc::new(Inside {
            answering: Mutex::new(Arc::new(honest)),
            reviews: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(listener, TlsAcceptor::from(config), inside.clone()));
        Hook { address, bundle, inside, task }
    }

    /// Answers otherwise from now on.
    pub fn answer(
        &self,
        answering: impl Fn(&Value) -> (StatusCode, Value) + Send + Sync + 'static,
    ) {
        *self.inside.answering.lock() = Arc::new(answering);
    }

    /// Answers as it should, but for what `change` does to the `response`.
    pub fn spoil(&self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.answer(move |review| {
            let (code, mut answer) = honest(review);
            change(&mut answer["response"]);
            (code, answer)
        });
    }

    /// Answers as it should again.
    pub fn mend(&self) {
        self.answer(honest);
    }

    /// The reviews since the last look.
    pub fn reviews(&self) -> Vec<Value> {
        std::mem::take(&mut *self.inside.reviews.lock())
    }

    /// Connections that were opened.
    pub fn connections(&self) -> usize {
        self.inside.connections.load(Ordering::SeqCst)
    }

    /// `clientConfig` by URL.
    pub fn by_url(&self) -> Value {
        json!({"url": format!("https://{}/convert", self.address), "caBundle": self.bundle})
    }
}

/// The authority as a bundle, and a certificate of its for [`HOSTS`].
fn certificates() -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("an authority").pem();
    let issuer = Issuer::new(params, key);
    let params = CertificateParams::new(HOSTS.map(str::to_owned)).expect("names");
    let key = KeyPair::generate().expect("a key");
    let chain = vec![params.signed_by(&key, &issuer).expect("a certificate").der().clone()];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .expect("a certificate with its key");
    (STANDARD.encode(authority), Arc::new(config))
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, inside: Arc<Inside>) {
    while let Ok((connection, _)) = listener.accept().await {
        inside.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(serve(connection, tls.clone(), inside.clone()));
    }
}

async fn serve(connection: TcpStream, tls: TlsAcceptor, inside: Arc<Inside>) {
    // A client that does not trust the certificate goes away.
    let Ok(connection) = tls.accept(connection).await else { return };
    let service = service_fn(|request: Request<Incoming>| {
        let inside = inside.clone();
        async move {
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            let review = serde_json::from_slice(&body).expect("JSON");
            let answering = inside.answering.lock().clone();
            let (code, answer) = answering(&review);
            inside.reviews.lock().push(review);
            let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
            *response.status_mut() = code;
            Ok::<_, Infallible>(response)
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
}

/// The answer of a webhook that converts as it should.
pub fn honest(review: &Value) -> (StatusCode, Value) {
    let request = &review["request"];
    let desired = request["desiredAPIVersion"].as_str().expect("a version");
    let objects = request["objects"].as_array().expect("objects").iter().cloned();
    let converted: Vec<Value> = objects.map(|object| converted(object, desired)).collect();
    let response = json!({"uid": request["uid"], "result": {"status": "Success"},
        "convertedObjects": converted});
    let (kind, version) = (&review["kind"], &review["apiVersion"]);
    (StatusCode::OK, json!({"kind": kind, "apiVersion": version, "response": response}))
}

/// `hostPort` and `replicas` of version 1 are `host`, `port` and `count` of version 2, in which
/// objects also have a label, and a field that no schema knows.
fn converted(mut object: Value, desired: &str) -> Value {
    let spec = object["spec"].as_object_mut().expect("a spec");
    let mut take = |name: &str| spec.shift_remove(name);
    let mut put: Vec<(&str, Option<Value>)> = Vec::new();
    if desired.ends_with("/v2") {
        let whole = take("hostPort");
        let parts = whole.as_ref().and_then(|w| w.as_str()?.split_once(':'));
        put.extend(parts.map(|(host, _)| ("host", Some(host.into()))));
        put.extend(parts.map(|(_, port)| ("port", Some(port.into()))));
        put.push(("count", take("replicas")));
        put.push(("junk", Some(1.into())));
    } else {
        let text = |value: Option<Value>| value.and_then(|v| v.as_str().map(str::to_owned));
        if let (Some(host), Some(port)) = (text(take("host")), text(take("port"))) {
            put.push(("hostPort", Some(format!("{host}:{port}").into())));
        }
        put.push(("replicas", take("count")));
    }
    let put = put.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    spec.extend(put);
    match desired.ends_with("/v2") {
        true => object["metadata"]["labels"]["shown"] = "v2".into(),
        false => drop(object["metadata"].as_object_mut().map(|meta| meta.shift_remove("labels"))),
    }
    object["apiVersion"] = desired.into();
    object
}
