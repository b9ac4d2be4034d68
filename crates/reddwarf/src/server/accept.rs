//! The one port of a member: connections are told apart by ALPN.

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How long a client may take for its TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that may be open at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 8_192;
/// How long to leave the port alone when it has no descriptor for a connection.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// An accepted connection after its handshake.
pub(super) struct Accepted {
    /// The stream.
    pub stream: TlsStream<TcpStream>,
    /// Whence.
    pub remote: SocketAddr,
    /// The certificate that the other side showed; already verified.
    pub certificate: Option<CertificateDer<'static>>,
}

impl Accepted {
    /// Whether the other side asked for this protocol.
    pub fn is_protocol(&self, alpn: &[u8]) -> bool {
        self.stream.get_ref().1.alpn_protocol() == Some(alpn)
    }
}

/// Accepts until `stop`; each connection runs as its own task.
pub(super) async fn accept_loop<F>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    stop: CancellationToken,
    handle: impl Fn(Accepted) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = places.clone().acquire_owned();
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = async { (place.await, listener.accept().await) } => accepted,
        };
        let (tcp, remote) = match accepted.1 {
            Ok(connection) => connection,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
                continue;
            }
        };
        let (acceptor, handle, place) = (acceptor.clone(), handle.clone(), accepted.0);
        tokio::spawn(async move {
            let _place = place;
            if let Some(accepted) = handshake(acceptor, tcp, remote).await {
                handle(accepted).await;
            }
        });
    }
}

async fn handshake(acceptor: TlsAcceptor, tcp: TcpStream, remote: SocketAddr) -> Option<Accepted> {
    if let Err(error) = tcp.set_nodelay(true) {
        debug!(%remote, %error, "connection lost before its handshake");
        return None;
    }
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let certificate = shown.map(|certificate| certificate.clone().into_owned());
            Some(Accepted { stream, remote, certificate })
        }
        Ok(Err(error)) => {
            debug!(%remote, %error, "TLS handshake refused");
            None
        }
        Err(_) => {
            debug!(%remote, "TLS handshake took too long");
            None
        }
    }
}
