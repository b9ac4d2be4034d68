//! The command `sim`.

use clap::Parser;
use miette::{IntoDiagnostic, miette};
use sim::plan::{self, Plan};
use sim::runner::{MISTAKES, Runs, explain, find, run_all, tell};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;

/// Simulates groups of members under faults, each from a seed, and checks all invariants after every
/// simulated millisecond.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// How many seeds to run.
    #[arg(long, default_value_t = 100, conflicts_with = "seed")]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1, conflicts_with = "seed")]
    from: u64,
    /// Run this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Of the seed's faults only these, by their places.
    #[arg(long, value_delimiter = ',', num_args = 0.., requires = "seed")]
    only: Option<Vec<usize>>,
    /// Tell everything that happens in it; `RUST_LOG` lets members tell more.
    #[arg(long)]
    trace: bool,
    /// Show the plan of the seed, and do nothing.
    #[arg(long, requires = "seed")]
    plan: bool,
    /// Run the plan in this file.
    #[arg(long, conflicts_with_all = ["seed", "seeds", "from"])]
    kept: Option<PathBuf>,
    /// Write the plan of a seed that fails, with only the faults that it takes, to this file.
    #[arg(long, requires = "seed")]
    keep: Option<PathBuf>,
    /// Runs at a time; as many as there are cores by default.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Go on when a seed has failed.
    #[arg(long)]
    go_on: bool,
    /// Run each seed twice, and fail when the second run is not the same as the first.
    #[arg(long, conflicts_with_all = ["seed", "kept", "proof"])]
    twice: bool,
    /// Take no faults out of what has failed.
    #[arg(long)]
    no_shrinking: bool,
    /// Make a known mistake (needs a build with `planted-bugs`).
    #[arg(long)]
    bug: Option<String>,
    /// Make each known mistake, and fail unless some seed shows it (needs a build with `planted-bugs`).
    #[arg(long, conflicts_with_all = ["seed", "kept", "bug", "go_on"])]
    proof: bool,
}

fn main() -> miette::Result<ExitCode> {
    let cli = Cli::parse();
    let mut runs = Runs::new(cli.bug.clone()).into_diagnostic()?;
    runs.twice = cli.twice;
    match (cli.seed, &cli.kept) {
        _ if cli.proof => prove(&cli),
        (Some(seed), _) if cli.plan => show(seed),
        (Some(seed), _) => {
            let plan = plan::draw(seed);
            one(&cli, &runs, &cli.only.as_ref().map_or(plan.clone(), |only| plan.only(only)))
        }
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).into_diagnostic()?;
            one(&cli, &runs, &serde_json::from_str(&text).into_diagnostic()?)
        }
        (None, None) => many(&cli, &runs),
    }
}

fn show(seed: u64) -> miette::Result<ExitCode> {
    let plan = plan::draw(seed);
    println!("{:#?}", plan::Plan { faults: Vec::new(), ..plan.clone() });
    for (place, fault) in plan.faults.iter().enumerate() {
        println!("{place:>3} {fault}");
    }
    Ok(ExitCode::SUCCESS)
}

fn one(cli: &Cli, runs: &Runs, plan: &Plan) -> miette::Result<ExitCode> {
    let report = runs.run(plan, cli.trace).into_diagnostic()?;
    println!("{}", serde_json::to_string(&report).into_diagnostic()?);
    if report.violation.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    tell(&report);
    if cli.only.is_none() && cli.kept.is_none() && !cli.trace && !cli.no_shrinking {
        explain(runs, &report, cli.keep.as_deref()).into_diagnostic()?;
    }
    Ok(ExitCode::FAILURE)
}

fn jobs(cli: &Cli) -> miette::Result<usize> {
    let cores = available_parallelism().into_diagnostic()?;
    Ok(cli.jobs.unwrap_or(cores).get())
}

fn prove(cli: &Cli) -> miette::Result<ExitCode> {
    if !cfg!(feature = "planted-bugs") {
        return Err(miette!("mistakes can be made only by a build with `planted-bugs`"));
    }
    let jobs = jobs(cli)?;
    let mut all_found = true;
    println!("{:<28} {:>5}  {:<20} faults", "mistake", "seed", "check");
    for bug in MISTAKES {
        let found = find(bug, cli.from, cli.seeds, jobs, !cli.no_shrinking).into_diagnostic()?;
        match &found {
            Some(finding) => println!("{bug:<28} {finding}"),
            None => println!("{bug:<28} not found by {} seeds", cli.seeds),
        }
        all_found &= found.is_some();
    }
    Ok(if all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn many(cli: &Cli, runs: &Runs) -> miette::Result<ExitCode> {
    let jobs = jobs(cli)?;
    let summary = run_all(runs, cli.from, cli.seeds, jobs, cli.go_on).into_diagnostic()?;
    for report in &summary.failed {
        if !cli.no_shrinking {
            explain(runs, report, None).into_diagnostic()?;
        }
    }
    println!(
        "{} seeds, {} failed, {:.0} simulated seconds, {:.0} a second",
        summary.seeds,
        summary.failed.len(),
        summary.simulated_s,
        summary.rate
    );
    Ok(if summary.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
