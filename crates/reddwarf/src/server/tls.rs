//! TLS of a member: one port for clients and peers.

use crate::certificates::{Held, Pair, PairError, Signer, Trust};
use crate::config::{Config, TlsFiles};
use crate::pki::{self, Authority, Leaf, PkiError};
use jiff::Timestamp;
use miette::Diagnostic;
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a member's certificates cannot be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum TlsError {
    /// A file is missing or is no PEM.
    #[error("{} cannot be used: {why}", path.display())]
    #[diagnostic(
        code(reddwarf::tls::file),
        help("give PEM files by [tls] ca_file, cert_file and key_file, or leave all three away")
    )]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Certificate and key do not fit together.
    #[error("the certificate and its key cannot be used")]
    #[diagnostic(code(reddwarf::tls::pair), help("cert_file and key_file must be a pair"))]
    Pair(#[source] rustls::Error),
    /// They could not be generated.
    #[error("certificates could not be generated")]
    #[diagnostic(code(reddwarf::tls::generate))]
    Generate(#[from] PkiError),
}

/// Both sides of a member's TLS.
pub struct MemberTls {
    /// For the listener: clients may show a certificate, which must then be the cluster's.
    pub server: Arc<ServerConfig>,
    /// For dialing peers.
    pub client: Arc<ClientConfig>,
    /// What both show.
    pub held: Arc<Held>,
    /// Whom both trust.
    pub trust: Trust,
    /// Hosts in a certificate that this member makes for itself.
    pub hosts: Vec<String>,
    /// PEM of the authority, for `kube-root-ca.crt`.
    pub authority: String,
    /// Where all of it stands. The authority's key, if this member has it, stands beside its certificate.
    pub files: TlsFiles,
}

impl From<PairError> for TlsError {
    fn from(error: PairError) -> Self {
        match error {
            PairError::File { path, why } => TlsError::File { path, why },
            PairError::Mismatch(error) => TlsError::Pair(error),
        }
    }
}

/// Loads the files that the configuration names, generating them in the data directory when it
/// names none.
///
/// # Errors
/// [`TlsError`]
pub fn load(config: &Config, alpn_server: &[&[u8]]) -> Result<MemberTls, TlsError> {
    let files = match &config.tls {
        Some(files) => files.clone(),
        None => generate(config)?,
    };
    let authority = read(&files.ca_file)?;
    let certificates = certificates(&files.ca_file)?;
    let leaf = Leaf::of(&certificates[0]).map_err(|e| file_error(&files.ca_file, &e))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|e| file_error(&files.ca_file, &e))?;
    }
    let trust = Trust::new(leaf, roots).map_err(|e| file_error(&files.ca_file, &e))?;
    pki::settle(&files.cert_file, &files.key_file)?;
    let held = Held::new(pair(config, &files)?);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_client_cert_verifier(trust.callers.clone())
        .with_cert_resolver(held.clone());
    server.alpn_protocols = alpn_server.iter().map(|p| p.to_vec()).collect();
    // A session that is taken up again goes by the certificates of its first connection, which may have
    // expired or been replaced since.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_root_certificates(trust.roots.clone())
        .with_client_cert_resolver(held.clone());
    client.resumption = Resumption::disabled();
    let (server, client) = (Arc::new(server), Arc::new(client));
    Ok(MemberTls { server, client, held, trust, hosts: hosts(config), authority, files })
}

/// This member's certificate and key; another one at once when its time was over while the member did
/// not run, and it can make one.
fn pair(config: &Config, files: &TlsFiles) -> Result<Pair, TlsError> {
    let found = Pair::read(files)?;
    if !files.renew || found.leaf.validity.until > Timestamp::now() {
        return Ok(found);
    }
    let signer = Signer { authority_file: files.ca_file.clone() };
    let Some(authority) = signer.authority()? else { return Ok(found) };
    authority
        .issue(&pki::member(&config.name, &hosts(config)))?
        .replace(&files.cert_file, &files.key_file)?;
    Ok(Pair::read(files)?)
}

/// What others may call this member.
fn hosts(config: &Config) -> Vec<String> {
    let mut hosts = vec![host_of(&config.advertise).to_owned()];
    if !config.listen.ip().is_unspecified() {
        hosts.push(config.listen.ip().to_string());
    }
    hosts
}

/// Makes an authority, this member's certificate and an administrator's kubeconfig in the data
/// directory, whichever is not there yet.
fn generate(config: &Config) -> Result<TlsFiles, TlsError> {
    let folder = config.data_dir.join("pki");
    let files = TlsFiles::generated(&config.data_dir);
    if config.joined.is_some() {
        // Another member has certified it, and keeps the authority's key.
        return Ok(files);
    }
    let authority = Authority::open_or_create(&folder)?;
    if !files.cert_file.exists() || !files.key_file.exists() {
        let issued = authority.issue(&pki::member(&config.name, &hosts(config)))?;
        issued.write(&files.cert_file, &files.key_file)?;
    }
    let kubeconfig = config.data_dir.join("admin.kubeconfig");
    if !kubeconfig.exists() {
        let subject = pki::admin_client();
        let credentials = authority.issue(&subject)?;
        let url = |address: &str| format!("https://{address}");
        let members: Vec<_> =
            config.members.iter().map(|m| (m.name.clone(), url(&m.address))).collect();
        let text = crate::kubeconfig::render(
            authority.certificate(),
            &members,
            &subject.name,
            &credentials,
        );
        pki::write_private(&kubeconfig, &text).map_err(|e| file_error(&kubeconfig, &e))?;
    }
    Ok(files)
}

/// The host of a `host:port`, without an IPv6 address's brackets.
pub(crate) fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_matches(['[', ']'])
}

fn read(path: &Path) -> Result<String, TlsError> {
    std::fs::read_to_string(path).map_err(|e| file_error(path, &e))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|e| file_error(path, &e))?;
    if found.is_empty() {
        return Err(file_error(path, &"it holds no certificate"));
    }
    Ok(found)
}

fn file_error(path: &Path, why: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { path: path.into(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, ServerFlags};
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
    use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

    type ClientStream = client::TlsStream<DuplexStream>;
    type ServerStream = server::TlsStream<DuplexStream>;

    fn config(folder: &Path) -> Config {
        let flags = ServerFlags { data_dir: Some(folder.into()), ..ServerFlags::default() };
        config::load(&flags).expect("complete")
    }

    #[test]
    fn a_group_of_one_makes_its_own_certificates_and_keeps_them() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let first = load(&config(folder.path()), &[b"h2"]).expect("generated");
        let again = load(&config(folder.path()), &[b"h2"]).expect("read");
        assert_eq!(first.authority, again.authority);
        let kubeconfig = folder.path().join("admin.kubeconfig");
        let read = crate::kubeconfig::Kubeconfig::read(&kubeconfig).expect("kubeconfig");
        assert_eq!(read.members[0].url, "https://127.0.0.1:6443");
        assert_eq!(read.authority, first.authority);
    }

    #[test]
    fn a_member_that_was_away_for_too_long_makes_a_certificate_at_its_start() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let config = config(folder.path());
        let first = load(&config, &[b"h2"]).expect("generated");
        let authority = Authority::open_or_create(&folder.path().join("pki")).expect("read");
        let now = Timestamp::now();
        let hours = jiff::SignedDuration::from_hours;
        let over = pki::Validity { from: now - hours(48), until: now - hours(1) };
        let old = authority.issue_within(&pki::member("node-1", &[]), over).expect("issued");
        old.write(&first.files.cert_file, &first.files.key_file).expect("written");
        let leaf = load(&config, &[b"h2"]).expect("read").held.leaf();
        assert!(leaf.validity.contains(now), "{leaf:?}");
        let again = load(&config, &[b"h2"]).expect("read").held.leaf();
        assert_eq!(again, leaf, "it is kept");
    }

    /// A connection of the member to itself: what the client and the server see of each other.
    async fn connection(tls: &MemberTls) -> (ClientStream, ServerStream, [String; 2]) {
        let (near, far) = tokio::io::duplex(1 << 14);
        let name = "localhost".try_into().expect("a name");
        let connect = TlsConnector::from(tls.client.clone()).connect(name, near);
        let accept = TlsAcceptor::from(tls.server.clone()).accept(far);
        let (client, server) = tokio::try_join!(connect, accept).expect("both agree");
        let of = |chain: Option<&[CertificateDer<'static>]>| {
            Leaf::of(&chain.expect("a certificate")[0]).expect("readable").fingerprint
        };
        let seen = [client.get_ref().1.peer_certificates(), server.get_ref().1.peer_certificates()];
        let seen = seen.map(of);
        (client, server, seen)
    }

    #[tokio::test]
    async fn another_certificate_counts_from_the_next_connection_on() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let config = config(folder.path());
        let tls = load(&config, &[b"h2"]).expect("generated");
        let first = tls.held.leaf().fingerprint;
        let (mut client, mut server, seen) = connection(&tls).await;
        assert_eq!(seen, [first.clone(), first.clone()]);
        // What would let the client take the session up comes with it.
        say(&mut server, &mut client, b"first").await;
        let authority = Authority::open_or_create(&folder.path().join("pki")).expect("read");
        let issued = authority.issue(&pki::member("node-1", &hosts(&config))).expect("issued");
        tls.held.show(Pair::of(&issued, &tls.files).expect("a pair"));
        let second = tls.held.leaf().fingerprint;
        assert_ne!(first, second);
        let (_, _, seen) = connection(&tls).await;
        assert_eq!(seen, [second.clone(), second], "on both sides, and no session is taken up");
        say(&mut client, &mut server, b"still").await;
    }

    async fn say(
        from: &mut (impl AsyncWrite + Unpin),
        to: &mut (impl AsyncRead + Unpin),
        text: &[u8],
    ) {
        from.write_all(text).await.expect("sent");
        from.flush().await.expect("sent");
        let mut read = vec![0; text.len()];
        to.read_exact(&mut read).await.expect("received");
        assert_eq!(read, text);
    }

    #[test]
    fn an_empty_certificate_file_is_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut config = config(folder.path());
        load(&config, &[b"h2"]).expect("generated");
        let pki = folder.path().join("pki");
        let empty = folder.path().join("empty.crt");
        std::fs::write(&empty, "").expect("written");
        config.tls = Some(TlsFiles {
            ca_file: pki.join("ca.crt"),
            cert_file: empty,
            key_file: pki.join("tls.key"),
            renew: false,
        });
        let Err(error) = load(&config, &[b"h2"]) else { panic!("must be refused") };
        assert!(error.to_string().contains("empty.crt"), "{error}");
    }
}
