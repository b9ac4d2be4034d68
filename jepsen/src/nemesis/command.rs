//! A fault made by commands that the user gives, on servers that jepsen did not start.

use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::{Edn, value};
use crate::host::Group;
use async_trait::async_trait;
use rand::Rng as _;
use std::time::Duration;
use tokio::process::Command;

/// What its lines are called.
pub const COMMAND: &str = "command";
/// How long the fault lasts, in milliseconds.
const HOLD_MS: std::ops::Range<u64> = 2_000..8_000;
/// How long a command may run.
const RUN_TIMEOUT: Duration = Duration::from_secs(60);
/// Characters of its output that are kept as evidence.
const OUTPUT_MAX: usize = 400;

/// A nemesis that runs `begin` and `end` with `sh -c`.
pub fn command(begin: &str, end: &str) -> Box<dyn Nemesis> {
    Box::new(Commands { begin: begin.to_owned(), end: end.to_owned() })
}

struct Commands {
    begin: String,
    end: String,
}

#[async_trait]
impl Nemesis for Commands {
    async fn begin(&mut self, _: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let evidence = run(&self.begin).await?;
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        Ok(Fault::new(Vec::new(), hold, evidence))
    }

    async fn end(&mut self, _: &Group) -> Result<Edn, NemesisError> {
        run(&self.end).await
    }
}

/// A command's exit and output are all the evidence there is.
async fn run(command: &str) -> Result<Edn, NemesisError> {
    let mut process = Command::new("sh");
    let output = process.args(["-c", command]).kill_on_drop(true).output();
    let output = tokio::time::timeout(RUN_TIMEOUT, output)
        .await
        .map_err(NemesisError::failed(format!("run {command:?} in time")))?
        .map_err(NemesisError::failed(format!("run {command:?}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let what = format!("{command:?} ended with {}: {}", output.status, said.trim());
        return Err(NemesisError::NoEvidence(what));
    }
    let said: String =
        String::from_utf8_lossy(&output.stdout).trim().chars().take(OUTPUT_MAX).collect();
    Ok(value::map([("exit", Edn::Int(0)), ("output", value::text(said))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_that_fails_is_no_evidence() {
        let told = run("echo cut").await.expect("it runs");
        assert_eq!(told.to_string(), "{:exit 0, :output \"cut\"}");
        let error = run("echo why >&2; false").await.expect_err("it fails").to_string();
        assert!(error.ends_with("exit status: 1: why"), "{error}");
    }
}
