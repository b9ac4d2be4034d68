//! Histories made by hand and the verdicts on them: `tests/data/*.edn` and `*.txt`.
//!
//! Comments at a history's head say what the run was to do (`; workloads: set`,
//! `; faults: kill 2`, `; rate: 5`). With `JEPSEN_GOLDEN=write` the verdicts are written anew, to be
//! read as a diff. A history whose name ends in `good` is valid, every other one is not.

use jepsen::checker::{ExpectedFault, Parameters, Valid, check_all};
use jepsen::history::History;
use jepsen::report;
use std::fs;
use std::path::{Path, PathBuf};

fn histories() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let files = fs::read_dir(folder).expect("the folder of histories");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "edn"));
    paths.sort();
    paths
}

fn parameters(name: &str, text: &str) -> Parameters {
    let mut parameters = Parameters { name: name.to_owned(), ..Parameters::default() };
    for line in text.lines().filter_map(|line| line.strip_prefix("; ")) {
        let Some((what, value)) = line.split_once(": ") else { continue };
        match what {
            "workloads" => parameters.workloads = value.split(' ').map(str::to_owned).collect(),
            "rate" => parameters.ok_per_second_min = value.parse().expect("a rate"),
            "faults" => {
                let (name, count) = value.split_once(' ').expect("a name and a count");
                let at_least = count.parse().expect("a count");
                parameters.faults.push(ExpectedFault { name: name.to_owned(), at_least });
            }
            _ => {}
        }
    }
    parameters
}

#[test]
fn verdicts_are_as_written() {
    let write = std::env::var("JEPSEN_GOLDEN").is_ok_and(|value| value == "write");
    let mut wrong = Vec::new();
    for path in histories() {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("readable");
        let history =
            History::read(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let parameters = parameters(&name, &text);
        let verdict = check_all(&history, &parameters);
        let summary = report::summary(&verdict, &parameters);
        let golden = path.with_extension("txt");
        if (verdict.valid() == Valid::Yes) != name.ends_with("good") {
            wrong.push(summary);
        } else if write {
            fs::write(&golden, summary).expect("writable");
        } else if fs::read_to_string(&golden).ok().as_deref() != Some(&summary) {
            wrong.push(summary);
        }
    }
    assert!(wrong.is_empty(), "not as written:\n{}", wrong.join("\n"));
}
