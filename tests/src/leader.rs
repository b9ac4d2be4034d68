//! A member over a store in memory that does what only a leader does: custom kinds come and go,
//! namespaces are emptied, garbage is collected.

use crate::memory_api::server;
use crate::memory_store::MemoryStore;
use reddwarf_apiserver::background::{self, Background};
use reddwarf_apiserver::bootstrap::BootstrapConfig;
use reddwarf_apiserver::{ApiServer, LocalClient};
use reddwarf_controllers::Controllers;
use reddwarf_core::Store;
use reddwarf_core::api::ApiClient;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// See the module's text. Its loops end when it is dropped.
pub struct Leader {
    /// The API.
    pub server: ApiServer,
    /// A client that may do everything.
    pub client: LocalClient,
    stop: CancellationToken,
    _members: watch::Sender<Vec<SocketAddr>>,
}

impl Leader {
    /// Begins to lead over `store`, inside a runtime.
    pub fn over(store: Arc<MemoryStore>) -> Leader {
        let term = store.leading_term().expect("a memory store leads");
        let server = server(store.clone(), "127.0.0.1:6443".into());
        let client = LocalClient::privileged(server.clone(), "test", "test");
        let stop = CancellationToken::new();
        let (members, receiver) = watch::channel(Vec::new());
        let registry = server.config().registry.clone();
        let background = Background {
            client: client.fenced(term),
            store: store.clone(),
            registry: registry.clone(),
            term,
            bootstrap: BootstrapConfig::default().into(),
            members: receiver,
        };
        tokio::spawn(background::run(background, stop.clone()));
        let controllers = Controllers {
            client: client.fenced(term),
            store,
            kinds: registry,
            members: watch::Sender::default().subscribe(),
        };
        tokio::spawn(reddwarf_controllers::run(controllers, stop.clone()));
        Leader { server, client, stop, _members: members }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
