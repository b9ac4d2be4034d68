//! How a stream to another member is made: over TCP and mutual TLS, but in simulations.

use super::frame::{ALPN, ALPN_FIRST_LEVEL};
use super::serve::Protocol;
use async_trait::async_trait;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// After what is sent was not acknowledged for so long, a connection is given up. The system itself
/// would send again at ever longer intervals, and be silent for as long again once a line is back.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MS_MAX: u32 = 1_500;

/// A connection to another member.
pub trait PeerStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> PeerStream for S {}

/// A connection that was made.
pub struct Dialed {
    /// Its bytes. It ends by itself when the other end has not taken what was sent for a while.
    pub stream: Box<dyn PeerStream>,
    /// How both sides begin on it.
    pub protocol: Protocol,
}

/// Makes connections to members; the caller bounds the time.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// As the network has it, or when the other end is not who it should be.
    async fn dial(&self, addr: &str) -> io::Result<Dialed>;

    /// Returns when something takes connections at `host:port`.
    ///
    /// # Errors
    /// As the network has it: [`io::ErrorKind::ConnectionRefused`] when a machine is there on which
    /// nothing does.
    async fn knock(&self, addr: &str) -> io::Result<()>;
}

/// Sets a connection between members up.
///
/// # Errors
/// When it has ended.
pub fn prepare(tcp: &TcpStream) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_user_timeout(tcp, UNACKNOWLEDGED_MS_MAX)?;
    tcp.set_nodelay(true)
}

/// Dials over TCP and mutual TLS.
pub struct TlsDial(Arc<ClientConfig>);

impl TlsDial {
    /// Dials with this configuration, whose ALPN is replaced.
    pub fn new(tls: &ClientConfig) -> Self {
        let mut tls = tls.clone();
        // A member whose build knows of no feature levels chooses the second.
        tls.alpn_protocols = vec![ALPN.to_vec(), ALPN_FIRST_LEVEL.to_vec()];
        TlsDial(Arc::new(tls))
    }

    /// The same, as it is handed over.
    pub fn shared(tls: &ClientConfig) -> Arc<dyn Dial> {
        Arc::new(TlsDial::new(tls))
    }
}

#[async_trait]
impl Dial for TlsDial {
    async fn dial(&self, addr: &str) -> io::Result<Dialed> {
        let tcp = TcpStream::connect(addr).await?;
        prepare(&tcp)?;
        let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host);
        let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connector = TlsConnector::from(Arc::clone(&self.0));
        let tls = connector.connect(name, tcp).await;
        let tls = tls.map_err(|error| io::Error::new(error.kind(), format!("TLS: {error}")))?;
        let protocol = Protocol::of(tls.get_ref().1.alpn_protocol());
        Ok(Dialed { stream: Box::new(tls), protocol })
    }

    async fn knock(&self, addr: &str) -> io::Result<()> {
        TcpStream::connect(addr).await.map(drop)
    }
}
