//! From a run's `test.edn` to what its verdict depends on.

use crate::checker::{ExpectedFault, Parameters};
use crate::history::Edn;
use crate::history::value::field;
use clojure_reader::edn::read_string;
use std::io;
use std::path::{Path, PathBuf};

/// Seconds that a fault takes at most on average, with the peace around it and the recovery.
const SECONDS_PER_FAULT: u64 = 30;

/// Why what was run is not known.
#[derive(Debug, thiserror::Error)]
pub enum TestFileError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what a run writes.
    #[error("{} is not what a run writes: {what}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// What was run, as the file tells it.
///
/// # Errors
/// [`TestFileError`]
pub fn parameters(path: &Path) -> Result<Parameters, TestFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| TestFileError::Read { path: path.into(), source })?;
    let read = read_string(&text).map(|edn| edn.into_owned()).map_err(|error| error.to_string());
    let parsed = read.and_then(|edn| of_edn(&edn).ok_or_else(|| "a key is missing".to_owned()));
    let mut parameters =
        parsed.map_err(|what| TestFileError::Malformed { path: path.into(), what })?;
    if let Some(folder) = path.parent().and_then(Path::file_name) {
        parameters.name = folder.to_string_lossy().into_owned();
    }
    Ok(parameters)
}

fn of_edn(test: &Edn) -> Option<Parameters> {
    let nemeses = words(field(test, "nemeses")?)?;
    let seconds = whole(field(test, "time-seconds")?)?;
    let at_least = expected(seconds, nemeses.len() as u64);
    let faults = nemeses.into_iter().map(|name| ExpectedFault { name, at_least }).collect();
    Some(Parameters {
        workloads: words(field(test, "workloads")?)?,
        faults,
        ok_per_second_min: decimal(field(test, "ok-per-second-min")?)?,
        facts: facts(test)?,
        ..Parameters::default()
    })
}

/// How often each of so many faults must have happened: all have the same number of turns.
fn expected(seconds: u64, nemeses: u64) -> u64 {
    (seconds / (SECONDS_PER_FAULT * nemeses.max(1))).max(1)
}

/// Everything that the file says, as lines for the report.
fn facts(test: &Edn) -> Option<Vec<(String, String)>> {
    let Edn::Map(map) = test else { return None };
    let shown = |value: &Edn| match words(value) {
        Some(words) => words.join(", "),
        None => word(value).unwrap_or_else(|| value.to_string()),
    };
    let facts = map.iter().filter_map(|(name, value)| Some((word(name)?, shown(value))));
    Some(facts.filter(|(_, value)| !value.is_empty()).collect())
}

fn words(value: &Edn) -> Option<Vec<String>> {
    let Edn::Vector(items) = value else { return None };
    items.iter().map(word).collect()
}

fn word(value: &Edn) -> Option<String> {
    match value {
        Edn::Key(text) | Edn::Str(text) => Some(text.clone().into_owned()),
        _ => None,
    }
}

fn whole(value: &Edn) -> Option<u64> {
    decimal(value).filter(|number| number.fract() == 0.0).map(|number| number as u64)
}

fn decimal(value: &Edn) -> Option<f64> {
    match value {
        Edn::Int(number) => Some(*number as f64),
        Edn::Double(number) => Some(number.into_inner()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_must_have_had_its_turns() {
        assert_eq!(expected(20, 3), 1);
        assert_eq!(expected(120, 2), 2);
        assert_eq!(expected(3_600, 10), 12);
    }

    #[test]
    fn a_file_without_workloads_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("test.edn");
        std::fs::write(&path, "{:nemeses [:kill] :time-seconds 60}").expect("written");
        let error = parameters(&path).expect_err("refused").to_string();
        assert!(error.ends_with("a key is missing"), "{error}");
        let whole = "{:nemeses [:kill] :time-seconds 60 :workloads [:set] :ok-per-second-min 5 \
                     :subject \"reddwarf 1\"}";
        std::fs::write(&path, whole).expect("written");
        let read = parameters(&path).expect("valid");
        assert_eq!((read.faults[0].at_least, read.workloads), (2, vec!["set".to_owned()]));
        assert!(read.facts.contains(&("subject".into(), "reddwarf 1".into())));
    }
}
