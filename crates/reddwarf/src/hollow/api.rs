//! Calls that are repeated until a member answers.

use crate::client::{Answer, ClientError, GroupClient};
use bytes::{Buf, Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Wait before the first repetition; doubles up to [`REPEAT_AFTER_MAX`].
const REPEAT_AFTER: Duration = Duration::from_millis(50);
const REPEAT_AFTER_MAX: Duration = Duration::from_secs(1);
/// Attempts at one call, which together last for about a minute.
const ATTEMPTS_MAX: u32 = 64;
/// A line of a watch: one object, and what stands around it.
const LINE_BYTES_MAX: usize = 8 << 20;

/// JSON merge patch.
pub const MERGE: &str = "application/merge-patch+json";
/// Strategic merge patch.
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// A group of API servers, as the simulated nodes call it.
pub struct Api {
    client: GroupClient,
    /// Which member serves the next watch.
    watched: AtomicUsize,
}

impl Api {
    pub fn new(client: GroupClient) -> Self {
        Api { client, watched: AtomicUsize::new(0) }
    }

    /// GETs a path.
    ///
    /// # Errors
    /// The last attempt's failure.
    pub async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.call(Method::GET, path, None, Bytes::new()).await
    }

    /// Sends a JSON body.
    ///
    /// # Errors
    /// The last attempt's failure.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Answer, ClientError> {
        self.call(method, path, Some(content_type), Bytes::from(body.to_string())).await
    }

    /// Calls until a member gives an answer that is not its own failure. Every call made here
    /// may be repeated: it names the state that it wants, and the uid where that matters.
    async fn call(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let mut wait = REPEAT_AFTER;
        for attempt in 1.. {
            let answer =
                self.client.request(method.clone(), path, content_type, body.clone()).await;
            let again = match &answer {
                Ok(answer) => answer.status.is_server_error() || answer.status == 429,
                Err(_) => true,
            };
            if !again || attempt == ATTEMPTS_MAX {
                return answer;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(REPEAT_AFTER_MAX);
        }
        unreachable!("the loop ends with its last attempt")
    }

    /// Opens a watch on the member whose turn it is; after a failure it is the next one's.
    ///
    /// # Errors
    /// [`ClientError::Refused`] and failures to connect.
    pub async fn watch(&self, path: &str) -> Result<Lines, ClientError> {
        let members = self.client.members();
        let member = &members[self.watched.load(Ordering::Relaxed) % members.len()];
        let mut connection = self.client.connect(member).await?;
        let response = connection.start(Method::GET, path, None, Bytes::new()).await?;
        if !response.status().is_success() {
            return Err(ClientError::Refused {
                url: member.url.clone(),
                code: response.status().as_u16(),
                message: "the watch was refused".into(),
            });
        }
        let (body, buffer) = (response.into_body(), BytesMut::new());
        Ok(Lines { body, buffer, scanned: 0, _connection: connection })
    }

    /// Turns to another member for the next watch.
    pub fn watch_elsewhere(&self) {
        self.watched.fetch_add(1, Ordering::Relaxed);
    }
}

/// The lines of a watch.
pub struct Lines {
    body: Incoming,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no line feed.
    scanned: usize,
    /// Its end would end the watch.
    _connection: crate::client::Connection,
}

impl Lines {
    /// The next line, `None` when the watch ended or broke.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            let unseen = &self.buffer[self.scanned..];
            if let Some(at) = unseen.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.scanned + at).freeze();
                self.buffer.advance(1);
                self.scanned = 0;
                return Some(line);
            }
            self.scanned = self.buffer.len();
            if self.scanned > LINE_BYTES_MAX {
                return None;
            }
            if let Ok(data) = self.body.frame().await?.ok()?.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}
