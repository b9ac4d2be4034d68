//! Why a member does not run.

use super::tls::TlsError;
use miette::Diagnostic;
use reddwarf_raft::{Failure, StartError};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit status of a member that the group refuses (`EX_NOPERM`): starting it again is of no use.
pub const NO_MEMBER_EXIT: u8 = 77;

/// Why a member does not run, for the operator.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ServerError {
    /// The data directory cannot be made.
    #[error("cannot create the data directory {}", path.display())]
    #[diagnostic(
        code(reddwarf::server::data_dir),
        help("check its parent's owner, or give another --data-dir")
    )]
    DataDir {
        /// Which directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process holds the pid file, or it cannot be written.
    #[error("cannot hold the pid file {}", path.display())]
    #[diagnostic(code(reddwarf::server::pid_file), help("is this member running already?"))]
    PidFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The port is taken.
    #[error("cannot listen on {address}")]
    #[diagnostic(
        code(reddwarf::server::listen),
        help("another process may use the port; give --listen ADDRESS:PORT (`up`: --base-port)")
    )]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its certificates cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tls(#[from] TlsError),
    /// Its data is of a group at a feature level that this build does not support.
    #[error(
        "the member cannot start: this version of reddwarf does not support its group's feature level"
    )]
    #[diagnostic(
        code(reddwarf::server::feature_level),
        help(
            "its data directory is as it was: the version that ran here before, or a newer one, \
             goes on with it; `reddwarf upgrade --check` tells what the members run"
        )
    )]
    Level(#[source] StartError),
    /// Its data or its part in the group cannot be used.
    #[error("the member cannot start")]
    #[diagnostic(
        code(reddwarf::server::start),
        help(
            "a member whose data is damaged or gone may not vote: nothing is lost while a majority \
             of the others runs; put back what was moved, as the text above says"
        )
    )]
    Start(#[source] StartError),
    /// The group refuses it.
    #[error("the member cannot go on: {reason}")]
    #[diagnostic(
        code(reddwarf::server::no_member),
        help(
            "the group goes on without it while a majority runs. If its data directory was moved, \
             put it back; otherwise `reddwarf token create` on a member prints the command by which \
             this machine joins again, under the same name or another"
        )
    )]
    NoMember {
        /// Why.
        reason: Failure,
    },
    /// It cannot go on.
    #[error("the member cannot go on: {reason}")]
    #[diagnostic(
        code(reddwarf::server::failed),
        help("look at its log and at its disk, then start it again")
    )]
    Failed {
        /// Why.
        reason: String,
    },
    /// The process cannot be set up.
    #[error("the process cannot be set up")]
    #[diagnostic(code(reddwarf::server::process))]
    Process(#[source] std::io::Error),
}

impl From<StartError> for ServerError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Level { .. } => ServerError::Level(error),
            error => ServerError::Start(error),
        }
    }
}

impl ServerError {
    /// What the process ends with, by which service managers tell whether to start it again.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            ServerError::NoMember { .. } => NO_MEMBER_EXIT.into(),
            _ => ExitCode::FAILURE,
        }
    }
}
