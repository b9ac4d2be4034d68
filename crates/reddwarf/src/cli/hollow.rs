//! `reddwarf hollow`: simulated worker nodes.

use super::GroupFlags;
use crate::config::{LogConfig, LogFormat};
use crate::group::PidFile;
use crate::hollow::{self, HollowArgs};
use crate::kubeconfig::Kubeconfig;
use crate::server::stop_signals;
use clap::Args;
use miette::{Context, IntoDiagnostic, Result};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

#[derive(Args, Debug)]
pub(super) struct HollowFlags {
    #[command(flatten)]
    group: GroupFlags,
    #[command(flatten)]
    nodes: HollowArgs,
    /// A file to hold the process id while it runs
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// What to log
    #[arg(long, env = "REDDWARF_LOG_LEVEL", value_name = "FILTER", default_value = "info")]
    log_level: String,
    /// How a log line looks
    #[arg(long, env = "REDDWARF_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
}

pub(super) fn run(flags: &HollowFlags) -> Result<()> {
    let log = LogConfig { level: flags.log_level.clone(), format: flags.log_format };
    crate::logging::start(&log)?;
    let _pid_file = match &flags.pid_file {
        Some(path) => Some(
            PidFile::hold(path)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot hold {}", path.display()))?,
        ),
        None => None,
    };
    let kubeconfig = Kubeconfig::find(flags.group.kubeconfig.as_deref())?;
    super::client_runtime()?.block_on(async {
        let cancel = CancellationToken::new();
        stop_signals(cancel.clone()).into_diagnostic()?;
        hollow::run(flags.nodes.clone(), &kubeconfig, cancel).await?;
        Ok(())
    })
}
