//! The command `jepsen`.

use clap::Parser;
use jepsen::cli::{self, Cli, Verdict};
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// What is logged by default. `fuser` tells each answer that a killed process no longer awaits.
const LOG: &str = "info,fuser=off";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match cli::main(Cli::parse()).await {
        Ok(verdict) => verdict.into(),
        Err(error) => {
            eprintln!("{error:?}");
            Verdict::Unknown.into()
        }
    }
}
