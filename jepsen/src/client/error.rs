//! Why there is no answer.

use super::Answer;

/// What went wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It was surely not sent: there is no connection, or it ended before.
    #[error("not sent: {0}")]
    NotSent(String),
    /// No answer came in time.
    #[error("timeout")]
    Timeout,
    /// The connection broke after the request was, at least in part, sent.
    #[error("broken: {0}")]
    Broken(String),
    /// A stream was asked for and something else came.
    #[error("status {}", .0.status)]
    Refused(Answer),
    /// Certificates or a kubeconfig cannot be used.
    #[error("{what}")]
    Credentials {
        /// Which, and why.
        what: String,
    },
}

impl ClientError {
    /// For `map_err` of what concerns credentials.
    pub(super) fn credentials<E: std::fmt::Display>(what: &str) -> impl Fn(E) -> ClientError {
        move |error| ClientError::Credentials { what: format!("{what}: {error}") }
    }
}
