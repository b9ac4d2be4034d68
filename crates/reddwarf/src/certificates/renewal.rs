//! Another certificate in time, and the files that somebody else replaces.

use super::stamp::Stamp;
use super::{
    CertificateMetrics, Held, Pair, PairError, SIGN_PATH, SignAnswer, SignRequest, Signer, Telling,
    Trust, Unacceptable, acceptable, is_due, telling,
};
use crate::client::{ClientError, Connection};
use crate::config::TlsFiles;
use crate::pki::{CertificateRequest, Credentials, Leaf, PkiError, member};
use crate::server::tls::{MemberTls, host_of};
use http::Method;
use jiff::Timestamp;
use parking_lot::Mutex;
use reddwarf_raft::types::Member;
use rustls::ClientConfig;
use serde_json::Value;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often the files and the clock are looked at; SIGHUP does it at once.
const LOOK: Duration = Duration::from_secs(60);
/// How long another member may take to make a certificate.
const SIGN_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is logged that a certificate is not renewed.
const TELL: Duration = Duration::from_secs(3_600);

/// Why a member shows its certificate of before.
#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    /// The files are somebody else's.
    #[error(
        "{} comes from elsewhere and is the one that is shown: put another certificate and its key \
         in place, and the member takes them over",
        .0.cert_file.display()
    )]
    Elsewhere(TlsFiles),
    /// The files do not hold a certificate and its key.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The other members would not accept it.
    #[error("the group does not accept the certificate")]
    Untrusted(#[source] rustls::Error),
    /// It is not a certificate for this member now.
    #[error(transparent)]
    Unacceptable(#[from] Unacceptable),
    /// It cannot be made or written.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// No member makes one.
    #[error("{key} is not here, and no other member makes a certificate: {why}")]
    Nobody {
        /// The authority's key.
        key: String,
        /// What each of them says.
        why: String,
    },
    /// The process ends.
    #[error("the member is stopping")]
    Stopping(#[from] tokio::task::JoinError),
}

/// Keeps the certificate of one member good.
pub struct Renewal {
    name: String,
    /// Under which the others call it.
    host: String,
    /// What a certificate of its own making says.
    hosts: Vec<String>,
    files: TlsFiles,
    held: Arc<Held>,
    trust: Trust,
    signer: Signer,
    client: Arc<ClientConfig>,
    metrics: CertificateMetrics,
    /// Gives the members of now.
    members: Box<dyn Fn() -> Vec<Member> + Send + Sync>,
    /// The files as they were last looked at; held while they are replaced.
    seen: tokio::sync::Mutex<Option<Stamp>>,
    /// Why the last attempt failed, if it did.
    trouble: Mutex<Option<String>>,
}

impl Renewal {
    /// Of the member called `name`, that others reach at `advertise`.
    pub fn new(
        name: &str,
        advertise: &str,
        tls: &MemberTls,
        members: impl Fn() -> Vec<Member> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let mut client = ClientConfig::clone(&tls.client);
        client.alpn_protocols = vec![b"h2".to_vec()];
        let metrics = CertificateMetrics::default();
        metrics.show(&tls.held.leaf(), &tls.trust.authority);
        Arc::new(Renewal {
            name: name.to_owned(),
            host: host_of(advertise).to_owned(),
            hosts: tls.hosts.clone(),
            files: tls.files.clone(),
            held: tls.held.clone(),
            trust: tls.trust.clone(),
            signer: Signer { authority_file: tls.files.ca_file.clone() },
            client: Arc::new(client),
            metrics,
            members: Box::new(members),
            seen: tokio::sync::Mutex::new(None),
            trouble: Mutex::new(None),
        })
    }

    /// Its figures.
    pub fn metrics(&self) -> &CertificateMetrics {
        &self.metrics
    }

    /// The certificate that is shown.
    pub fn leaf(&self) -> Leaf {
        self.held.leaf()
    }

    /// The authority's own.
    pub fn authority(&self) -> &Leaf {
        &self.trust.authority
    }

    /// Whether the member renews it by itself.
    pub fn is_own(&self) -> bool {
        self.files.renew
    }

    /// Why the last attempt failed, if it did.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    /// Looks after the certificate until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut hangup = signal(SignalKind::hangup())
            .inspect_err(|error| warn!(%error, "SIGHUP does not reload certificates"))
            .ok();
        let mut told = None;
        loop {
            let work = async {
                self.look(&mut told).await;
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = next(hangup.as_mut()) => info!("looking for certificates"),
                }
            };
            if stop.run_until_cancelled(work).await.is_none() {
                return;
            }
        }
    }

    async fn look(&self, told: &mut Option<Instant>) {
        self.look_at_files().await;
        let (now, leaf) = (Timestamp::now(), self.leaf());
        if self.files.renew && is_due(leaf.validity, now) {
            // What it fails of is told below.
            let _ = self.renew().await;
        }
        self.tell(now, told);
    }

    /// Says at times that the certificate was not renewed; `told` is when it was said last.
    fn tell(&self, now: Timestamp, told: &mut Option<Instant>) {
        let (until, trouble) = (self.leaf().validity.until, self.trouble());
        let left = until.duration_since(now);
        let telling = telling(left, trouble.is_some());
        if telling == Telling::Nothing {
            *told = None;
        }
        if told.is_some_and(|at| at.elapsed() < TELL) {
            return;
        }
        let days = left.as_hours().div_euclid(24);
        let why = trouble.unwrap_or_else(|| "nobody has replaced it".to_owned());
        match telling {
            Telling::Nothing => return,
            Telling::Notice => info!(%until, days, why, "the certificate is not renewed yet"),
            Telling::Warning => warn!(%until, days, why, "the certificate expires soon"),
        }
        *told = Some(Instant::now());
    }

    /// Takes over what somebody has put into the files.
    async fn look_at_files(&self) {
        let mut seen = self.seen.lock().await;
        let stamp = Stamp::of(&self.files);
        let before = seen.replace(stamp);
        if before != Some(stamp) && self.take_over().await.is_err() {
            let until = self.leaf().validity.until;
            let why = self.trouble().unwrap_or_default();
            warn!(why, %until, "the files of the certificate are not taken over; the old one stays");
        }
    }

    /// Renews the certificate now, or takes over what stands in the files.
    ///
    /// # Errors
    /// Why the old one stays.
    pub async fn renew(&self) -> Result<Leaf, RenewalError> {
        let mut seen = self.seen.lock().await;
        if !self.files.renew {
            *seen = Some(Stamp::of(&self.files));
            let elsewhere = || RenewalError::Elsewhere(self.files.clone());
            return self.take_over().await?.ok_or_else(elsewhere);
        }
        let renewed = async {
            let credentials = self.credentials().await?;
            let pair = Pair::of(&credentials, &self.files)?;
            self.judge(&pair)?;
            let files = self.files.clone();
            let replace = move || credentials.replace(&files.cert_file, &files.key_file);
            spawn_blocking(replace).await??;
            Ok(pair)
        };
        let renewed = renewed.await;
        *seen = Some(Stamp::of(&self.files));
        self.end(renewed.map(Some))?;
        Ok(self.leaf())
    }

    /// The certificate in the files, if it is another one.
    async fn take_over(&self) -> Result<Option<Leaf>, RenewalError> {
        let files = self.files.clone();
        let found = async {
            let pair = spawn_blocking(move || Pair::read(&files)).await??;
            if pair.leaf.fingerprint == self.leaf().fingerprint {
                return Ok(None);
            }
            self.judge(&pair)?;
            Ok(Some(pair))
        };
        let found = found.await;
        self.end(found)
    }

    fn judge(&self, pair: &Pair) -> Result<(), RenewalError> {
        acceptable(&self.leaf(), &pair.leaf, Timestamp::now())?;
        self.trust.check(pair, &self.host).map_err(RenewalError::Untrusted)
    }

    /// Shows a new certificate, and remembers how it went.
    fn end(&self, found: Result<Option<Pair>, RenewalError>) -> Result<Option<Leaf>, RenewalError> {
        let told = found.as_ref().err().map(|error| in_full(error));
        *self.trouble.lock() = told;
        match found {
            Err(error) => {
                self.metrics.failed.inc();
                Err(error)
            }
            Ok(None) => Ok(None),
            Ok(Some(pair)) => {
                let leaf = pair.leaf.clone();
                self.held.show(pair);
                self.metrics.renewed.inc();
                self.metrics.show(&leaf, &self.trust.authority);
                let (until, serial) = (leaf.validity.until, &leaf.serial);
                info!(%until, serial, "another certificate is shown from now on");
                Ok(Some(leaf))
            }
        }
    }

    /// A new key and its certificate, made here or by another member.
    async fn credentials(&self) -> Result<Credentials, RenewalError> {
        let (signer, subject) = (self.signer.clone(), member(&self.name, &self.hosts));
        let own = move || match signer.authority()? {
            Some(authority) => authority.issue(&subject).map(Some),
            None => Ok(None),
        };
        if let Some(credentials) = spawn_blocking(own).await?? {
            return Ok(credentials);
        }
        let CertificateRequest { key, request } = CertificateRequest::create(&self.name)?;
        let request = SignRequest { certificate_request: request };
        let mut refusals = Vec::new();
        for other in (self.members)().into_iter().filter(|other| other.name != self.name) {
            match self.ask(&other, &request).await {
                Ok(certificate) => return Ok(Credentials { certificate, key }),
                Err(error) => refusals.push(format!("{}: {}", other.name, in_full(&error))),
            }
        }
        let nobody = || "there is no other".to_owned();
        let why = if refusals.is_empty() { nobody() } else { refusals.join("; ") };
        Err(RenewalError::Nobody { key: self.signer.key_file().display().to_string(), why })
    }

    async fn ask(&self, other: &Member, request: &SignRequest) -> Result<String, ClientError> {
        let url = format!("https://{}", other.addr);
        let asked = async {
            let mut connection = Connection::open(&url, self.client.clone(), None).await?;
            let body = serde_json::to_vec(request).expect("invariant: strings encode as JSON");
            let json = Some("application/json");
            connection.send(Method::POST, SIGN_PATH, json, body.into()).await
        };
        let late = ClientError::Timeout { url: url.clone(), seconds: SIGN_TIMEOUT.as_secs() };
        let answer = tokio::time::timeout(SIGN_TIMEOUT, asked).await.unwrap_or(Err(late))?;
        let code = answer.status.as_u16();
        let refused = |message: String| ClientError::Refused { url: url.clone(), code, message };
        if !answer.status.is_success() {
            let status: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            return Err(refused(status["message"].as_str().unwrap_or_default().to_owned()));
        }
        let answer = serde_json::from_slice::<SignAnswer>(&answer.body);
        answer.map(|answer| answer.certificate).map_err(|error| refused(error.to_string()))
    }
}

async fn next(signals: Option<&mut Signal>) {
    match signals {
        Some(signals) => drop(signals.recv().await),
        None => std::future::pending().await,
    }
}

/// An error and what led to it, on one line.
fn in_full(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
