//! The command line.

mod apply;
mod backup;
mod blame;
mod branch;
mod cert;
mod diff;
mod down;
mod du;
mod examine;
mod excise;
mod hollow;
mod join;
mod log;
mod member;
mod merge;
mod recover;
mod restore;
mod rewind;
mod server;
mod show;
mod status;
mod table;
mod token;
mod up;
mod upgrade;
mod verify;

use crate::bench;
use crate::client::GroupClient;
use crate::kubeconfig::Kubeconfig;
use clap::{Parser, Subcommand};
use reddwarf_core::Build;
use std::path::PathBuf;

/// A Kubernetes control plane in one binary.
#[derive(Parser, Debug)]
#[command(name = "reddwarf", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start a group on this machine, with simulated worker nodes
    Up(up::UpFlags),
    /// Stop a group that `up` started
    Down(down::DownFlags),
    /// Run one member
    Server(server::ServerCommand),
    /// Simulate worker nodes
    Hollow(hollow::HollowFlags),
    /// Measure an API server
    Bench(bench::BenchFlags),
    /// Join a group: become one of its members, and run
    Join(join::JoinCommand),
    /// Make, show and remove tokens by which machines join
    Token(token::TokenCommand),
    /// Show and remove members
    Member(member::MemberCommand),
    /// Show and renew the members' certificates
    Cert(cert::CertCommand),
    /// Show the members of a group
    Status(status::StatusFlags),
    /// Tell whether a member may be upgraded now, and finish an upgrade
    Upgrade(upgrade::UpgradeFlags),
    /// Apply many objects as one commit, or none of them
    Apply(apply::ApplyFlags),
    /// Show who changed what, newest first
    Log(log::LogFlags),
    /// Show a commit field by field
    Show(show::ShowFlags),
    /// Show who set each field of an object
    Blame(blame::BlameFlags),
    /// Show what differs between two moments or branches
    Diff(diff::DiffFlags),
    /// Make, show and remove branches: copies of the cluster's state to work on
    Branch(branch::BranchCommand),
    /// Take over what a branch changed, as one commit
    Merge(merge::MergeFlags),
    /// Take back what a commit changed
    Revert(merge::RevertFlags),
    /// Check that the history is the one that was written, on every member or in a stopped one's data
    Verify(verify::VerifyFlags),
    /// Bring objects back as they were before
    Restore(restore::RestoreFlags),
    /// Bring everything back as it was, by new commits
    Rewind(rewind::RewindFlags),
    /// Write the state of a running group, with its history, to a file
    Backup(backup::BackupFlags),
    /// Make a new group out of a backup, or of what is left of one without a majority
    Recover(Box<recover::RecoverFlags>),
    /// Show what the past takes of the disk, by kind
    Du(du::DuFlags),
    /// Take past versions of an object away for good
    Excise(excise::ExciseFlags),
}

/// How a client command finds its group.
#[derive(clap::Args, Debug, Clone)]
pub struct GroupFlags {
    /// A kubeconfig; every context of it names a member [default: $KUBECONFIG]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

impl GroupFlags {
    /// A client of the group.
    fn client(&self) -> miette::Result<GroupClient> {
        Ok(GroupClient::new(&Kubeconfig::find(self.kubeconfig.as_deref())?)?)
    }
}

/// Runs the command that the arguments name, in a program of this build.
///
/// # Errors
/// A diagnostic for the operator.
pub fn run(cli: Cli, build: Build) -> miette::Result<()> {
    match cli.command {
        Command::Up(flags) => up::run(&flags),
        Command::Down(flags) => down::run(&flags),
        Command::Server(command) => server::run(&command, build),
        Command::Hollow(flags) => hollow::run(&flags),
        Command::Bench(flags) => bench::run(&flags),
        Command::Join(command) => join::run(&command, build),
        Command::Token(command) => token::run(&command),
        Command::Member(command) => member::run(&command),
        Command::Cert(command) => cert::run(&command),
        Command::Status(flags) => status::run(&flags),
        Command::Upgrade(flags) => upgrade::run(&flags, build.levels),
        Command::Apply(flags) => apply::run(&flags),
        Command::Log(flags) => log::run(&flags),
        Command::Show(flags) => show::run(&flags),
        Command::Blame(flags) => blame::run(&flags),
        Command::Diff(flags) => diff::run(&flags),
        Command::Branch(command) => branch::run(&command),
        Command::Merge(flags) => merge::merge(&flags),
        Command::Revert(flags) => merge::revert(&flags),
        Command::Verify(flags) => verify::run(&flags, build.levels),
        Command::Restore(flags) => restore::run(&flags),
        Command::Rewind(flags) => rewind::run(&flags),
        Command::Backup(flags) => backup::run(&flags, build.levels),
        Command::Recover(flags) => recover::run(&flags, build.levels),
        Command::Du(flags) => du::run(&flags),
        Command::Excise(flags) => excise::run(&flags),
    }
}

/// A runtime for a client command.
fn client_runtime() -> miette::Result<tokio::runtime::Runtime> {
    use miette::IntoDiagnostic;
    tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()
}
