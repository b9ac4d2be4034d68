//! The command line.

mod analyze;
mod arguments;
mod list;
mod plan;
mod planted;
mod run;

pub use arguments::Cli;

use arguments::Command;
use miette::Result;
use std::process::ExitCode;

/// How a command ended, as its exit status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was found that must not be, and the run counts.
    Valid,
    /// An anomaly was found.
    Invalid,
    /// The run does not count.
    Unknown,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> ExitCode {
        match verdict {
            Verdict::Valid => ExitCode::SUCCESS,
            Verdict::Invalid => ExitCode::from(1),
            Verdict::Unknown => ExitCode::from(2),
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// It could not be done.
pub async fn main(cli: Cli) -> Result<Verdict> {
    match cli.command {
        Command::Run(arguments) => run::run(*arguments).await,
        Command::List => {
            list::list();
            Ok(Verdict::Valid)
        }
        Command::Analyze { history } => analyze::analyze(&history),
        Command::Planted(arguments) => planted::planted(arguments).await,
        Command::Report { folder } => analyze::report(&folder),
    }
}
