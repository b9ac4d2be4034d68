//! One HTTP/2 connection to one server.

use super::ClientError;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long the TCP and TLS handshakes may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a connection may be silent before it is tested, and the test unanswered.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Body.
    pub body: Bytes,
}

/// An open connection; clones share it.
#[derive(Clone)]
pub struct Connection {
    url: Arc<str>,
    authority: Arc<str>,
    bearer: Option<HeaderValue>,
    message: Option<HeaderValue>,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects to `url` (`https://host:port`), with a bearer token when there is one.
    ///
    /// # Errors
    /// [`ClientError::Url`], [`ClientError::Connect`], [`ClientError::Broken`]
    pub async fn open(
        url: &str,
        tls: Arc<ClientConfig>,
        token: Option<&str>,
    ) -> Result<Connection, ClientError> {
        let bad_url = || ClientError::Url { url: url.into() };
        let uri: Uri = url.parse().map_err(|_| bad_url())?;
        let host = uri.host().ok_or_else(bad_url)?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(443);
        if uri.scheme_str() != Some("https") {
            return Err(bad_url());
        }
        let name = ServerName::try_from(host.clone()).map_err(|_| bad_url())?;
        let connect = async {
            let tcp = TcpStream::connect((host.as_str(), port)).await?;
            tcp.set_nodelay(true)?;
            TlsConnector::from(tls).connect(name, tcp).await
        };
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connect)
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(|source| ClientError::Connect { url: url.into(), source })?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(64 << 20)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|source| ClientError::Broken { url: url.into(), source })?;
        // It ends with the last sender; its error reaches the pending requests.
        tokio::spawn(connection);
        let authority = uri.authority().ok_or_else(bad_url)?.as_str().into();
        let bearer = token.and_then(|t| HeaderValue::try_from(format!("Bearer {t}")).ok());
        Ok(Connection { url: url.into(), authority, bearer, message: None, sender })
    }

    /// The same, but what it writes has this message in the history.
    #[must_use]
    pub fn with_message(mut self, message: Option<HeaderValue>) -> Connection {
        self.message = message;
        self
    }

    /// Whether the connection is closed.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and gives the head of the answer; the body is read by the caller.
    ///
    /// # Errors
    /// [`ClientError::Url`], [`ClientError::Broken`]
    pub async fn start(
        &mut self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let url = format!("https://{}{path}", self.authority);
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .header("user-agent", concat!("reddwarf/", env!("CARGO_PKG_VERSION")))
            .header("accept", "application/json");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", bearer);
        }
        if let Some(message) = &self.message {
            request = request.header("reddwarf-message", message);
        }
        let request =
            request.body(Full::new(body)).map_err(|_| ClientError::Url { url: url.clone() })?;
        let broken = |source| ClientError::Broken { url: self.url.to_string(), source };
        self.sender.ready().await.map_err(broken)?;
        self.sender.send_request(request).await.map_err(broken)
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`ClientError::Url`], [`ClientError::Broken`]
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let response = self.start(method, path, content_type, body).await?;
        let status = response.status();
        let body = response.into_body().collect().await;
        let body = body
            .map_err(|source| ClientError::Broken { url: self.url.to_string(), source })?
            .to_bytes();
        Ok(Answer { status, body })
    }
}
