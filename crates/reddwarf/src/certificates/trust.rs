//! Whom the group trusts.

use super::Pair;
use crate::pki::Leaf;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{Error, RootCertStore};
use std::sync::Arc;

/// The group's authority, as members judge each other by it.
#[derive(Clone, Debug)]
pub struct Trust {
    /// What the authority's own certificate says.
    pub authority: Leaf,
    /// It, and others that stand in the same file.
    pub roots: Arc<RootCertStore>,
    /// Judges those who call; they may show nothing.
    pub callers: Arc<dyn ClientCertVerifier>,
    servers: Arc<WebPkiServerVerifier>,
}

impl Trust {
    /// In these authorities, of which `authority` is the first.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(authority: Leaf, roots: RootCertStore) -> Result<Self, VerifierBuilderError> {
        let (roots, provider) = (Arc::new(roots), Arc::new(default_provider()));
        let callers = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .allow_unauthenticated()
            .build()?;
        let servers =
            WebPkiServerVerifier::builder_with_provider(roots.clone(), provider).build()?;
        Ok(Trust { authority, roots, callers, servers })
    }

    /// Whether other members accept a certificate, when they call its holder under `host` and when they
    /// are called.
    ///
    /// # Errors
    /// What they say.
    pub fn check(&self, pair: &Pair, host: &str) -> Result<(), Error> {
        let Some((first, others)) = pair.chain().split_first() else {
            return Err(Error::NoCertificatesPresented);
        };
        let name = ServerName::try_from(host).map_err(|error| Error::General(error.to_string()))?;
        let now = UnixTime::now();
        self.servers.verify_server_cert(first, others, &name, &[], now)?;
        self.callers.verify_client_cert(first, others, now)?;
        Ok(())
    }
}
