//! Kubeconfig files: written for the administrator, read by every client command.

mod file;
mod read;
mod write;

pub use read::{Endpoint, Kubeconfig, KubeconfigError};
pub use write::render;
