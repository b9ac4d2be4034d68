//! A client of a whole group, which goes to another member when one is down.

use super::{Answer, ClientError, Connection, client_config};
use crate::kubeconfig::{Endpoint, Kubeconfig};
use bytes::Bytes;
use http::Method;
use rustls::ClientConfig;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long one member may take to answer before the next is asked.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Talks to whichever member answers, beginning with the current context's.
pub struct GroupClient {
    members: Vec<Endpoint>,
    tls: Arc<ClientConfig>,
    token: Option<String>,
    current: Mutex<(usize, Option<Connection>)>,
}

impl GroupClient {
    /// A client of the group that a kubeconfig describes.
    ///
    /// # Errors
    /// [`ClientError::Certificates`]
    pub fn new(kubeconfig: &Kubeconfig) -> Result<Self, ClientError> {
        Ok(GroupClient {
            members: kubeconfig.members.clone(),
            tls: client_config(kubeconfig)?,
            token: kubeconfig.token.clone(),
            current: Mutex::new((0, None)),
        })
    }

    /// The members, the preferred one first.
    pub fn members(&self) -> &[Endpoint] {
        &self.members
    }

    /// A new connection to one member.
    ///
    /// # Errors
    /// See [`Connection::open`].
    pub async fn connect(&self, member: &Endpoint) -> Result<Connection, ClientError> {
        Connection::open(&member.url, self.tls.clone(), self.token.as_deref()).await
    }

    /// Sends a request to the current member, and on to the others while it certainly was not
    /// carried out (or may safely be repeated).
    ///
    /// # Errors
    /// The last member's failure.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let mut last = None;
        for _ in 0..=self.members.len() {
            match self.attempt(&method, path, content_type, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_unsent() || method == Method::GET => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| ClientError::Url { url: String::new() }))
    }

    async fn attempt(
        &self,
        method: &Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let (at, mut connection) = self.current_connection().await?;
        let sent = connection.send(method.clone(), path, content_type, body);
        let answer = match tokio::time::timeout(ANSWER_TIMEOUT, sent).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Timeout {
                url: self.members[at].url.clone(),
                seconds: ANSWER_TIMEOUT.as_secs(),
            }),
        };
        if answer.is_err() {
            self.leave(at).await;
        }
        answer
    }

    async fn current_connection(&self) -> Result<(usize, Connection), ClientError> {
        let mut current = self.current.lock().await;
        let (at, open) = &mut *current;
        if let Some(connection) = open.as_ref().filter(|c| !c.is_closed()) {
            return Ok((*at, connection.clone()));
        }
        match self.connect(&self.members[*at]).await {
            Ok(connection) => {
                *open = Some(connection.clone());
                Ok((*at, connection))
            }
            Err(error) => {
                *current = ((*at + 1) % self.members.len(), None);
                Err(error)
            }
        }
    }

    /// Turns to the next member, unless another request already did.
    async fn leave(&self, at: usize) {
        let mut current = self.current.lock().await;
        if current.0 == at {
            *current = ((at + 1) % self.members.len(), None);
        }
    }

    /// GETs a JSON answer.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for an answer other than 200.
    pub async fn get_json(&self, path: &str) -> Result<Value, ClientError> {
        let answer = self.request(Method::GET, path, None, Bytes::new()).await?;
        parse(path, &answer)
    }
}

/// The JSON of a successful answer.
fn parse(path: &str, answer: &Answer) -> Result<Value, ClientError> {
    let refused = |message: String| ClientError::Refused {
        url: path.into(),
        code: answer.status.as_u16(),
        message,
    };
    if !answer.status.is_success() {
        return Err(refused(String::from_utf8_lossy(&answer.body).into_owned()));
    }
    serde_json::from_slice(&answer.body).map_err(|e| refused(format!("not JSON: {e}")))
}
