//! The API as the leader's own loops call it, in process.

use crate::Status;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

/// A client of the Kubernetes API that needs no socket: the scheduler and the controllers
/// read and write through it, so that every write passes the same admission and validation as
/// a remote client's. The identity, user agent and fence belong to the client.
#[async_trait]
pub trait ApiClient: Send + Sync + 'static {
    /// Sends one request; `body` is JSON unless `content_type` says otherwise.
    ///
    /// # Errors
    /// The `Status` that the server answered.
    async fn request(
        &self,
        method: &str,
        path_and_query: &str,
        content_type: Option<&str>,
        body: Option<Bytes>,
    ) -> Result<Bytes, Box<Status>>;

    /// Opens a watch (the path's query is the caller's, `watch=true` included).
    ///
    /// # Errors
    /// The `Status` that the server answered.
    async fn watch(&self, path_and_query: &str) -> Result<Box<dyn ApiWatch>, Box<Status>>;

    /// The same client, whose writes are rejected once the leader's term is no longer `term`.
    fn fenced(&self, term: u64) -> Arc<dyn ApiClient>;
}

/// The frames of an open watch.
#[async_trait]
pub trait ApiWatch: Send {
    /// The next `{"type":…,"object":…}` as JSON; `None` when the server closed the watch.
    async fn next(&mut self) -> Option<Bytes>;
}
