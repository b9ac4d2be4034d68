//! A client of one API server, which tells what surely did not happen from what may have.

mod answer;
mod call;
mod connection;
mod credentials;
mod error;
mod habits;
mod kubeconfig;
mod lines;
mod servers;

pub use answer::Answer;
pub use call::Call;
pub use credentials::{Credentials, Pem};
pub use error::ClientError;
pub use habits::Habits;
pub use lines::Lines;
pub use servers::Servers;

use connection::Connection;
use std::time::Duration;

/// How long TCP and TLS may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// One API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The member's name.
    pub name: String,
    /// `host:port`
    pub address: String,
}

/// A client that asks one server, one request at a time, over a connection of its own.
pub struct Client {
    endpoint: Endpoint,
    credentials: Credentials,
    timeout: Duration,
    connection: Option<Connection>,
}

impl Client {
    /// A client whose requests may take `timeout`; it connects with the first.
    pub fn new(endpoint: Endpoint, credentials: &Credentials, timeout: Duration) -> Client {
        Client { endpoint, credentials: credentials.clone(), timeout, connection: None }
    }

    /// Whom it asks.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks another server from now on.
    pub fn hop(&mut self, endpoint: Endpoint) {
        self.endpoint = endpoint;
        self.connection = None;
    }

    /// Sends a request and reads the whole answer. It is sent once.
    ///
    /// # Errors
    /// [`ClientError::NotSent`]: the server cannot have seen it. All others: it may have.
    pub async fn send(&mut self, call: Call) -> Result<Answer, ClientError> {
        let timeout = self.timeout;
        let sent = tokio::time::timeout(timeout, self.connect().await?.send(call)).await;
        let answer = sent.unwrap_or(Err(ClientError::Timeout));
        if answer.is_err() {
            // Whatever hung there shall not hold the next one up.
            self.connection = None;
        }
        answer
    }

    /// Sends a request whose answer is a stream of JSON lines. It gets a connection of its own, so
    /// that a slow reader holds up nothing else and cutting it is seen by the server.
    ///
    /// # Errors
    /// As of [`Client::send`]; [`ClientError::Refused`] when the answer is no success.
    pub async fn stream(&mut self, call: Call) -> Result<Lines, ClientError> {
        let started = self.open().await?.stream(call);
        tokio::time::timeout(self.timeout, started).await.unwrap_or(Err(ClientError::Timeout))
    }

    async fn connect(&mut self) -> Result<&mut Connection, ClientError> {
        let open = self.connection.take().filter(Connection::is_open);
        let connection = match open {
            Some(connection) => connection,
            None => self.open().await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn open(&self) -> Result<Connection, ClientError> {
        let opened = Connection::open(&self.endpoint.address, &self.credentials);
        let late = || Err(ClientError::NotSent("connecting takes too long".into()));
        tokio::time::timeout(CONNECT_TIMEOUT, opened).await.unwrap_or_else(|_| late())
    }
}
