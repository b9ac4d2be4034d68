//! The `reddwarf` program.

use reddwarf_core::Build;
use std::process::ExitCode;

#[cfg(not(target_os = "illumos"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    reddwarf::main(Build::THIS)
}
