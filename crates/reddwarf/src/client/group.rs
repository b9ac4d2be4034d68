//! A client of a whole group, which goes to another member when one is down.

use super::{Answer, ClientError, Connection, client_config};
use crate::kubeconfig::{Endpoint, Kubeconfig};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
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
    message: Option<HeaderValue>,
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
            message: None,
            current: Mutex::new((0, None)),
        })
    }

    /// The same client, but what it writes has this message in the history.
    #[must_use]
    pub fn with_message(mut self, message: &str) -> Self {
        let one_line = message.replace(char::is_control, " ");
        self.message = HeaderValue::from_bytes(one_line.as_bytes()).ok();
        self
    }

    /// The members, the preferred one first.
    pub fn members(&self) -> &[Endpoint] {
        &self.members
    }

    /// The member that requests go to now: the one that answered last, if any did.
    pub async fn current(&self) -> &Endpoint {
        &self.members[self.current.lock().await.0]
    }

    /// A new connection to one member.
    ///
    /// # Errors
    /// See [`Connection::open`].
    pub async fn connect(&self, member: &Endpoint) -> Result<Connection, ClientError> {
        let open = Connection::open(&member.url, self.tls.clone(), self.token.as_deref());
        Ok(open.await?.with_message(self.message.clone()))
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

    /// GETs a JSON answer; `None` where there is nothing (404).
    ///
    /// # Errors
    /// [`ClientError::Refused`] for an answer other than 200 and 404.
    pub async fn find_json(&self, path: &str) -> Result<Option<Value>, ClientError> {
        let answer = self.request(Method::GET, path, None, Bytes::new()).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        parse(path, &answer).map(Some)
    }

    /// Sends a JSON body and reads a JSON answer.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a failure.
    pub async fn send_json(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Value, ClientError> {
        let body = body.to_string().into();
        let answer = self.request(method, path, Some("application/json"), body).await?;
        parse(path, &answer)
    }
}

/// The JSON of a successful answer.
pub(crate) fn parse(path: &str, answer: &Answer) -> Result<Value, ClientError> {
    let refused = |message: String| ClientError::Refused {
        url: path.into(),
        code: answer.status.as_u16(),
        message,
    };
    if !answer.status.is_success() {
        let status = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        let message = status["message"].as_str().map(str::to_owned);
        let text = || String::from_utf8_lossy(&answer.body).into_owned();
        return Err(refused(message.unwrap_or_else(text)));
    }
    serde_json::from_slice(&answer.body).map_err(|e| refused(format!("not JSON: {e}")))
}
