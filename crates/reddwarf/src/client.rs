//! A small HTTP/2 client of the API, for the commands and the benchmark; and how it shows what
//! differs between objects.

mod connection;
mod group;
mod resources;
mod tls;
mod unified;

pub use connection::{Answer, Connection};
pub use group::GroupClient;
pub(crate) use group::parse;
pub use resources::{ObjectRef, ObjectRefError, Resource};
pub use tls::client_config;
pub use unified::unified_yaml;

use miette::Diagnostic;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ClientError {
    /// The URL is not one that can be called.
    #[error("{url:?} is not an https:// URL of an API server")]
    #[diagnostic(code(reddwarf::client::url), help("a server is written https://HOST:PORT"))]
    Url {
        /// The URL.
        url: String,
    },
    /// The client's certificates cannot be used.
    #[error("the client's certificates cannot be used: {0}")]
    #[diagnostic(
        code(reddwarf::client::certificates),
        help("take the kubeconfig that the cluster wrote")
    )]
    Certificates(String),
    /// No connection.
    #[error("cannot connect to {url}")]
    #[diagnostic(
        code(reddwarf::client::connect),
        help("is the member running? `reddwarf up` starts what is not")
    )]
    Connect {
        /// Which server.
        url: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The connection broke; the request may or may not have been carried out.
    #[error("no answer from {url}")]
    #[diagnostic(code(reddwarf::client::broken))]
    Broken {
        /// Which server.
        url: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// No answer in time.
    #[error("no answer from {url} within {seconds} s")]
    #[diagnostic(code(reddwarf::client::timeout))]
    Timeout {
        /// Which server.
        url: String,
        /// How long it had.
        seconds: u64,
    },
    /// An answer that says no.
    #[error("{url} answered {code}: {message}")]
    #[diagnostic(code(reddwarf::client::refused))]
    Refused {
        /// Which request.
        url: String,
        /// HTTP status.
        code: u16,
        /// Its text.
        message: String,
    },
}

impl ClientError {
    /// Whether the request certainly reached no server.
    pub fn is_unsent(&self) -> bool {
        matches!(self, ClientError::Connect { .. })
    }
}
