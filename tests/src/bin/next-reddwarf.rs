//! The `reddwarf` program as the next version might be: of this source, but it supports one more
//! feature level, and no longer the ones before this source's newest. With it the upgrade of a group
//! is tested without building a second version.

use reddwarf_core::{Build, FeatureLevels};
use std::process::ExitCode;

fn main() -> ExitCode {
    let oldest = FeatureLevels::OF_THIS_BUILD.newest;
    let levels = FeatureLevels { oldest, newest: oldest.next() };
    let version = concat!(env!("CARGO_PKG_VERSION"), "+next");
    reddwarf::main(Build { version, levels })
}
