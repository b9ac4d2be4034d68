//! The clients, and one call.

use super::client_config::{ClientConfig, Target};
use super::reply;
use super::service::ServiceResolver;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use indexmap::IndexMap;
use parking_lot::Mutex;
use reddwarf_core::Store;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Longest time of a call, from the name's resolution to the last byte of the answer.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Clients that are kept; the one that was made first goes first.
const CLIENTS_MAX: usize = 200;
/// Connections that a client keeps open while it is not asked for them.
const IDLE_CONNECTIONS_MAX: usize = 8;

const JSON: &str = "application/json";

/// Why a call was not answered, or not with success.
#[derive(Debug, Error)]
pub enum CallError {
    /// The configuration names nothing to call.
    #[error("webhook configuration must have either service or URL")]
    Nowhere,
    /// The bundle of authorities cannot be used.
    #[error("unable to load root certificates: {0}")]
    Roots(String),
    /// No whole answer came; in the words of Go's client.
    #[error("Post {url:?}: {cause}")]
    Unanswered {
        /// What was called.
        url: String,
        /// The innermost cause.
        cause: String,
    },
    /// The answer is too long.
    #[error("Post {url:?}: the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong {
        /// What was called.
        url: String,
    },
    /// The answer's code says failure.
    #[error("{0}")]
    Refused(String),
}

/// The clients of all webhooks of one member.
pub struct Webhooks {
    store: Arc<dyn Store>,
    timeout: Duration,
    clients: Mutex<IndexMap<ClientConfig, Client>>,
}

impl Webhooks {
    /// No client yet; services are found in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Webhooks { store, timeout: TIMEOUT, clients: Mutex::default() }
    }

    /// The same with another [`TIMEOUT`].
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Webhooks { timeout, ..self }
    }

    /// Posts JSON and answers what comes back with a code of success.
    ///
    /// Cancel safe: a dropped call closes its connection.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post(&self, config: &ClientConfig, body: Bytes) -> Result<Bytes, CallError> {
        let target = config.target()?;
        let client = self.client(config)?;
        let mut request = client.post(&target.url).timeout(self.timeout).body(body);
        request = request.header(CONTENT_TYPE, JSON).header(ACCEPT, "application/json, */*");
        if let Some(host) = &target.host {
            request = request.header(HOST, host);
        }
        let response = request.send().await.map_err(|error| unanswered(&target, error))?;
        let code = response.status();
        let body = whole(&target, response).await?;
        match reply::failure(code, &body) {
            Some(message) => Err(CallError::Refused(message)),
            None => Ok(body),
        }
    }

    fn client(&self, config: &ClientConfig) -> Result<Client, CallError> {
        if let Some(client) = self.clients.lock().get(config) {
            return Ok(client.clone());
        }
        let client = self.build(config)?;
        let mut clients = self.clients.lock();
        if clients.len() >= CLIENTS_MAX {
            clients.shift_remove_index(0);
        }
        // Another call may have been first; its connections are the ones to share.
        Ok(clients.entry(config.clone()).or_insert(client).clone())
    }

    fn build(&self, config: &ClientConfig) -> Result<Client, CallError> {
        // TLS needs one provider of cryptography in the process; whoever names it first, it is
        // the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // HTTP/2 would put all calls on one connection, and so on one of a service's endpoints.
        let mut builder = Client::builder().http1_only().no_proxy().redirect(Policy::none());
        builder = builder.pool_max_idle_per_host(IDLE_CONNECTIONS_MAX);
        if let Some(roots) = roots(config)? {
            builder = builder.tls_certs_only(roots);
        }
        if let Some(service) = &config.service {
            let resolver = ServiceResolver { store: self.store.clone(), service: service.clone() };
            builder = builder.dns_resolver(Arc::new(resolver));
        }
        builder.build().map_err(|error| CallError::Roots(innermost(&error)))
    }
}

/// The authorities that the configuration trusts; `None` for those of the system.
fn roots(config: &ClientConfig) -> Result<Option<Vec<Certificate>>, CallError> {
    let bundle = STANDARD
        .decode(config.ca_bundle.as_deref().unwrap_or_default())
        .map_err(|error| CallError::Roots(error.to_string()))?;
    if bundle.trim_ascii().is_empty() {
        return Ok(None);
    }
    match Certificate::from_pem_bundle(&bundle) {
        Ok(roots) if !roots.is_empty() => Ok(Some(roots)),
        Ok(_) => Err(CallError::Roots("unable to parse bytes as PEM block".into())),
        Err(error) => Err(CallError::Roots(innermost(&error))),
    }
}

async fn whole(target: &Target, mut response: Response) -> Result<Bytes, CallError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(target, error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(CallError::TooLong { url: target.shown.clone() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn unanswered(target: &Target, error: reqwest::Error) -> CallError {
    let cause = match error.is_timeout() {
        true => "context deadline exceeded".to_owned(),
        false => innermost(&error),
    };
    CallError::Unanswered { url: target.shown.clone(), cause }
}

/// What an error says at its root: the layers above only say where it came through.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
