//! `jepsen run`

use super::Verdict;
use super::analyze::report;
use super::arguments::RunArguments;
use super::plan::plan;
use crate::host::Strays;
use crate::run;
use miette::{IntoDiagnostic, Result};

/// Runs, judges and reports.
pub async fn run(arguments: RunArguments) -> Result<Verdict> {
    Strays::end_all();
    let plan = plan(arguments).await?;
    for (name, why) in &plan.left_out {
        println!("left out: {name}: {why}");
    }
    let faults =
        if plan.faults().is_empty() { "no faults".into() } else { plan.faults().join(", ") };
    println!("{} members, {faults}, {} s, --seed {}", plan.nodes(), plan.time.as_secs(), plan.seed);
    run::run(&plan).await.into_diagnostic()?;
    let verdict = report(&plan.out)?;
    println!("everything is in {}", plan.out.display());
    Ok(verdict)
}
