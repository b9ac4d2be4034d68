//! The configuration file.

use super::{Interval, LogFormat, Member, Size, UpgradeConfig};
use serde::Deserialize;
use std::path::PathBuf;

/// A configuration file as it stands: every setting may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// See [`super::Config::name`].
    pub name: Option<String>,
    /// See [`super::Config::cluster`].
    pub cluster: Option<String>,
    /// See [`super::Config::data_dir`].
    pub data_dir: Option<PathBuf>,
    /// See [`super::Config::listen`].
    pub listen: Option<String>,
    /// See [`super::Config::advertise`].
    pub advertise: Option<String>,
    /// See [`super::Config::pid_file`].
    pub pid_file: Option<PathBuf>,
    /// See [`super::Config::tls`].
    #[serde(default)]
    pub tls: TlsTable,
    /// See [`super::Config::log`].
    #[serde(default)]
    pub log: LogTable,
    /// See [`super::Config::wal`].
    #[serde(default)]
    pub wal: WalTable,
    /// See [`super::Config::backup`].
    pub backup: Option<BackupTable>,
    /// See [`super::Config::upgrade`].
    #[serde(default)]
    pub upgrade: UpgradeConfig,
    /// The members of the group; this one may be left out.
    #[serde(default)]
    pub peers: Vec<Member>,
}

/// `[tls]`: all three files or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsTable {
    /// The cluster's authority.
    pub ca_file: Option<PathBuf>,
    /// This member's certificate.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// See [`super::TlsFiles::renew`]; no when absent.
    #[serde(default)]
    pub renew: bool,
}

/// `[log]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogTable {
    /// See [`super::LogConfig::level`].
    pub level: Option<String>,
    /// See [`super::LogConfig::format`].
    pub format: Option<LogFormat>,
}

/// `[wal]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalTable {
    /// See [`super::WalConfig::keep`].
    pub keep: Option<Size>,
}

/// `[backup]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupTable {
    /// See [`super::BackupConfig::folder`].
    pub folder: PathBuf,
    /// See [`super::BackupConfig::every`].
    pub every: Option<Interval>,
    /// See [`super::BackupConfig::keep`].
    pub keep: Option<usize>,
}
