//! Flags of `reddwarf server`, and the environment variables behind them.

use super::{LogFormat, Member};
use clap::Args;
use std::path::PathBuf;

/// Settings of one member by flag or environment.
#[derive(Args, Clone, Debug, Default)]
pub struct ServerFlags {
    /// A configuration file (TOML)
    #[arg(long, env = "REDDWARF_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// This member's name
    #[arg(long, env = "REDDWARF_NAME")]
    pub name: Option<String>,
    /// The group's name, the same on all of its members
    #[arg(long, env = "REDDWARF_CLUSTER")]
    pub cluster: Option<String>,
    /// Where this member keeps its data
    #[arg(long, env = "REDDWARF_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address and port to listen on, for clients and peers
    #[arg(long, env = "REDDWARF_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Host and port under which others reach this member
    #[arg(long, env = "REDDWARF_ADVERTISE", value_name = "HOST:PORT")]
    pub advertise: Option<String>,
    /// The members of the group
    #[arg(long, env = "REDDWARF_PEERS", value_name = "NAME=HOST:PORT", value_delimiter = ',', value_parser = parse_member)]
    pub peers: Vec<Member>,
    /// Certificate of the cluster's authority (PEM)
    #[arg(long, env = "REDDWARF_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// This member's certificate (PEM)
    #[arg(long, env = "REDDWARF_CERT_FILE", value_name = "FILE")]
    pub cert_file: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, env = "REDDWARF_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// A file to hold the process id while the member runs
    #[arg(long, env = "REDDWARF_PID_FILE", value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// What to log, for example `info` or `info,reddwarf_raft=debug`
    #[arg(long, env = "REDDWARF_LOG_LEVEL", value_name = "FILTER")]
    pub log_level: Option<String>,
    /// How a log line looks
    #[arg(long, env = "REDDWARF_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
}

fn parse_member(text: &str) -> Result<Member, String> {
    match text.split_once('=') {
        Some((name, address)) if !name.is_empty() && !address.is_empty() => {
            Ok(Member { name: name.into(), address: address.into() })
        }
        _ => Err("expected NAME=HOST:PORT".into()),
    }
}
