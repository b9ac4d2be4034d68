//! `jepsen analyze` and `jepsen report`

use super::Verdict;
use crate::checker::{self, Parameters, Valid};
use crate::report;
use crate::run::{HISTORY, TEST, parameters};
use crate::trace::Trace;
use miette::{IntoDiagnostic, Result, WrapErr};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// A history that was judged.
struct Judged {
    trace: Trace,
    verdict: checker::Verdict,
    parameters: Parameters,
}

/// Judges a history and says what was found.
pub fn analyze(history: &Path) -> Result<Verdict> {
    Ok(judge(history)?.verdict.valid().into())
}

/// Judges the history of a folder and writes the report.
pub fn report(folder: &Path) -> Result<Verdict> {
    let judged = judge(&folder.join(HISTORY))?;
    report::write_trace(folder, &judged.trace, &judged.verdict, &judged.parameters)
        .into_diagnostic()?;
    Ok(judged.verdict.valid().into())
}

fn judge(history: &Path) -> Result<Judged> {
    let cannot = || format!("cannot read {}", history.display());
    let parameters = parameters(&history.with_file_name(TEST)).into_diagnostic()?;
    let file = File::open(history).into_diagnostic().wrap_err_with(cannot)?;
    let trace = Trace::read(BufReader::new(file)).into_diagnostic().wrap_err_with(cannot)?;
    let verdict = checker::check(&trace, &parameters);
    print!("{}", report::summary(&verdict, &parameters));
    Ok(Judged { trace, verdict, parameters })
}

impl From<Valid> for Verdict {
    fn from(valid: Valid) -> Verdict {
        match valid {
            Valid::Yes => Verdict::Valid,
            Valid::No => Verdict::Invalid,
            Valid::Unknown => Verdict::Unknown,
        }
    }
}
