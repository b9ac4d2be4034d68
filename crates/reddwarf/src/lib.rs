//! The `reddwarf` program: command line, configuration, certificates, and the wiring of the
//! crates into one process. Logic lives in the crates.

pub mod bench;
pub mod certificates;
pub mod cli;
pub mod client;
pub mod config;
pub mod group;
pub mod hollow;
pub mod join;
pub mod kubeconfig;
pub mod logging;
pub mod pki;
pub mod server;

use clap::Parser;
use reddwarf_core::Build;
use std::path::PathBuf;
use std::process::ExitCode;

/// The program, as one of `build`: which one it is, is said in one place only.
pub fn main(build: Build) -> ExitCode {
    spare_memory();
    match cli::run(cli::Cli::parse(), build) {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            eprintln!("Error: {report:?}");
            let error = report.downcast_ref::<server::ServerError>();
            error.map_or(ExitCode::FAILURE, server::ServerError::exit_code)
        }
    }
}

/// Keeps the allocator from rounding its arenas up to huge pages: measured at rest, a member
/// takes 48 MB without them and 80 MB with them.
fn spare_memory() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        eprintln!("warning: huge pages stay on, memory use will be higher: {error}");
    }
}

/// `$XDG_DATA_HOME/reddwarf`, or `~/.local/share/reddwarf`.
pub fn data_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")))?;
    Some(base.join("reddwarf"))
}
