//! The one port of a member: connections are told apart by ALPN.

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::Acceptor;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How long a client may take for its TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The part of a client's first bytes in which its hello must end.
const HELLO_BYTES_MAX: usize = 16 * 1024;
/// Pause before a hello of which only a part has come is looked at again.
const HELLO_PAUSE: Duration = Duration::from_millis(2);
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
    /// Whether one of these protocols was agreed on.
    pub fn is_protocol(&self, alpns: &[&[u8]]) -> bool {
        self.stream.get_ref().1.alpn_protocol().is_some_and(|alpn| alpns.contains(&alpn))
    }
}

/// What serves the port.
#[derive(Clone)]
pub(super) struct Port {
    /// TLS of both protocols.
    pub tls: Arc<ServerConfig>,
    /// Where connections of other members run, from their handshake on.
    pub group: Handle,
}

/// Accepts until `stop`; each connection runs as its own task.
pub(super) async fn accept_loop<F>(
    listener: TcpListener,
    port: Port,
    stop: CancellationToken,
    handle: impl Fn(Accepted) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
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
        let (port, handle, place) = (port.clone(), handle.clone(), accepted.0);
        tokio::spawn(async move {
            let served = serve(tcp, remote, port, handle, place).await;
            if let Err(error) = served {
                debug!(%remote, %error, "connection lost before its handshake");
            }
        });
    }
}

/// Serves a connection where its protocol belongs: sockets stay with the runtime in which they
/// were made ready, so this is settled before the first byte is taken.
async fn serve<F>(
    tcp: TcpStream,
    remote: SocketAddr,
    port: Port,
    handle: impl Fn(Accepted) -> F + Send + 'static,
    place: impl Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tcp.set_nodelay(true)?;
    let hello = tokio::time::timeout(HANDSHAKE_TIMEOUT, offers(&tcp, &reddwarf_raft::ALPNS));
    let of_group = hello.await??;
    let Port { tls, group } = port;
    let connection = move |tcp: TcpStream| async move {
        let _place = place;
        if let Some(accepted) = handshake(TlsAcceptor::from(tls), tcp, remote).await {
            handle(accepted).await;
        }
    };
    if of_group {
        let tcp = tcp.into_std()?;
        group.spawn(async move {
            match TcpStream::from_std(tcp) {
                Ok(tcp) => connection(tcp).await,
                Err(error) => warn!(%remote, %error, "a member's connection is lost"),
            }
        });
    } else {
        connection(tcp).await;
    }
    Ok(())
}

/// Whether the client's hello, which is looked at and left where it is, offers one of `protocols`. What
/// is no hello offers nothing; the handshake will say so.
async fn offers(tcp: &TcpStream, protocols: &[&[u8]]) -> io::Result<bool> {
    let mut bytes = vec![0; HELLO_BYTES_MAX];
    loop {
        let length = tcp.peek(&mut bytes).await?;
        let mut acceptor = Acceptor::default();
        let mut unread = &bytes[..length];
        while !unread.is_empty() {
            acceptor.read_tls(&mut unread)?;
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                return Ok(hello
                    .alpn()
                    .into_iter()
                    .flatten()
                    .any(|offer| protocols.contains(&offer)));
            }
            Ok(None) if (1..HELLO_BYTES_MAX).contains(&length) => {}
            Ok(None) | Err(_) => return Ok(false),
        }
        // The kernel does not tell of more bytes as long as there are some.
        tokio::time::sleep(HELLO_PAUSE).await;
    }
}

async fn handshake(acceptor: TlsAcceptor, tcp: TcpStream, remote: SocketAddr) -> Option<Accepted> {
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
