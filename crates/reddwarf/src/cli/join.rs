//! `reddwarf join`: makes this machine a member of a group that runs.

use crate::config::{self, ServerFlags};
use crate::join::Arrival;
use clap::Args;
use miette::{Diagnostic, Result};
use reddwarf_core::Build;

#[derive(Args, Debug)]
pub(super) struct JoinCommand {
    /// Host and port of a member
    #[arg(value_name = "HOST:PORT")]
    server: String,
    /// The token that `reddwarf token create` printed
    #[arg(long, value_name = "ID.SECRET")]
    token: String,
    /// The fingerprint of the group's authority
    #[arg(long, value_name = "sha256:…")]
    ca_hash: String,
    /// The voter whose place this member takes once it has caught up; one of its own name gives
    /// way in any case
    #[arg(long, value_name = "NAME")]
    replace: Option<String>,
    /// Only prepare the data directory, in which `reddwarf server` runs the member
    #[arg(long)]
    no_start: bool,
    #[command(flatten)]
    member: ServerFlags,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Incomplete {
    #[error("the member needs a name")]
    #[diagnostic(code(reddwarf::join::name), help("give --name NAME, or a --config that has one"))]
    Name,
}

pub(super) fn run(command: &JoinCommand, build: Build) -> Result<()> {
    if command.member.name.is_none() && command.member.config.is_none() {
        return Err(Incomplete::Name.into());
    }
    let config = config::load_to_join(&command.member)?;
    let arrival = Arrival {
        config: &config,
        server: &command.server,
        token: &command.token,
        authority: &command.ca_hash,
        replaces: command.replace.as_deref(),
        build,
    };
    let joined = super::client_runtime()?.block_on(arrival.join())?;
    let (name, id, folder) = (&joined.name, joined.node_id, config.data_dir.display());
    println!("{name} is node {id} of {}; its data directory is {folder}", joined.cluster);
    if command.no_start {
        return Ok(());
    }
    let config = config::load(&command.member)?;
    crate::logging::start(&config.log)?;
    Ok(crate::server::run(config, build)?)
}
