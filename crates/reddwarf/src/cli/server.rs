//! `reddwarf server`: one member.

use crate::config::{self, ServerFlags};
use clap::Args;
use miette::Result;
use reddwarf_core::Build;

#[derive(Args, Debug)]
pub(super) struct ServerCommand {
    #[command(flatten)]
    flags: ServerFlags,
    /// Print the configuration that results from flags, environment and file, and stop
    #[arg(long)]
    print_config: bool,
}

pub(super) fn run(command: &ServerCommand, build: Build) -> Result<()> {
    let config = config::load(&command.flags)?;
    if command.print_config {
        print!("{}", config.to_toml());
        return Ok(());
    }
    crate::logging::start(&config.log)?;
    Ok(crate::server::run(config, build)?)
}
