//! The `reddwarf` program: command line, configuration, certificates, and the wiring of the
//! crates into one process. Logic lives in the crates.

pub mod bench;
pub mod certificates;
pub mod cli;
pub mod client;
pub mod config;
pub mod group;
pub mod hollow;
pub mod join;
pub mod kubeconfig;
pub mod logging;
pub mod pki;
pub mod server;

use std::path::PathBuf;

/// `$XDG_DATA_HOME/reddwarf`, or `~/.local/share/reddwarf`.
pub fn data_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")))?;
    Some(base.join("reddwarf"))
}
