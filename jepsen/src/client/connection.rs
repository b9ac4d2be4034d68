//! One HTTP/2 connection over TLS.

use super::{Answer, Call, ClientError, Credentials, Lines};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use std::error::Error;
use std::iter::successors;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a connection may be silent before it is tested, and the test unanswered. A member
/// that stands still would hold its watchers for ever.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// An open connection.
pub(super) struct Connection {
    authority: String,
    bearer: Option<HeaderValue>,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects to `address` (`host:port`).
    ///
    /// # Errors
    /// [`ClientError::NotSent`]
    pub async fn open(address: &str, credentials: &Credentials) -> Result<Connection, ClientError> {
        let not_sent = |error: std::io::Error| ClientError::NotSent(error.to_string());
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| ClientError::NotSent(error.to_string()))?;
        let tcp = TcpStream::connect(address).await.map_err(not_sent)?;
        tcp.set_nodelay(true).map_err(not_sent)?;
        let connector = TlsConnector::from(credentials.tls.clone());
        let stream = connector.connect(name, tcp).await.map_err(not_sent)?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ClientError::NotSent(error.to_string()))?;
        // It ends with the last sender and stream; its error reaches the pending requests.
        tokio::spawn(connection);
        Ok(Connection { authority: address.into(), bearer: credentials.bearer.clone(), sender })
    }

    /// Whether it can take a request.
    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`ClientError::NotSent`], [`ClientError::Broken`]
    pub async fn send(&mut self, call: Call) -> Result<Answer, ClientError> {
        let response = self.start(call).await?;
        read(response).await
    }

    /// Sends a request and gives its answer's lines; the connection is theirs from then on.
    ///
    /// # Errors
    /// As of [`Connection::send`]; [`ClientError::Refused`]
    pub async fn stream(mut self, call: Call) -> Result<Lines, ClientError> {
        let response = self.start(call).await?;
        if !response.status().is_success() {
            return Err(ClientError::Refused(read(response).await?));
        }
        Ok(Lines::new(response.into_body(), self.sender))
    }

    async fn start(&mut self, call: Call) -> Result<Response<Incoming>, ClientError> {
        let request = self.request(call)?;
        let not_sent = |error: hyper::Error| ClientError::NotSent(error.to_string());
        self.sender.ready().await.map_err(not_sent)?;
        self.sender.try_send_request(request).await.map_err(|mut error| {
            // The request comes back only when nothing of it was sent.
            let untouched = error.take_message().is_some();
            let what = with_causes(&error.into_error());
            if untouched { ClientError::NotSent(what) } else { ClientError::Broken(what) }
        })
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("https://{}{}", self.authority, call.path))
            .header("user-agent", concat!("jepsen/", env!("CARGO_PKG_VERSION")))
            .header("accept", "application/json");
        if !call.body.is_empty() {
            request = request.header("content-type", call.content_type);
        }
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", bearer);
        }
        let request = request.body(Full::new(call.body));
        request.map_err(|error| ClientError::NotSent(error.to_string()))
    }
}

async fn read(response: Response<Incoming>) -> Result<Answer, ClientError> {
    let (head, body) = response.into_parts();
    let body = body.collect().await;
    let body = body.map_err(|error| ClientError::Broken(with_causes(&error)))?.to_bytes();
    Ok(Answer { status: head.status, headers: Box::new(head.headers), body })
}

/// hyper says only in its causes what happened.
fn with_causes(error: &dyn Error) -> String {
    let causes = successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
