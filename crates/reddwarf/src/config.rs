//! The configuration of one member.
//!
//! Each setting is looked for in this order, and the first that has it wins: command-line flag,
//! environment variable (`REDDWARF_…`), the file given by `--config`, the default. A group of
//! one needs none of them.

mod file;
mod flags;
mod interval;
mod joined;
mod resolve;
mod settle;
mod size;

pub use file::ConfigFile;
pub use flags::ServerFlags;
pub use interval::Interval;
pub use joined::{Joined, JoinedPeer};
pub(crate) use resolve::check_name;
pub use resolve::{ConfigError, load, load_to_join};
pub use settle::{Settle, UpgradeConfig};
pub use size::Size;

use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Port that is used when none is configured.
pub const DEFAULT_PORT: u16 = 6443;

/// What is logged unless configured; openraft tells its own story at every heartbeat.
pub const DEFAULT_LOG_LEVEL: &str = "info,openraft=error";

/// The settings of one member, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// This member's name, unique in the group.
    pub name: String,
    /// The group's name; members of another group are refused.
    pub cluster: String,
    /// Where everything that it keeps lies.
    pub data_dir: PathBuf,
    /// Address and port of the one listener, for clients and peers.
    pub listen: SocketAddr,
    /// `host:port` under which others reach this member.
    pub advertise: String,
    /// A file to hold this process's id, locked while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid_file: Option<PathBuf>,
    /// Certificates; generated in the data directory when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
    /// What is logged.
    pub log: LogConfig,
    /// How much of the write-ahead log is kept.
    #[serde(skip_serializing_if = "WalConfig::is_default")]
    pub wal: WalConfig,
    /// Backups at intervals; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupConfig>,
    /// When the group's feature level is raised.
    #[serde(skip_serializing_if = "UpgradeConfig::is_default")]
    pub upgrade: UpgradeConfig,
    /// All members of the group, this one included, by name.
    #[serde(rename = "peers")]
    pub members: Vec<Member>,
    /// What the data directory says of a member that joined the group later.
    #[serde(skip)]
    pub joined: Option<Joined>,
}

/// PEM files of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsFiles {
    /// The cluster's authority.
    pub ca_file: PathBuf,
    /// This member's certificate.
    pub cert_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
    /// Whether the member renews its certificate itself, over these files; otherwise somebody else does,
    /// and it takes over what it finds.
    pub renew: bool,
}

impl TlsFiles {
    /// Where they are when they are not configured.
    pub fn generated(data_dir: &Path) -> Self {
        let file = |name: &str| data_dir.join("pki").join(name);
        let [ca_file, cert_file, key_file] = ["ca.crt", "tls.crt", "tls.key"].map(file);
        TlsFiles { ca_file, cert_file, key_file, renew: true }
    }
}

/// What is logged, to standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogConfig {
    /// A filter such as `info` or `info,reddwarf_raft=debug`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// The write-ahead log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WalConfig {
    /// What of its newest end is never purged, so that a member that was away for not longer than
    /// that reaches back is sent entries, and not the whole state.
    pub keep: Size,
}

impl WalConfig {
    /// Whether a file need not say it: builds that do not know of it read the file, too.
    fn is_default(&self) -> bool {
        *self == WalConfig::default()
    }
}

impl Default for WalConfig {
    fn default() -> Self {
        WalConfig { keep: Size(128 << 20) }
    }
}

/// Backups that a member makes at intervals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupConfig {
    /// Where they lie; made when it is absent.
    pub folder: PathBuf,
    /// Time between two of them.
    pub every: Interval,
    /// How many of this member's are kept.
    pub keep: usize,
}

/// How a log line looks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// One voting member of the group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its `host:port`.
    pub address: String,
}

impl Config {
    /// The configuration as a file that `--config` reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("invariant: strings, lists and tables encode as TOML")
    }
}
