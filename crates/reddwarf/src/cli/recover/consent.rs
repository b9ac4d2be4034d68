//! Asking before something that cannot be taken back.

use miette::{Diagnostic, IntoDiagnostic, Result};
use std::io::{BufRead, IsTerminal, Write};

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Refusal {
    #[error("nothing was done")]
    #[diagnostic(code(reddwarf::recover::declined))]
    Declined,
    #[error("nothing was done: there is nobody to ask")]
    #[diagnostic(
        code(reddwarf::recover::unasked),
        help("give --yes to go on from what is told above")
    )]
    Unasked,
}

/// Goes on only when the operator says so.
pub(super) fn ask(yes: bool, name: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Refusal::Unasked.into());
    }
    print!("Make a new group of {name} alone? Type its name to go on: ");
    std::io::stdout().flush().into_diagnostic()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).into_diagnostic()?;
    if line.trim() == name { Ok(()) } else { Err(Refusal::Declined.into()) }
}
