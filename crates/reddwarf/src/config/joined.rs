//! What a member that joined a running group was told, kept in its data directory.

use crate::pki::write_private;
use reddwarf_raft::Peer;
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// `joined.toml` in a data directory. A data directory without it belongs to one of the first
/// members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joined {
    /// The member's name.
    pub name: String,
    /// The group's name.
    pub cluster: String,
    /// Its Raft node id, which no other member ever had or has.
    pub node_id: u64,
    /// Log index of the membership that names it first.
    pub admitted_at: u64,
    /// Name of the voter whose place it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Where it listens unless configured.
    pub listen: SocketAddr,
    /// Where others reach it unless configured.
    pub advertise: String,
    /// The members that there were when it joined.
    pub peers: Vec<JoinedPeer>,
}

/// A member as another one was told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinedPeer {
    /// Its Raft node id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its `host:port`.
    pub address: String,
}

impl JoinedPeer {
    /// The same for Raft.
    pub fn as_peer(&self) -> Peer {
        Peer { id: self.id, name: self.name.clone(), addr: self.address.clone() }
    }
}

impl Joined {
    /// The file.
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("joined.toml")
    }

    /// Reads the file; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read, or says something else.
    pub fn read(data_dir: &Path) -> std::io::Result<Option<Self>> {
        match std::fs::read_to_string(Joined::path(data_dir)) {
            Ok(text) => toml::from_str(&text).map(Some).map_err(Error::other),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// Whatever the file system answers.
    pub fn write(&self, data_dir: &Path) -> std::io::Result<()> {
        let text = toml::to_string(self).map_err(Error::other)?;
        write_private(&Joined::path(data_dir), &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, ConfigError, ServerFlags};

    fn joined() -> Joined {
        let peer = |id, name: &str, port| JoinedPeer {
            id,
            name: name.to_owned(),
            address: format!("10.0.0.1:{port}"),
        };
        Joined {
            name: "node-2".to_owned(),
            cluster: "shop".to_owned(),
            node_id: 1 << 40,
            admitted_at: 77,
            replaces: Some("node-1".to_owned()),
            listen: "127.0.0.1:7002".parse().expect("an address"),
            advertise: "10.0.0.2:7002".to_owned(),
            // It had this name before.
            peers: vec![peer(1, "node-1", 7001), peer(2, "node-2", 7002)],
        }
    }

    #[test]
    fn a_data_directory_that_joined_needs_no_configuration() {
        let folder = tempfile::tempdir().expect("temporary folder");
        assert_eq!(Joined::read(folder.path()).expect("readable"), None);
        joined().write(folder.path()).expect("written");
        let flags = ServerFlags { data_dir: Some(folder.path().into()), ..ServerFlags::default() };
        let config = config::load(&flags).expect("complete");
        assert_eq!((config.name.as_str(), config.cluster.as_str()), ("node-2", "shop"));
        assert_eq!(config.listen, joined().listen);
        assert_eq!(config.advertise, "10.0.0.2:7002");
        assert_eq!(config.members.len(), 2);
        assert_eq!(config.joined, Some(joined()));
        let listen = ServerFlags { listen: Some("0.0.0.0:9".to_owned()), ..flags.clone() };
        assert_eq!(config::load(&listen).expect("complete").listen.port(), 9);
        let other = ServerFlags { name: Some("node-3".to_owned()), ..flags.clone() };
        let refused = config::load(&other).expect_err("another member's");
        assert!(matches!(refused, ConfigError::Value { setting: "name", .. }), "{refused}");
        std::fs::write(Joined::path(folder.path()), "name = 1").expect("written");
        config::load(&flags).expect_err("it says something else");
    }
}
