//! Feeds every decoder with inputs that are nearly right, for as long as it is told.
//!
//! `docs/fuzzing.md` says how to use it. Each target runs in a process of its own, so that an
//! input that ends the process is known, too.

use clap::Parser;
use reddwarf_tests::fuzz::{Mutator, Target, targets};
use std::collections::HashSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What one input may take; far more than any that is answered well needs.
const RUN_MAX: Duration = Duration::from_secs(10);
/// Inputs kept for a target at most.
const KEPT_MAX: usize = 20_000;
/// Memory of a worker at most.
const MEMORY_MIB_MAX: u64 = 4_096;
/// The input under way, in a target's folder.
const CURRENT: &str = "current";

#[derive(Parser)]
struct Arguments {
    /// Targets; all when none is named.
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Makes the same inputs again.
    #[arg(long)]
    seed: Option<u64>,
    /// Where inputs are kept from one run to the next.
    #[arg(long, default_value = "target/fuzz")]
    corpus: PathBuf,
    /// Runs the one target on this file only.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Lists the targets.
    #[arg(long)]
    list: bool,
    #[arg(long, hide = true)]
    worker: bool,
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let chosen = |target: &Target| {
        arguments.targets.is_empty() || arguments.targets.iter().any(|name| name == target.name)
    };
    let targets: Vec<Target> = targets().into_iter().filter(chosen).collect();
    if arguments.list {
        targets.iter().for_each(|target| println!("{}", target.name));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &arguments.input {
        let input = fs::read(path)?;
        for target in &targets {
            let began = Instant::now();
            (target.run)(&input);
            println!("{}: {:.1?}", target.name, began.elapsed());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed = Vec::new();
    for target in &targets {
        let well = match arguments.worker {
            true => work(target, &arguments)?,
            false => supervise(target, &arguments)?,
        };
        if !well {
            failed.push(target.name);
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

fn hash(input: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    hasher.finish()
}

/// Runs a target in a process of its own; whether it ended well.
fn supervise(target: &Target, arguments: &Arguments) -> io::Result<bool> {
    let folder = arguments.corpus.join(target.name);
    fs::create_dir_all(&folder)?;
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let mut worker = Command::new(std::env::current_exe()?);
    worker.args(["--worker", target.name, "--seconds", &arguments.seconds.to_string()]);
    worker.args(["--seed", &seed.to_string()]).arg("--corpus").arg(&arguments.corpus);
    if worker.status()?.success() {
        return Ok(true);
    }
    let input = fs::read(folder.join(CURRENT))?;
    let kept = folder.join(format!("failure-{:016x}", hash(&input)));
    fs::write(&kept, &input)?;
    eprintln!("{} --input {} shows it (seed {seed})", target.name, kept.display());
    Ok(false)
}

/// What a target runs with.
struct Bench<'t> {
    target: &'t Target,
    current: File,
    /// Milliseconds since `began` at which the input under way began, or zero.
    under_way_ms: Arc<AtomicU64>,
    began: Instant,
}

impl<'t> Bench<'t> {
    fn new(target: &'t Target, folder: &Path) -> io::Result<Self> {
        let (began, under_way_ms) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let watched = under_way_ms.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(500));
                let since = watched.load(Ordering::Relaxed);
                let now = began.elapsed().as_millis() as u64;
                if since > 0 && now - since > RUN_MAX.as_millis() as u64 {
                    eprintln!("an input takes longer than {RUN_MAX:?}");
                    std::process::abort();
                }
                if memory_mib() > MEMORY_MIB_MAX {
                    eprintln!("more than {MEMORY_MIB_MAX} MiB are in use");
                    std::process::abort();
                }
            }
        });
        let current = File::create(folder.join(CURRENT))?;
        Ok(Bench { target, current, under_way_ms, began })
    }

    /// The signature, or `None` when the target panicked.
    fn run(&self, input: &[u8]) -> io::Result<Option<u64>> {
        self.current.set_len(0)?;
        self.current.write_all_at(input, 0)?;
        let now = self.began.elapsed().as_millis() as u64;
        self.under_way_ms.store(now.max(1), Ordering::Relaxed);
        let ran = std::panic::catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        self.under_way_ms.store(0, Ordering::Relaxed);
        Ok(ran.ok())
    }
}

fn memory_mib() -> u64 {
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return 0 };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}

fn kept_inputs(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("input-"))
    });
    paths.sort();
    paths.iter().map(fs::read).collect()
}

/// Runs a target in this process; whether it ended well.
fn work(target: &Target, arguments: &Arguments) -> io::Result<bool> {
    let folder = arguments.corpus.join(target.name);
    let bench = Bench::new(target, &folder)?;
    let mut corpus = (target.seeds)();
    corpus.extend(kept_inputs(&folder)?);
    let mut seen = HashSet::new();
    for input in &corpus {
        match bench.run(input)? {
            Some(signature) => seen.insert(signature),
            None => return Ok(false),
        };
    }
    let mut mutator = Mutator::new(arguments.seed.unwrap_or_default());
    let (began, length) = (Instant::now(), Duration::from_secs(arguments.seconds));
    let mut runs = 0_u64;
    while began.elapsed() < length {
        let input = mutator.next(&corpus);
        runs += 1;
        let Some(signature) = bench.run(&input)? else { return Ok(false) };
        if seen.insert(signature) && corpus.len() < KEPT_MAX {
            fs::write(folder.join(format!("input-{:016x}", hash(&input))), &input)?;
            corpus.push(input);
        }
    }
    println!("{}: {runs} runs, {} inputs kept", target.name, corpus.len());
    Ok(true)
}
