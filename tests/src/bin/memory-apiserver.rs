//! The Kubernetes API over memory and plain HTTP, for replaying recorded exchanges.
//!
//! Everyone who brings no token is a member of `system:masters`; nothing is kept. For tests only.

use clap::Parser;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use reddwarf_apiserver::LocalClient;
use reddwarf_apiserver::authn::{PeerIdentity, bearer_token};
use reddwarf_apiserver::background::{self, Background};
use reddwarf_apiserver::bootstrap::{self, BootstrapConfig};
use reddwarf_apiserver::request::UserInfo;
use reddwarf_controllers::Controllers;
use reddwarf_core::Store;
use reddwarf_core::api::ApiClient;
use reddwarf_tests::memory_api::server;
use reddwarf_tests::memory_store::MemoryStore;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes any, which is printed.
    #[arg(default_value_t = 0)]
    port: u16,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter("info").with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
    let address = listener.local_addr()?;
    let store = MemoryStore::new();
    let server = server(store.clone(), address.to_string());
    let client = LocalClient::privileged(server.clone(), "system:apiserver", "kube-apiserver");
    let config = BootstrapConfig { ca_pem: "none".to_owned(), ..BootstrapConfig::default() };
    bootstrap::run(&client, &config).await?;
    // Dropping the sender would end the loop that follows it; nobody joins or leaves here.
    let (_members, members) = watch::channel(vec![address]);
    let term = store.leading_term().unwrap_or_default();
    let manager = LocalClient::privileged(
        server.clone(),
        "system:kube-controller-manager",
        "kube-controller-manager",
    );
    let controllers = Controllers {
        client: manager.fenced(term),
        store: store.clone(),
        kinds: server.config().registry.clone(),
        members: watch::Sender::default().subscribe(),
    };
    tokio::spawn(reddwarf_controllers::run(controllers, CancellationToken::new()));
    let loops = Background {
        client: client.fenced(term),
        store,
        registry: server.config().registry.clone(),
        term,
        bootstrap: config.into(),
        members,
    };
    tokio::spawn(background::run(loops, CancellationToken::new()));
    let metrics = reddwarf_scheduler::Metrics::default();
    tokio::spawn(reddwarf_scheduler::run(client.fenced(term), CancellationToken::new(), metrics));
    println!("http://{address}");
    let groups = vec!["system:masters".to_owned(), "system:authenticated".to_owned()];
    let peer = PeerIdentity(Arc::new(UserInfo::named("kubernetes-admin", groups)));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (server, peer) = (server.clone(), peer.clone());
        let service = hyper::service::service_fn(move |mut request: http::Request<_>| {
            let server = server.clone();
            if bearer_token(request.headers()).is_none() {
                request.extensions_mut().insert(peer.clone());
            }
            async move { Ok::<_, Infallible>(server.handle::<hyper::body::Incoming>(request).await) }
        });
        tokio::spawn(async move {
            let connection = Builder::new(TokioExecutor::new());
            if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}
