//! The API without a socket, for the leader's own loops.

use crate::caller::Caller;
use crate::http::ApiBody;
use crate::request::UserInfo;
use crate::server::ApiServer;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Response, Uri};
use http_body_util::BodyExt;
use reddwarf_core::api::{ApiClient, ApiWatch};
use reddwarf_core::{Fence, Reason, Status};
use std::sync::Arc;

/// A client in this process: the same pipeline as a remote one's, under its own identity.
#[derive(Clone)]
pub struct LocalClient {
    server: ApiServer,
    caller: Caller,
    user_agent: HeaderValue,
}

impl LocalClient {
    /// A client of `server` that acts as `user` and calls itself `user_agent`.
    pub fn new(server: ApiServer, user: UserInfo, user_agent: &'static str) -> Self {
        LocalClient::in_name_of(server, user, HeaderValue::from_static(user_agent))
    }

    /// A member of `system:masters` of that name, which calls itself `user_agent`: field managers
    /// of the control plane bear the names of its programs.
    pub fn privileged(server: ApiServer, name: &'static str, user_agent: &'static str) -> Self {
        let groups = vec!["system:masters".to_owned(), "system:authenticated".to_owned()];
        LocalClient::new(server, UserInfo::named(name, groups), user_agent)
    }

    /// A client that acts for somebody else.
    pub(crate) fn in_name_of(server: ApiServer, user: UserInfo, user_agent: HeaderValue) -> Self {
        let caller = Caller { user: Some(Arc::new(user)), ..Caller::default() };
        LocalClient { server, caller, user_agent }
    }

    /// Sends a request; the answer is one of success.
    pub(crate) async fn send(
        &self,
        method: &str,
        path_and_query: &str,
        content_type: Option<&str>,
        body: Option<Bytes>,
    ) -> Result<Response<ApiBody>, Box<Status>> {
        let bad = |what: &dyn std::fmt::Display| {
            Box::new(Status::failure(Reason::BadRequest, format!("not a request: {what}")))
        };
        let method = Method::from_bytes(method.as_bytes()).map_err(|e| bad(&e))?;
        let uri: Uri = path_and_query.parse().map_err(|e| bad(&e))?;
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, self.user_agent.clone());
        if let Some(content_type) = content_type {
            let value = HeaderValue::from_str(content_type).map_err(|e| bad(&e))?;
            headers.insert(CONTENT_TYPE, value);
        }
        let body = Ok(body.unwrap_or_default());
        let response = self.server.serve(&method, &uri, &headers, body, &self.caller).await;
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status().as_u16();
        let bytes = whole(response).await?;
        let status = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Status { code, ..Status::failure(Reason::Unknown, text) }
        });
        Err(Box::new(status))
    }
}

async fn whole(response: Response<ApiBody>) -> Result<Bytes, Box<Status>> {
    let collected = response.into_body().collect().await.map_err(crate::errors::internal)?;
    Ok(collected.to_bytes())
}

#[async_trait]
impl ApiClient for LocalClient {
    async fn request(
        &self,
        method: &str,
        path_and_query: &str,
        content_type: Option<&str>,
        body: Option<Bytes>,
    ) -> Result<Bytes, Box<Status>> {
        let response = self.send(method, path_and_query, content_type, body).await?;
        whole(response).await
    }

    async fn watch(&self, path_and_query: &str) -> Result<Box<dyn ApiWatch>, Box<Status>> {
        let response = self.send("GET", path_and_query, None, None).await?;
        Ok(Box::new(LocalWatch { body: response.into_body(), buffered: BytesMut::new() }))
    }

    fn fenced(&self, term: u64) -> Arc<dyn ApiClient> {
        let mut client = self.clone();
        client.caller.fence = Some(Fence { term });
        Arc::new(client)
    }
}

/// The frames of a watch in this process.
struct LocalWatch {
    body: ApiBody,
    buffered: BytesMut,
}

#[async_trait]
impl ApiWatch for LocalWatch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(end) = self.buffered.iter().position(|b| *b == b'\n') {
                let line = self.buffered.split_to(end + 1).freeze();
                return Some(line.slice(..end));
            }
            // A watch that is cut short has ended, as far as its reader can tell.
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.buffered.extend_from_slice(&data);
            }
        }
    }
}
