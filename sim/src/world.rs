//! The command `sim-world`: the simulated group of one plan, in a process whose randomness and clocks
//! are replaced. `sim` starts it; it prints a report as one line of JSON.

use clap::Parser;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sim::plan::Plan;
use sim::trace::Trace;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// What members tell by default. Raft itself tells much, and turmoil each message.
const LOG: &str = "warn,reddwarf_raft=info,openraft=error";

/// One plan.
#[derive(Parser)]
struct World {
    /// The file with the plan.
    #[arg(long)]
    plan: PathBuf,
    /// Tell what happens.
    #[arg(long)]
    trace: bool,
    /// Where the machines' disks are.
    #[arg(long)]
    dir: PathBuf,
    /// A known mistake to be made.
    #[arg(long)]
    bug: Option<String>,
}

fn read(path: &Path) -> io::Result<Plan> {
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

fn main() -> ExitCode {
    let world = World::parse();
    let plan = match read(&world.plan) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("{}: {error}", world.plan.display());
            return ExitCode::from(2);
        }
    };
    if let Some(name) = &world.bug
        && let Err(why) = sim::planted::plant(name)
    {
        eprintln!("{why}");
        return ExitCode::from(2);
    }
    if world.trace {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::try_from_default_env().unwrap_or(EnvFilter::new(LOG)))
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .init();
    }
    mad_turmoil::rand::set_rng(StdRng::seed_from_u64(plan.seed));
    // A thread of its own has no hash keys yet that were drawn before.
    let run = std::thread::spawn(move || {
        let _clocks = mad_turmoil::time::SimClocksGuard::init();
        sim::run::run(&plan, &world.dir, &Trace::new(world.trace))
    });
    let Ok(report) = run.join() else { return ExitCode::from(101) };
    let printed = serde_json::to_string(&report).map_err(io::Error::other);
    match printed.and_then(|line| writeln!(std::io::stdout(), "{line}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
