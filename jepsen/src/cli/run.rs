//! `jepsen run`

use super::Verdict;
use super::analyze::report;
use super::arguments::RunArguments;
use super::plan::plan;
use crate::run;
use miette::{IntoDiagnostic, Result};

/// Runs, judges and reports.
pub async fn run(arguments: RunArguments) -> Result<Verdict> {
    let plan = plan(arguments).await?;
    for name in &plan.left_out {
        println!("left out: {name}, which these hosts cannot do");
    }
    let faults =
        if plan.faults().is_empty() { "no faults".into() } else { plan.faults().join(", ") };
    println!("{} members, {faults}, {} s, --seed {}", plan.nodes(), plan.time.as_secs(), plan.seed);
    run::run(&plan).await.into_diagnostic()?;
    let verdict = report(&plan.out)?;
    println!("everything is in {}", plan.out.display());
    Ok(verdict)
}
