//! `jepsen planted`: known mistakes are put into the members, and each must be found.

use super::Verdict;
use super::arguments::PlantedArguments;
use crate::history::Edn;
use crate::run::{Program, build};
use clojure_reader::edn::read_string;
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use std::path::Path;
use tokio::process::Command;

/// What tells a member which mistake to make.
const VARIABLE: &str = "REDDWARF_PLANTED_BUG";

/// A mistake, the run that should show it, and the checkers that may be the first to see it.
struct Planted {
    bug: &'static str,
    workload: &'static str,
    nemesis: &'static str,
    checkers: &'static [&'static str],
}

const PLANTED: &[Planted] = &[
    Planted {
        bug: "stale-read",
        workload: "register",
        nemesis: "partition,pause",
        checkers: &["linear", "revisions"],
    },
    Planted {
        bug: "dropped-event",
        workload: "watch",
        nemesis: "kill",
        checkers: &["watch", "list-watch"],
    },
    Planted { bug: "doubled-event", workload: "watch", nemesis: "kill", checkers: &["watch"] },
    Planted {
        bug: "reordered-event",
        workload: "watch",
        nemesis: "slow-watch,pause",
        checkers: &["watch", "list-watch"],
    },
    Planted {
        bug: "early-acknowledgement",
        workload: "register,set",
        nemesis: "lost-writes",
        checkers: &["linear", "set", "durability", "revisions", "unique"],
    },
    Planted {
        bug: "unchecked-compare-and-swap",
        workload: "register",
        nemesis: "pause",
        checkers: &["linear"],
    },
    Planted {
        bug: "early-purge",
        workload: "register",
        nemesis: "kill-all",
        checkers: &["liveness", "durability", "linear"],
    },
];

/// Runs each mistake, says which were found, and by what.
pub async fn planted(arguments: PlantedArguments) -> Result<Verdict> {
    let program = match &arguments.binary {
        Some(program) => std::path::absolute(program).into_diagnostic()?,
        None => build(Program::Planted).await.into_diagnostic()?,
    };
    let chosen = |planted: &&Planted| arguments.only.as_ref().is_none_or(|o| o == planted.bug);
    let chosen: Vec<&Planted> = PLANTED.iter().filter(chosen).collect();
    if chosen.is_empty() {
        let known: Vec<&str> = PLANTED.iter().map(|planted| planted.bug).collect();
        return Err(miette!("no such bug; there are {}", known.join(", ")));
    }
    let mut lines = Vec::new();
    let mut all = Verdict::Valid;
    for planted in chosen {
        let out = arguments.out.join(planted.bug);
        run(planted, &arguments, &program, &out).await?;
        let by = found_by(&out)?;
        let found = by.iter().any(|checker| planted.checkers.contains(&checker.as_str()));
        if !found {
            all = Verdict::Invalid;
        }
        let by = if by.is_empty() { "nothing".to_owned() } else { by.join(", ") };
        let verdict = if found { "found" } else { "MISSED" };
        lines.push(format!("{:<28} {verdict:<7} by {by}", planted.bug));
    }
    println!("\n{}", lines.join("\n"));
    Ok(all)
}

/// A run in a process of its own, from which its members have their variables.
async fn run(
    planted: &Planted,
    arguments: &PlantedArguments,
    program: &Path,
    out: &Path,
) -> Result<()> {
    println!("== {}", planted.bug);
    let own = std::env::current_exe().into_diagnostic()?;
    let status = Command::new(own)
        .args(["run", "--workload", planted.workload, "--nemesis", planted.nemesis])
        .args(["--time", &arguments.time.to_string(), "--seed", &arguments.seed.to_string()])
        .arg("--binary")
        .arg(program)
        .arg("--out")
        .arg(out)
        .env(VARIABLE, planted.bug)
        .kill_on_drop(true)
        .status();
    // Its verdict is read from its results; a run that found something may count or not.
    status.await.into_diagnostic().map(drop)
}

/// The checkers that found something.
fn found_by(out: &Path) -> Result<Vec<String>> {
    let path = out.join("results.edn");
    let text = std::fs::read_to_string(&path)
        .into_diagnostic()
        .wrap_err_with(|| format!("the run left no {}", path.display()))?;
    let results = read_string(&text).into_diagnostic()?.into_owned();
    let Edn::Map(results) = &results else { return Err(miette!("{text} is no map")) };
    let invalid = Edn::Bool(false);
    let by = results.iter().filter_map(|(name, result)| match name {
        Edn::Key(name) if result.get(&Edn::key("valid?")) == Some(&invalid) => {
            Some(name.to_string())
        }
        _ => None,
    });
    Ok(by.collect())
}
