//! The folder of a local group.

use crate::config::{
    Config, DEFAULT_LOG_LEVEL, LogConfig, LogFormat, Member, TlsFiles, UpgradeConfig, WalConfig,
};
use crate::kubeconfig;
use crate::pki::{self, Authority, PkiError, write_private};
use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Why a group's folder cannot be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum GroupError {
    /// No folder was given and none is the default.
    #[error("there is no folder for the data: neither XDG_DATA_HOME nor HOME is set")]
    #[diagnostic(code(reddwarf::group::no_home), help("give --data DIR"))]
    NoHome,
    /// The folder holds no group.
    #[error("{} holds no group", folder.display())]
    #[diagnostic(code(reddwarf::group::absent), help("`reddwarf up --data DIR` makes one"))]
    Absent {
        /// Which folder.
        folder: PathBuf,
    },
    /// The group was made with other settings.
    #[error("the group in {} has {setting} {there}, not {asked}", folder.display())]
    #[diagnostic(
        code(reddwarf::group::differs),
        help("leave the flag away to start the group as it is, or give another --data DIR")
    )]
    Differs {
        /// Which folder.
        folder: PathBuf,
        /// Which setting.
        setting: &'static str,
        /// What the group has.
        there: u64,
        /// What was asked for.
        asked: u64,
    },
    /// Settings that cannot be used.
    #[error("{0}")]
    #[diagnostic(code(reddwarf::group::settings))]
    Settings(String),
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    #[diagnostic(code(reddwarf::group::file), help("check the folder's owner and the free space"))]
    File {
        /// `read`, `write` or `create`.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
    /// A certificate could not be made or read.
    #[error("certificates")]
    #[diagnostic(code(reddwarf::group::certificates))]
    Pki(#[from] PkiError),
}

/// What a group is made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPlan {
    /// The group's name, drawn when it is made.
    pub cluster: String,
    /// Number of members.
    pub nodes: u16,
    /// Port of the first; the others follow.
    pub base_port: u16,
}

/// A group's folder.
#[derive(Clone, Debug)]
pub struct LocalGroup {
    /// The folder.
    pub folder: PathBuf,
    /// What the group was made with.
    pub plan: GroupPlan,
}

impl LocalGroup {
    /// Opens the group in `folder`.
    ///
    /// # Errors
    /// [`GroupError::Absent`] when there is none.
    pub fn open(folder: &Path) -> Result<Self, GroupError> {
        let path = folder.join("group.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(GroupError::Absent { folder: folder.into() });
            }
            Err(source) => return Err(file_error("read", &path, source)),
        };
        let plan = serde_json::from_str(&text)
            .map_err(|e| GroupError::Settings(format!("{}: {e}", path.display())))?;
        Ok(LocalGroup { folder: folder.into(), plan })
    }

    /// Opens the group in `folder`, or makes it; settings given must fit what is there.
    ///
    /// # Errors
    /// [`GroupError`]
    pub fn open_or_create(
        folder: &Path,
        nodes: Option<u16>,
        base_port: Option<u16>,
    ) -> Result<Self, GroupError> {
        let group = match LocalGroup::open(folder) {
            Ok(group) => {
                group.must_fit("nodes", group.plan.nodes, nodes)?;
                group.must_fit("base port", group.plan.base_port, base_port)?;
                group
            }
            Err(GroupError::Absent { .. }) => {
                let plan = GroupPlan {
                    cluster: format!("reddwarf-{:08x}", rand::random::<u32>()),
                    nodes: nodes.unwrap_or(3),
                    base_port: base_port.unwrap_or(crate::config::DEFAULT_PORT),
                };
                LocalGroup { folder: folder.into(), plan }
            }
            Err(error) => return Err(error),
        };
        group.check()?;
        group.write_files()?;
        Ok(group)
    }

    fn must_fit(
        &self,
        setting: &'static str,
        there: u16,
        asked: Option<u16>,
    ) -> Result<(), GroupError> {
        match asked {
            Some(asked) if asked != there => Err(GroupError::Differs {
                folder: self.folder.clone(),
                setting,
                there: there.into(),
                asked: asked.into(),
            }),
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), GroupError> {
        let GroupPlan { nodes, base_port, .. } = self.plan;
        if !(1..=9).contains(&nodes) {
            return Err(GroupError::Settings(format!("--nodes is {nodes}: use 1 to 9")));
        }
        if base_port == 0 || base_port.checked_add(nodes - 1).is_none() {
            return Err(GroupError::Settings(format!(
                "--base-port is {base_port}: it and the {} following must be ports",
                nodes - 1
            )));
        }
        Ok(())
    }

    /// Name of member `i`, from 1.
    pub fn node_name(i: u16) -> String {
        format!("node-{i}")
    }

    /// Folder of member `i`, from 1.
    pub fn node_folder(&self, i: u16) -> PathBuf {
        self.folder.join(Self::node_name(i))
    }

    /// Folder of the simulated workers.
    pub fn hollow_folder(&self) -> PathBuf {
        self.folder.join("hollow")
    }

    /// The administrator's kubeconfig.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// The simulated workers' kubeconfig.
    pub fn hollow_kubeconfig(&self) -> PathBuf {
        self.folder.join("hollow.kubeconfig")
    }

    fn address(&self, i: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.plan.base_port + i - 1).into()
    }

    /// The configuration of member `i`.
    pub fn node_config(&self, i: u16) -> Config {
        let folder = self.node_folder(i);
        let member = |i| Member { name: Self::node_name(i), address: self.address(i).to_string() };
        Config {
            name: Self::node_name(i),
            cluster: self.plan.cluster.clone(),
            data_dir: folder.join("data"),
            listen: self.address(i),
            advertise: self.address(i).to_string(),
            pid_file: Some(folder.join("pid")),
            tls: Some(TlsFiles {
                ca_file: self.folder.join("pki/ca.crt"),
                cert_file: folder.join("tls.crt"),
                key_file: folder.join("tls.key"),
                renew: true,
            }),
            log: LogConfig { level: DEFAULT_LOG_LEVEL.into(), format: LogFormat::Human },
            wal: WalConfig::default(),
            backup: None,
            upgrade: UpgradeConfig::default(),
            members: (1..=self.plan.nodes).map(member).collect(),
            joined: None,
        }
    }

    /// Writes whatever of the folder is not there yet.
    fn write_files(&self) -> Result<(), GroupError> {
        let authority = Authority::open_or_create(&self.folder.join("pki"))?;
        for i in 1..=self.plan.nodes {
            self.write_node(i, &authority)?;
        }
        create_folder(&self.hollow_folder())?;
        for (path, subject) in [
            (self.admin_kubeconfig(), pki::admin_client()),
            (self.hollow_kubeconfig(), pki::hollow_client()),
        ] {
            if !path.exists() {
                let credentials = authority.issue(&subject)?;
                let text = kubeconfig::render(
                    authority.certificate(),
                    &self.urls(),
                    &subject.name,
                    &credentials,
                );
                write_private(&path, &text).map_err(|e| file_error("write", &path, e))?;
            }
        }
        let plan = serde_json::to_string_pretty(&self.plan)
            .expect("invariant: strings and numbers encode as JSON");
        let path = self.folder.join("group.json");
        write_private(&path, &plan).map_err(|e| file_error("write", &path, e))
    }

    fn write_node(&self, i: u16, authority: &Authority) -> Result<(), GroupError> {
        let folder = self.node_folder(i);
        create_folder(&folder)?;
        let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
        if !certificate.exists() || !key.exists() {
            let subject = pki::member(&Self::node_name(i), &[self.address(i).ip().to_string()]);
            authority.issue(&subject)?.write(&certificate, &key)?;
        }
        let path = folder.join("config.toml");
        if path.exists() {
            return Ok(());
        }
        let text = self.node_config(i).to_toml();
        fs::write(&path, text).map_err(|e| file_error("write", &path, e))
    }

    /// Name and URL of every member.
    pub fn urls(&self) -> Vec<(String, String)> {
        let url = |i| (Self::node_name(i), format!("https://{}", self.address(i)));
        (1..=self.plan.nodes).map(url).collect()
    }
}

fn create_folder(path: &Path) -> Result<(), GroupError> {
    fs::create_dir_all(path).map_err(|e| file_error("create", path, e))
}

fn file_error(doing: &'static str, path: &Path, source: std::io::Error) -> GroupError {
    GroupError::File { doing, path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn a_group_reopens_with_what_it_was_made_with() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let made = LocalGroup::open_or_create(folder.path(), Some(3), Some(7001)).expect("made");
        let ca = fs::read_to_string(folder.path().join("pki/ca.crt")).expect("there");
        let again = LocalGroup::open_or_create(folder.path(), None, None).expect("reopened");
        assert_eq!(made.plan, again.plan);
        assert_eq!(ca, fs::read_to_string(folder.path().join("pki/ca.crt")).expect("there"));
        let error = LocalGroup::open_or_create(folder.path(), Some(5), None).expect_err("differs");
        assert!(error.to_string().contains("nodes 3, not 5"), "{error}");
    }

    #[test]
    fn the_written_configuration_is_the_planned_one() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let group = LocalGroup::open_or_create(folder.path(), Some(3), Some(7001)).expect("made");
        let flags = config::ServerFlags {
            config: Some(group.node_folder(2).join("config.toml")),
            ..config::ServerFlags::default()
        };
        assert_eq!(config::load(&flags).expect("read"), group.node_config(2));
    }

    #[test]
    fn ports_must_exist() {
        let folder = tempfile::tempdir().expect("temporary folder");
        LocalGroup::open_or_create(folder.path(), Some(3), Some(65_534)).expect_err("refused");
    }
}
