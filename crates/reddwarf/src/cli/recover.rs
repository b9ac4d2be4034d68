//! `reddwarf recover`: a new group out of a backup, or of what is left of one that lost its quorum.

mod compare;
mod consent;

use crate::config::{self, Config, ServerFlags};
use clap::Args;
use compare::Compared;
use miette::{Diagnostic, Result};
use reddwarf_core::FeatureLevels;
use reddwarf_raft::Limits;
use reddwarf_raft::recovery::{
    self, MemberDisk, NewGroup, RecoverError, Recovered, force_new_group, from_backup,
};
use std::path::{Path, PathBuf};

/// Revisions that are skipped: a thousand writes a second for a quarter of an hour.
const MARGIN: u64 = 1_000_000;

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub(super) struct RecoverFlags {
    /// Prepare an empty data folder with the state of a backup (or a copy of a state.redb)
    #[arg(long, value_name = "FILE", group = "source")]
    from_backup: Option<PathBuf>,
    /// Make a group of one of a stopped member whose group has no majority any more
    #[arg(long, group = "source")]
    force_new_group: bool,
    /// Another member's data folder, or the address of one that runs, to compare with first
    #[arg(long, value_name = "FOLDER|HOST:PORT", conflicts_with = "from_backup")]
    compare: Vec<String>,
    /// How many revisions are skipped: more than the old group can have told since
    #[arg(long, value_name = "N", default_value_t = MARGIN)]
    margin: u64,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// With which certificates addresses are asked [default: $KUBECONFIG]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Failure {
    #[error("there is no new group")]
    #[diagnostic(code(reddwarf::recover::failed))]
    Failed(#[source] RecoverError),
    #[error("{} holds the data of a member", .0.display())]
    #[diagnostic(
        code(reddwarf::recover::in_use),
        help("give --data-dir an empty folder; a member's data is never overwritten")
    )]
    InUse(PathBuf),
    #[error("the log of the member in {} cannot be read", path.display())]
    #[diagnostic(
        code(reddwarf::recover::log),
        help(
            "its state can be gone on from without the log, as from a backup: `reddwarf recover \
             --from-backup {} --data-dir ANOTHER`", path.join("state.redb").display()
        )
    )]
    Log {
        path: PathBuf,
        #[source]
        source: RecoverError,
    },
}

pub(super) fn run(flags: &RecoverFlags, levels: FeatureLevels) -> Result<()> {
    let config = config::load(&flags.server)?;
    if recovery::resume(&config.data_dir).map_err(Failure::Failed)? {
        println!("{}: an earlier recovery is finished now", config.data_dir.display());
        return Ok(());
    }
    match &flags.from_backup {
        Some(path) => restore(flags, &config, path, levels),
        None => force(flags, &config, levels),
    }
}

/// A first member of a new group with the state of a backup.
fn restore(
    flags: &RecoverFlags,
    config: &Config,
    path: &Path,
    levels: FeatureLevels,
) -> Result<()> {
    let members = config.members.iter().map(|one| (one.name.clone(), one.address.clone()));
    let group = group(flags, config, members.collect(), levels);
    let recovered = from_backup(path, &group).map_err(|error| match error {
        RecoverError::InUse(path) => Failure::InUse(path),
        error => Failure::Failed(error),
    })?;
    told(config, &recovered);
    let others = config.members.iter().filter(|member| member.name != config.name);
    let others: Vec<&str> = others.map(|member| member.name.as_str()).collect();
    if !others.is_empty() {
        println!(
            "the group has {} first members; prepare {} with the same backup, configuration and \
             margin, and start all of them",
            config.members.len(),
            others.join(" and ")
        );
    }
    Ok(())
}

fn force(flags: &RecoverFlags, config: &Config, levels: FeatureLevels) -> Result<()> {
    let scratch = Scratch::beside(&config.data_dir)?;
    let disk = MemberDisk::read(&config.data_dir, &scratch.0.join("own"), levels);
    let disk = disk.map_err(|source| match source {
        RecoverError::Wal(_) => Failure::Log { path: config.data_dir.clone(), source },
        source => Failure::Failed(source),
    })?;
    let compared: Vec<Compared> = flags
        .compare
        .iter()
        .enumerate()
        .map(|(at, what)| {
            let scratch = scratch.0.join(at.to_string());
            Compared::find(what, &disk, &scratch, flags.kubeconfig.as_deref(), levels)
        })
        .collect::<Result<_>>()?;
    for line in compare::report(&disk, &compared) {
        println!("{line}");
    }
    consent::ask(flags.yes, &disk.name())?;
    let own = [(config.name.clone(), config.advertise.clone())];
    let group = group(flags, config, own.into(), levels);
    let recovered = force_new_group(disk, &group).map_err(Failure::Failed)?;
    told(config, &recovered);
    if config.members.len() > 1 {
        println!(
            "the group is {} alone: take the others out of its configuration. What is on their \
             disks belongs to the old group, and is refused: they join anew, with empty data folders",
            config.name
        );
    }
    Ok(())
}

fn group(
    flags: &RecoverFlags,
    config: &Config,
    members: std::collections::BTreeMap<String, String>,
    levels: FeatureLevels,
) -> NewGroup {
    NewGroup {
        data_dir: config.data_dir.clone(),
        cluster_id: config.cluster.clone(),
        name: config.name.clone(),
        members,
        margin: flags.margin,
        wal_segment_bytes: Limits::default().wal_segment_bytes,
        levels,
    }
}

fn told(config: &Config, recovered: &Recovered) {
    let Recovered { node_id, index, lost, root, replayed, aside } = recovered;
    println!(
        "{}: member {} (Raft id {node_id}) of a new group, at log index {index}, state root {root}",
        config.data_dir.display(),
        config.name,
    );
    if *replayed > 0 {
        println!("{replayed} entries of its log were not in the state yet and are now");
    }
    println!(
        "the state is that of revision {}; revisions go on after {}, and watches from before begin \
         anew (410)",
        lost.after, lost.through
    );
    if let Some(aside) = aside {
        println!("what was there before is in {}", aside.display());
    }
    println!("start it: reddwarf server --name {} …", config.name);
}

/// A folder for copies of logs, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn beside(data_dir: &Path) -> Result<Self> {
        let mut name = data_dir.as_os_str().to_owned();
        name.push(".compared");
        let path = PathBuf::from(name);
        let failed = |source| {
            let path = path.clone();
            Failure::Failed(RecoverError::Io { attempt: "create", path, source })
        };
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(failed)?;
        }
        std::fs::create_dir(&path).map_err(failed)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed by the next attempt.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
