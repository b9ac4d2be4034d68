//! The command line.

mod down;
mod hollow;
mod server;
mod status;
mod up;

use crate::bench;
use clap::{Parser, Subcommand};
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
    /// Show the members of a group
    Status(status::StatusFlags),
}

/// How a client command finds its group.
#[derive(clap::Args, Debug, Clone)]
pub struct GroupFlags {
    /// A kubeconfig; every context of it names a member [default: $KUBECONFIG]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Runs the command that the arguments name.
///
/// # Errors
/// A diagnostic for the operator.
pub fn run(cli: Cli) -> miette::Result<()> {
    match cli.command {
        Command::Up(flags) => up::run(&flags),
        Command::Down(flags) => down::run(&flags),
        Command::Server(command) => server::run(&command),
        Command::Hollow(flags) => hollow::run(&flags),
        Command::Bench(flags) => bench::run(&flags),
        Command::Status(flags) => status::run(&flags),
    }
}

/// A runtime for a client command.
fn client_runtime() -> miette::Result<tokio::runtime::Runtime> {
    use miette::IntoDiagnostic;
    tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()
}
