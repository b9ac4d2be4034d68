//! The `reddwarf` program with a known mistake, which the environment variable
//! `REDDWARF_PLANTED_BUG` names; see `reddwarf_core::planted`.

use clap::Parser;
use reddwarf_core::planted::{Bug, plant};

const VARIABLE: &str = "REDDWARF_PLANTED_BUG";

fn main() -> miette::Result<()> {
    if let Ok(name) = std::env::var(VARIABLE) {
        let known: Vec<&str> = Bug::ALL.iter().map(|(name, _)| *name).collect();
        let bug = Bug::named(&name);
        plant(bug.ok_or_else(|| {
            miette::miette!(help = known.join(", "), "{VARIABLE} names no bug: {name}")
        })?);
        eprintln!("warning: this member has a planted bug: {name}");
    }
    reddwarf::cli::run(reddwarf::cli::Cli::parse())
}
