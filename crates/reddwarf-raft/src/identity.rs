//! Whose data folder it is, and which one of its member's.

use crate::config::NodeConfig;
use crate::error::StartError;
use crate::recovery;
use crate::types::LogId;
use crate::wal::{Disk, FileDisk, Wal, write_file};
use std::io::{self, ErrorKind};
use std::path::Path;

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
    if recovery::is_unfinished(&config.data_dir) {
        return Err(StartError::Apart {
            path: config.data_dir.clone(),
            problem: "a recovery of this folder was begun and did not end".to_owned(),
            remedy: "run `reddwarf recover` for it once more: it goes on where it was",
        });
    }
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
    let disk = config.environment.disk.as_ref();
    let written = put(disk, &config.data_dir, &owner(config), claim.incarnation);
    written.map_err(|source| StartError::DataDir { path: config.data_dir.clone(), source })
}

/// Records a new folder as that of a member that does not run, under an identity of its own.
pub fn write(data_dir: &Path, cluster_id: &str, node_id: u64) -> io::Result<()> {
    let incarnation = rand::random::<u64>().max(1);
    put(&FileDisk, data_dir, &owner_of(cluster_id, node_id), incarnation)
}

/// The group and the Raft id of the member whose data folder it is; `None` when it is nobody's yet.
///
/// # Errors
/// As the system has it.
pub fn recorded(data_dir: &Path) -> io::Result<Option<(String, u64)>> {
    let text = match std::fs::read_to_string(data_dir.join(FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let node = line("node ").and_then(|id| id.parse().ok());
    Ok(line("cluster ").map(str::to_owned).zip(node))
}

fn put(disk: &dyn Disk, data_dir: &Path, owner: &str, incarnation: u64) -> io::Result<()> {
    let path = data_dir.join(FILE);
    let partial = path.with_extension("partial");
    let text = format!("{owner}incarnation {incarnation:016x}\n");
    let file = write_file(disk, &partial, text.as_bytes())?;
    disk.sync(&file)?;
    disk.rename(&partial, &path)?;
    disk.sync_dir(data_dir)
}

fn owner(config: &NodeConfig) -> String {
    owner_of(&config.cluster_id, config.node_id)
}

fn owner_of(cluster_id: &str, node_id: u64) -> String {
    format!("cluster {cluster_id}\nnode {node_id}\n")
}
