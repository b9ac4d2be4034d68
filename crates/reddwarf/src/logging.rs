//! Log lines, to standard error.

use crate::config::{LogConfig, LogFormat};
use miette::{Result, miette};
use tracing_subscriber::EnvFilter;

/// Begins to log.
///
/// # Errors
/// A diagnostic when the filter does not parse.
pub fn start(config: &LogConfig) -> Result<()> {
    let filter = EnvFilter::try_new(&config.level).map_err(|error| {
        miette!(
            code = "reddwarf::log::level",
            help = "use for example `info`, `debug` or `info,reddwarf_raft=debug`",
            "log level {:?}: {error}",
            config.level
        )
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Human => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|error| miette!("cannot log: {error}"))
}
