//! One run in a process of its own.

use crate::checks::Violation;
use crate::clients::Counts;
use crate::plan::{self, Plan};
use crate::run::Report;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use wait_timeout::ChildExt;

/// Real time that a run may take.
const REAL_TIME_MAX: Duration = Duration::from_secs(120);

/// What does not hold when a run itself goes wrong.
pub const SIMULATION: &str = "simulation";

/// How plans are run.
#[derive(Clone, Debug)]
pub struct Runs {
    /// The program `sim-world`.
    pub world: PathBuf,
    /// A known mistake to be made.
    pub bug: Option<String>,
    /// Whether many seeds are each run twice, to see that the runs are the same.
    pub twice: bool,
    /// Where disks are: memory, if there is such a place.
    pub disks: PathBuf,
}

impl Runs {
    /// Runs beside the program that runs now.
    ///
    /// # Errors
    /// When it does not know where it is.
    pub fn new(bug: Option<String>) -> io::Result<Self> {
        let world = std::env::current_exe()?.with_file_name("sim-world");
        let memory = Path::new("/dev/shm");
        let disks = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Ok(Runs { world, bug, twice: false, disks })
    }

    /// The command that runs a seed, or some of its faults, again.
    #[must_use]
    pub fn command(&self, seed: u64, only: Option<&[usize]>) -> String {
        let mut command = format!("just sim --seed {seed}");
        if let Some(only) = only {
            let places: Vec<String> = only.iter().map(usize::to_string).collect();
            command = format!("{command} --only {}", places.join(","));
        }
        match &self.bug {
            Some(bug) => command.replace("just sim", &format!("just sim-planted --bug {bug}")),
            None => command,
        }
    }

    /// Runs the plan of a seed, once or twice.
    ///
    /// # Errors
    /// When the process cannot be run.
    pub fn run_seed(&self, seed: u64) -> io::Result<Report> {
        let plan = plan::draw(seed);
        let first = self.run(&plan, false)?;
        if !self.twice || first.violation.is_some() {
            return Ok(first);
        }
        let second = self.run(&plan, false)?;
        match first == second {
            true => Ok(first),
            false => Ok(failed(seed, &format!("two runs differ: {first:?}, {second:?}"))),
        }
    }

    /// Runs a plan; `trace` lets it tell what happens.
    ///
    /// # Errors
    /// When the process cannot be run.
    pub fn run(&self, plan: &Plan, trace: bool) -> io::Result<Report> {
        let seed = plan.seed;
        let disks = tempfile::Builder::new().prefix("sim-").tempdir_in(&self.disks)?;
        let planned = disks.path().join("plan");
        std::fs::write(&planned, serde_json::to_string(plan)?)?;
        let mut command = Command::new(&self.world);
        // By a path that is the same each time: what members say of their files is part of the digest.
        command.current_dir(disks.path()).arg("--plan").arg(planned).arg("--dir").arg("machines");
        if let Some(bug) = &self.bug {
            command.arg("--bug").arg(bug);
        }
        if trace {
            command.arg("--trace");
        }
        let told = disks.path().join("told");
        let errors = if trace { Stdio::inherit() } else { std::fs::File::create(&told)?.into() };
        let answer = disks.path().join("report");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&answer)?)
            .stderr(errors)
            .spawn()?;
        let Some(status) = child.wait_timeout(REAL_TIME_MAX)? else {
            child.kill()?;
            child.wait()?;
            return Ok(failed(seed, "it does not end"));
        };
        let report = std::fs::read_to_string(&answer)?;
        match serde_json::from_str(report.trim()) {
            Ok(report) => Ok(report),
            Err(_) => {
                let told = std::fs::read_to_string(&told).unwrap_or_default();
                Ok(failed(seed, &format!("{status}: {}", told.trim())))
            }
        }
    }
}

/// A run without a report.
fn failed(seed: u64, why: &str) -> Report {
    let violation = Violation { check: SIMULATION.to_owned(), at_ms: 0, what: why.to_owned() };
    Report {
        seed,
        violation: Some(violation),
        simulated_ms: 0,
        calm_ms: 0,
        counts: Counts::default(),
        entries: 0,
        digest: 0,
    }
}
