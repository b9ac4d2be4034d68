//! What people and programs read after a run.
//!
//! | file | for |
//! |---|---|
//! | `index.html` | people: one page, nothing loaded from elsewhere |
//! | `results.txt` | people at a terminal |
//! | `results.edn` | programs, in the form of Jepsen's |
//! | `junit.xml` | continuous integration |

mod anomaly;
mod chart;
mod html;
mod junit;
mod lanes;
mod operations;
mod outcome;
mod series;
mod text;
mod timeline;

pub use text::summary;

use crate::checker::{Parameters, Verdict};
use crate::history::History;
use crate::trace::Trace;
use std::io;
use std::path::{Path, PathBuf};

/// Why a report cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The results cannot be put as XML.
    #[error("cannot put the results as JUnit")]
    Junit(#[from] quick_junit::SerializeError),
}

/// Writes the report of a history in memory.
///
/// # Errors
/// [`ReportError`]
pub fn write(
    folder: &Path,
    history: &History,
    verdict: &Verdict,
    parameters: &Parameters,
) -> Result<(), ReportError> {
    write_trace(folder, &Trace::of(history), verdict, parameters)
}

/// Writes the report of a trace.
///
/// # Errors
/// [`ReportError`]
pub fn write_trace(
    folder: &Path,
    trace: &Trace,
    verdict: &Verdict,
    parameters: &Parameters,
) -> Result<(), ReportError> {
    put(folder.join("index.html"), &html::page(trace, verdict, parameters))?;
    put(folder.join("results.txt"), &summary(verdict, parameters))?;
    put(folder.join("results.edn"), &format!("{:#}\n", verdict.to_edn()))?;
    put(folder.join("junit.xml"), &junit::xml(trace, verdict, parameters)?)
}

fn put(path: PathBuf, content: &str) -> Result<(), ReportError> {
    std::fs::write(&path, content).map_err(|source| ReportError::Write { path, source })
}
