//! What can be said on the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Chaos tests of a replicated Kubernetes API.
#[derive(Debug, Parser)]
#[command(name = "jepsen", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start members, let clients act on them, make faults, and judge what clients saw.
    ///
    /// Exit status: 0 nothing wrong was found, 1 an anomaly was found, 2 the run does not count.
    Run(Box<RunArguments>),
    /// Name workloads and nemeses.
    List,
    /// Judge a history again.
    Analyze {
        /// The file `history.edn` of a run, with its `test.edn` beside it.
        history: PathBuf,
    },
    /// Put known mistakes into the members, one after the other, and see that each is found.
    ///
    /// Exit status: 0 all were found, 1 one was missed.
    Planted(PlantedArguments),
    /// Judge the history of a run's folder again and write its report.
    Report {
        /// The folder.
        folder: PathBuf,
    },
}

/// Where members run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HostsArgument {
    /// In network namespaces where they can be made, else on loopback.
    Any,
    /// In network namespaces, or not at all.
    Namespace,
    /// On loopback addresses.
    Loopback,
}

/// Which mistakes are tried, and how.
#[derive(Debug, Args)]
pub struct PlantedArguments {
    /// Only this one.
    #[arg(long, value_name = "BUG")]
    pub only: Option<String>,
    /// Seconds of faults for each.
    #[arg(long, default_value_t = 20)]
    pub time: u64,
    /// What all choices come from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The `reddwarf-planted` program; without it, cargo builds one.
    #[arg(long)]
    pub binary: Option<PathBuf>,
    /// A folder for everything that the runs write.
    #[arg(long, default_value = "jepsen/runs/planted")]
    pub out: PathBuf,
}

/// What a run is to do.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Members to start.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    pub nodes: u16,
    /// Workloads, which run side by side; `mix` and `history` are several each, see `list`.
    #[arg(long, value_delimiter = ',', default_value = "register")]
    pub workload: Vec<String>,
    /// Faults, made one at a time; `all` is all that the hosts can do.
    #[arg(long, value_delimiter = ',')]
    pub nemesis: Vec<String>,
    /// Seconds for which faults are made.
    #[arg(long, default_value_t = 60)]
    pub time: u64,
    /// What all choices come from; one is drawn and told when it is not given.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Operations that begin in a second, of all workloads together; 0 is as many as can be.
    #[arg(long, default_value_t = 600.0)]
    pub rate: f64,
    /// Operations that must have succeeded in a second, on average, for the run to count; without
    /// it, a tenth of `--rate`.
    #[arg(long)]
    pub rate_min: Option<f64>,
    /// Clients of each workload.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub concurrency: u16,
    /// Milliseconds that an operation may take.
    #[arg(long, default_value_t = 5_000)]
    pub timeout_ms: u64,
    /// A folder for everything that the run writes.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// The `reddwarf` program; without it, cargo builds one.
    #[arg(long)]
    pub binary: Option<PathBuf>,
    /// Another build of `reddwarf`, which `rolling` swaps with the one.
    #[arg(long, value_name = "PATH")]
    pub other_binary: Option<PathBuf>,
    /// Where members run.
    #[arg(long, value_enum, default_value = "any")]
    pub hosts: HostsArgument,
    /// Other servers as the subject, `https://host:port`: no members are started.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["nodes", "binary", "other_binary", "hosts"])]
    pub server: Vec<String>,
    /// The servers' authority (PEM).
    #[arg(long, requires = "server")]
    pub ca: Option<PathBuf>,
    /// A client certificate for them (PEM).
    #[arg(long, requires = "server", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, requires = "server", requires = "cert")]
    pub key: Option<PathBuf>,
    /// A bearer token for them.
    #[arg(long, requires = "server", env = "JEPSEN_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Commands for `sh -c` that begin and end a fault at them.
    #[arg(long, requires = "server", num_args = 2, value_names = ["BEGIN", "END"])]
    pub nemesis_command: Option<Vec<String>>,
}
