//! Reads a kubeconfig as a list of members.

use super::file::{File, User};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use miette::Diagnostic;
use std::path::{Path, PathBuf};

/// Why no group could be found.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum KubeconfigError {
    /// Neither flag nor variable says where.
    #[error("no kubeconfig: neither --kubeconfig nor KUBECONFIG is set")]
    #[diagnostic(
        code(reddwarf::kubeconfig::missing),
        help(
            "give --kubeconfig FILE, or `export KUBECONFIG=…/admin.kubeconfig` as `reddwarf up` prints it"
        )
    )]
    Missing,
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    #[diagnostic(
        code(reddwarf::kubeconfig::unreadable),
        help("check that the file is there and yours")
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no kubeconfig.
    #[error("{} is not a kubeconfig: {what}", path.display())]
    #[diagnostic(
        code(reddwarf::kubeconfig::malformed),
        help("`reddwarf up` writes one to DIR/admin.kubeconfig")
    )]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// One API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The context's name, which is the member's in a kubeconfig written here.
    pub name: String,
    /// `https://host:port`
    pub url: String,
}

/// A group as a client sees it: every context's server, the current one first.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    /// Never empty.
    pub members: Vec<Endpoint>,
    /// PEM of the authority that signed the servers' certificates; system roots when empty.
    pub authority: String,
    /// PEM of the client's certificate.
    pub certificate: String,
    /// PEM of the client's key.
    pub key: String,
    /// A bearer token, when the user has one.
    pub token: Option<String>,
}

impl Kubeconfig {
    /// Finds the file by `--kubeconfig`, else by `KUBECONFIG`, else `~/.kube/config`.
    ///
    /// # Errors
    /// [`KubeconfigError`]
    pub fn find(flag: Option<&Path>) -> Result<Self, KubeconfigError> {
        let path = match flag {
            Some(path) => path.to_owned(),
            None => default_path().ok_or(KubeconfigError::Missing)?,
        };
        Kubeconfig::read(&path)
    }

    /// Reads one file.
    ///
    /// # Errors
    /// [`KubeconfigError`]
    pub fn read(path: &Path) -> Result<Self, KubeconfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| KubeconfigError::Unreadable { path: path.into(), source })?;
        let malformed = |what: String| KubeconfigError::Malformed { path: path.into(), what };
        let file: File = serde_yaml_ng::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        let current = file
            .contexts
            .iter()
            .find(|c| c.name == file.current_context)
            .or(file.contexts.first())
            .ok_or_else(|| malformed("it has no context".into()))?;
        let user_name = &current.value.context.user;
        let user = file
            .users
            .iter()
            .find(|u| &u.name == user_name)
            .map(|u| &u.value.user)
            .ok_or_else(|| malformed(format!("it has no user {user_name:?}")))?;
        let mut members = Vec::new();
        let mut authority = String::new();
        let others = file
            .contexts
            .iter()
            .filter(|c| c.name != current.name && &c.value.context.user == user_name);
        for context in std::iter::once(current).chain(others) {
            let name = &context.value.context.cluster;
            let cluster = file
                .clusters
                .iter()
                .find(|c| &c.name == name)
                .map(|c| &c.value.cluster)
                .ok_or_else(|| malformed(format!("it has no cluster {name:?}")))?;
            let ca = pem(
                path,
                cluster.certificate_authority_data.as_deref(),
                cluster.certificate_authority.as_deref(),
            )?;
            if members.is_empty() {
                authority = ca;
            } else if ca != authority {
                // Another cluster of the same file.
                continue;
            }
            members.push(Endpoint { name: context.name.clone(), url: cluster.server.clone() });
        }
        let (certificate, key) = client_pem(path, user)?;
        Ok(Kubeconfig { members, authority, certificate, key, token: user.token.clone() })
    }
}

fn default_path() -> Option<PathBuf> {
    let listed = std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty());
    if let Some(listed) = listed {
        return std::env::split_paths(&listed).find(|p| p.exists()).or_else(|| Some(listed.into()));
    }
    let home = PathBuf::from(std::env::var_os("HOME")?).join(".kube/config");
    home.exists().then_some(home)
}

fn client_pem(path: &Path, user: &User) -> Result<(String, String), KubeconfigError> {
    let certificate =
        pem(path, user.client_certificate_data.as_deref(), user.client_certificate.as_deref())?;
    let key = pem(path, user.client_key_data.as_deref(), user.client_key.as_deref())?;
    Ok((certificate, key))
}

/// The PEM that a kubeconfig embeds in base64 or names by file (relative to itself).
fn pem(path: &Path, data: Option<&str>, file: Option<&str>) -> Result<String, KubeconfigError> {
    if let Some(data) = data {
        let bytes = STANDARD.decode(data).map_err(|e| KubeconfigError::Malformed {
            path: path.into(),
            what: format!("embedded certificate data: {e}"),
        })?;
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    let Some(file) = file else { return Ok(String::new()) };
    let file = path.parent().unwrap_or(Path::new(".")).join(file);
    std::fs::read_to_string(&file)
        .map_err(|source| KubeconfigError::Unreadable { path: file, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubeconfig::render;
    use crate::pki::Credentials;

    #[test]
    fn what_is_written_reads_back_with_the_current_member_first() {
        let members = [
            ("node-1".to_owned(), "https://127.0.0.1:6443".to_owned()),
            ("node-2".to_owned(), "https://127.0.0.1:6444".to_owned()),
        ];
        let credentials = Credentials { certificate: "CERT".into(), key: "KEY".into() };
        let text = render("CA", &members, "admin", &credentials);
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("config");
        std::fs::write(&path, text.replace("current-context: node-1", "current-context: node-2"))
            .expect("written");
        let read = Kubeconfig::read(&path).expect("read");
        let names: Vec<&str> = read.members.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["node-2", "node-1"]);
        assert_eq!(read.members[1].url, "https://127.0.0.1:6443");
        assert_eq!((read.authority.as_str(), read.certificate.as_str()), ("CA", "CERT"));
    }

    #[test]
    fn a_file_without_contexts_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("config");
        std::fs::write(&path, "apiVersion: v1\nkind: Config\n").expect("written");
        let error = Kubeconfig::read(&path).expect_err("refused");
        assert!(error.to_string().contains("it has no context"), "{error}");
    }
}
