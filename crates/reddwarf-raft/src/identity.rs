//! Whose data folder it is, and which one of its member's.

use crate::config::NodeConfig;
use crate::error::StartError;
use crate::types::LogId;
use crate::wal::Wal;
use std::fs::File;
use std::io::{ErrorKind, Write};

const FILE: &str = "identity";

/// The identity of a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Drawn when the folder was made, never zero. The group knows its members by it: one that
    /// comes back with another folder has forgotten its votes (invariant 16).
    pub incarnation: u64,
    /// Whether the folder does not say so yet.
    new: bool,
}

impl Claim {
    /// Whether the folder was not recorded as anybody's yet.
    pub fn is_new(&self) -> bool {
        self.new
    }
}

/// Creates the data folder and checks whose it is: a node id must never vote from the log of
/// another (invariant 16). A new folder is [`record`]ed once it holds a log.
///
/// # Errors
/// [`StartError::Identity`], [`StartError::DataDir`], and [`StartError::Apart`] when the folder
/// has held a log that is gone.
pub fn claim(config: &NodeConfig) -> Result<Claim, StartError> {
    let io = |source| StartError::DataDir { path: config.data_dir.clone(), source };
    std::fs::create_dir_all(&config.data_dir).map_err(io)?;
    let found = match std::fs::read_to_string(config.data_dir.join(FILE)) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Claim { incarnation: rand::random::<u64>().max(1), new: true });
        }
        Err(error) => return Err(io(error)),
    };
    let expected = owner(config);
    let incarnation = found
        .strip_prefix(&expected)
        .and_then(|rest| rest.strip_prefix("incarnation "))
        .and_then(|rest| u64::from_str_radix(rest.trim_end(), 16).ok())
        .filter(|incarnation| *incarnation != 0);
    let Some(incarnation) = incarnation else {
        let line = |text: &str| text.trim().replace('\n', ", ");
        let (found, expected) = (line(&found), line(&expected));
        return Err(StartError::Identity { path: config.data_dir.clone(), found, expected });
    };
    let wal = config.data_dir.join("wal");
    if Wal::exists(&wal).map_err(io)? {
        return Ok(Claim { incarnation, new: false });
    }
    Err(StartError::Apart {
        path: wal,
        problem: "this member has written a log there, and it is gone".to_owned(),
        remedy: "put the folder back; without it this member may not vote any more, and the \
                 others serve without it",
    })
}

/// Records the identity of a new folder, after its log and its state were created.
///
/// # Errors
/// [`StartError::DataDir`], and [`StartError::Apart`] when log and state are not new: then it is
/// the identity that is gone.
pub fn record(
    config: &NodeConfig,
    claim: Claim,
    wal: &Wal,
    applied: Option<LogId>,
) -> Result<(), StartError> {
    if !claim.new {
        return Ok(());
    }
    let path = config.data_dir.join(FILE);
    if applied.is_some() || wal.vote().is_some() || wal.state().1.is_some() {
        return Err(StartError::Apart {
            path,
            problem: "the file is missing, but a member has written its log beside it".to_owned(),
            remedy: "put the file back",
        });
    }
    let text = format!("{}incarnation {:016x}\n", owner(config), claim.incarnation);
    let partial = path.with_extension("partial");
    let write = || {
        let mut file = File::create(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&partial, &path)?;
        File::open(&config.data_dir)?.sync_all()
    };
    write().map_err(|source| StartError::DataDir { path: config.data_dir.clone(), source })
}

fn owner(config: &NodeConfig) -> String {
    format!("cluster {}\nnode {}\n", config.cluster_id, config.node_id)
}
