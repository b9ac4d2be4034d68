//! The `reddwarf` program.

use clap::Parser;

#[cfg(not(target_os = "illumos"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> miette::Result<()> {
    reddwarf::cli::run(reddwarf::cli::Cli::parse())
}
