//! The way of a machine into a group.
//!
//! Nothing in the data directory is touched before the group has said yes; then what an earlier
//! member left there is set aside, and what makes the new one is written, `joined.toml` last.

use super::message::{JoinAnswer, JoinRequest};
use super::tls;
use crate::client::{ClientError, Connection};
use crate::config::{Config, Joined, TlsFiles};
use crate::pki::{self, CertificateRequest, Credentials, PkiError};
use bytes::Bytes;
use http::Method;
use miette::Diagnostic;
use reddwarf_core::Build;
use reddwarf_storage::{OpenError, RedbStore};
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a member keeps in its data directory, beside its certificates.
const OF_A_MEMBER: [&str; 7] =
    ["identity", "wal", "state.redb", "state.redb.damaged", "quarantine", "members", "joined.toml"];
/// Memory for a look at whether the data directory is in use.
const CACHE_BYTES: usize = 1 << 20;

/// Why a machine did not join.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum JoinError {
    /// A member runs in the data directory.
    #[error("a member runs in {}", path.display())]
    #[diagnostic(code(reddwarf::join::running), help("stop it, or give another --data-dir"))]
    Running {
        /// The directory.
        path: PathBuf,
    },
    /// The group's authority is another one than was expected.
    #[error("{server} shows an authority with the fingerprint {found}, not {wanted}")]
    #[diagnostic(
        code(reddwarf::join::authority),
        help("this is another group, or somebody in between; nothing secret was sent")
    )]
    Authority {
        /// Who was asked.
        server: String,
        /// The fingerprint given.
        wanted: String,
        /// What was found.
        found: String,
    },
    /// The group refuses.
    #[error("{server} does not let this machine join: {why}")]
    #[diagnostic(
        code(reddwarf::join::refused),
        help(
            "`reddwarf token create` on a member prints a new command; the data directory is as it was"
        )
    )]
    Refused {
        /// Who was asked.
        server: String,
        /// Its words.
        why: String,
    },
    /// The member cannot be asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Client(#[from] ClientError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    #[diagnostic(code(reddwarf::join::tls))]
    Tls(#[from] rustls::Error),
    /// No key could be made.
    #[error("certificates")]
    #[diagnostic(code(reddwarf::join::certificates))]
    Pki(#[from] PkiError),
    /// The file system refused.
    #[error("cannot write to {}", path.display())]
    #[diagnostic(
        code(reddwarf::join::data_dir),
        help(
            "the group counts this machine in already, as a member that does not run: mend the \
             directory and run the command again with a new token"
        )
    )]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
}

/// A machine that wants to join.
pub struct Arrival<'a> {
    /// What it will run with.
    pub config: &'a Config,
    /// `HOST:PORT` of the member that is asked.
    pub server: &'a str,
    /// The token.
    pub token: &'a str,
    /// Fingerprint of the group's authority.
    pub authority: &'a str,
    /// Name of the voter whose place is taken.
    pub replaces: Option<&'a str>,
    /// What the machine runs.
    pub build: Build,
}

impl Arrival<'_> {
    /// Asks the group, and prepares the data directory for `reddwarf server`.
    ///
    /// # Errors
    /// [`JoinError`]
    pub async fn join(&self) -> Result<Joined, JoinError> {
        self.must_rest()?;
        let authority = self.authority().await?;
        let request = match &self.config.tls {
            Some(_) => None,
            None => Some(CertificateRequest::create(&self.config.name)?),
        };
        let answer = self.ask(authority, request.as_ref()).await?;
        let joined = self.joined(&answer);
        let written = self.write(&joined, answer, request);
        let data_dir = || self.config.data_dir.clone();
        written.map_err(|source| JoinError::DataDir { path: data_dir(), source })?;
        Ok(joined)
    }

    fn must_rest(&self) -> Result<(), JoinError> {
        let file = self.config.data_dir.join("state.redb");
        match file.exists().then(|| RedbStore::open_frozen(file, CACHE_BYTES, self.build.levels)) {
            Some(Err(OpenError::InUse { .. })) => {
                Err(JoinError::Running { path: self.config.data_dir.clone() })
            }
            // What is damaged may be why it joins again.
            _ => Ok(()),
        }
    }

    fn url(&self) -> String {
        format!("https://{}", self.server)
    }

    async fn authority(&self) -> Result<CertificateDer<'static>, JoinError> {
        let mut connection = Connection::open(&self.url(), tls::of_anybody()?, None).await?;
        let answer = connection.send(Method::GET, "/reddwarf/ca", None, Bytes::new()).await?;
        let pem = String::from_utf8_lossy(&answer.body);
        match pki::with_fingerprint(&pem, self.authority) {
            Some(found) => Ok(found.into()),
            None => Err(JoinError::Authority {
                server: self.server.to_owned(),
                wanted: self.authority.to_owned(),
                found: pki::fingerprint(&pem).unwrap_or_else(|| "of no certificate".to_owned()),
            }),
        }
    }

    async fn ask(
        &self,
        authority: CertificateDer<'static>,
        request: Option<&CertificateRequest>,
    ) -> Result<JoinAnswer, JoinError> {
        let asked = JoinRequest {
            token: self.token.to_owned(),
            name: self.config.name.clone(),
            address: self.config.advertise.clone(),
            replaces: self.replaces.map(str::to_owned),
            certificate_request: request.map(|request| request.request.clone()),
        };
        let body = serde_json::to_vec(&asked).expect("invariant: strings encode as JSON");
        let tls = tls::of_authority(authority)?;
        let mut connection = Connection::open(&self.url(), tls, None).await?;
        let json = Some("application/json");
        // Not in the body: there, members from before there were levels refuse what they do not know.
        let Build { version, levels } = self.build;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("version", version)
            .append_pair("levels", &levels.to_string())
            .finish();
        let path = format!("/reddwarf/join?{query}");
        let answer = connection.send(Method::POST, &path, json, body.into()).await?;
        let refused = |why: String| JoinError::Refused { server: self.server.to_owned(), why };
        if !answer.status.is_success() {
            let status: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let words = status["message"].as_str().map(str::to_owned);
            let text = || String::from_utf8_lossy(&answer.body).into_owned();
            return Err(refused(words.unwrap_or_else(text)));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| refused(format!("an answer that is not understood: {error}")))
    }

    fn joined(&self, answer: &JoinAnswer) -> Joined {
        Joined {
            name: self.config.name.clone(),
            cluster: answer.cluster.clone(),
            node_id: answer.node_id,
            admitted_at: answer.admitted_at,
            replaces: self.replaces.map(str::to_owned),
            listen: self.config.listen,
            advertise: self.config.advertise.clone(),
            peers: answer.members.clone(),
        }
    }

    fn write(
        &self,
        joined: &Joined,
        answer: JoinAnswer,
        request: Option<CertificateRequest>,
    ) -> std::io::Result<()> {
        let data_dir = &self.config.data_dir;
        let files = TlsFiles::generated(data_dir);
        std::fs::create_dir_all(data_dir)?;
        set_aside(data_dir)?;
        if let (Some(request), Some(certificate)) = (request, answer.certificate) {
            std::fs::create_dir_all(data_dir.join("pki"))?;
            let credentials = Credentials { certificate, key: request.key };
            let written = credentials.write(&files.cert_file, &files.key_file);
            written.map_err(std::io::Error::other)?;
            pki::write_private(&files.ca_file, &answer.authority)?;
        }
        joined.write(data_dir)
    }
}

/// Moves what an earlier member left into a folder of its own, for the operator.
fn set_aside(data_dir: &Path) -> std::io::Result<()> {
    let there: Vec<_> = OF_A_MEMBER.iter().filter(|name| data_dir.join(name).exists()).collect();
    if there.is_empty() {
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let aside = data_dir.join(format!("replaced-{now}"));
    std::fs::create_dir(&aside)?;
    for name in there {
        std::fs::rename(data_dir.join(name), aside.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_member_left_is_kept_aside() {
        let folder = tempfile::tempdir().expect("temporary folder");
        set_aside(folder.path()).expect("nothing to do");
        assert_eq!(std::fs::read_dir(folder.path()).expect("reads").count(), 0);
        std::fs::write(folder.path().join("identity"), "x").expect("written");
        std::fs::create_dir(folder.path().join("pki")).expect("made");
        set_aside(folder.path()).expect("set aside");
        assert!(!folder.path().join("identity").exists() && folder.path().join("pki").exists());
        let kept = std::fs::read_dir(folder.path()).expect("reads").flatten();
        let kept: Vec<_> = kept.filter(|entry| entry.path().join("identity").exists()).collect();
        assert_eq!(kept.len(), 1);
    }
}
