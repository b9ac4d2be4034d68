//! The program under test, built when none is given.

use std::path::PathBuf;
use std::process::ExitStatus;
use tokio::process::Command;

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Cargo cannot be run.
    #[error("cannot run cargo to build reddwarf; --binary names one that is built")]
    Cargo(#[source] std::io::Error),
    /// It does not build.
    #[error("reddwarf does not build ({0})")]
    Build(ExitStatus),
    /// It was built and is not where it should be.
    #[error("there is no reddwarf at {}; --binary names one", .0.display())]
    Missing(PathBuf),
}

/// What members can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The product.
    Product,
    /// The product with a known mistake.
    Planted,
}

/// Builds a program beside this one; gives its path.
///
/// # Errors
/// [`ProgramError`]
pub async fn build(program: Program) -> Result<PathBuf, ProgramError> {
    let own = std::env::current_exe().map_err(ProgramError::Cargo)?;
    let (name, features): (_, &[&str]) = match program {
        Program::Product => ("reddwarf", &[]),
        Program::Planted => ("reddwarf-planted", &["--features", "planted-bugs"]),
    };
    let program = own.with_file_name(name);
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--package", "reddwarf", "--bin", name])
        .args(features)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .await
        .map_err(ProgramError::Cargo)?;
    if !status.success() {
        return Err(ProgramError::Build(status));
    }
    if program.is_file() { Ok(program) } else { Err(ProgramError::Missing(program)) }
}
