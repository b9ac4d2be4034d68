//! `jepsen analyze` and `jepsen report`

use super::Verdict;
use crate::history::History;
use crate::run::{HISTORY, Tally};
use miette::{IntoDiagnostic, Result, WrapErr};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Judges a history.
pub fn analyze(path: &Path) -> Result<Verdict> {
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).into_diagnostic().wrap_err_with(cannot)?;
    let history = History::read(BufReader::new(file)).into_diagnostic().wrap_err_with(cannot)?;
    print!("{}", Tally::of(&history));
    Ok(Verdict::Unknown)
}

/// Judges the history of a folder and writes the report.
pub fn report(folder: &Path) -> Result<Verdict> {
    analyze(&folder.join(HISTORY))
}
