//! From arguments to a plan.

use super::arguments::{HostsArgument, RunArguments};
use crate::client::{Call, Client, Credentials, Endpoint, Pem};
use crate::host::{self, HostsWanted};
use crate::nemesis::{self, Need};
use crate::run::{Plan, Program, Where, build};
use crate::workload;
use jiff::Zoned;
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// Names of nemeses, and why they cannot act.
type LeftOut = Vec<(&'static str, String)>;

/// Places for members that join while the group runs.
const VACANT_PLACES: usize = 2;
/// How long a server may take to tell its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// What the run is to do. Builds the program when none is given.
pub async fn plan(arguments: RunArguments) -> Result<Plan> {
    let seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let workloads = workload::find(&arguments.workload).into_diagnostic()?;
    let subject = subject(&arguments, seed).await?;
    if let (Where::Servers { .. }, Some(entry)) =
        (&subject, workloads.iter().find(|entry| !entry.any_server))
    {
        return Err(miette!("the workload {} runs only on members of its own", entry.name));
    }
    let (nemeses, left_out) = nemeses(&arguments.nemesis, &subject)?;
    let out = arguments.out.unwrap_or_else(|| folder(&arguments.workload, seed));
    Ok(Plan {
        version: version(&subject).await?,
        subject,
        workloads,
        nemeses,
        left_out,
        time: Duration::from_secs(arguments.time),
        seed,
        rate: arguments.rate,
        ok_per_second_min: arguments.rate_min.unwrap_or(arguments.rate / 10.0),
        concurrency: arguments.concurrency.into(),
        timeout: Duration::from_millis(arguments.timeout_ms),
        out,
    })
}

/// `jepsen/runs/<time>-<workload>-<seed>`, in the source tree when jepsen runs there.
fn folder(workloads: &[String], seed: u64) -> PathBuf {
    let runs = if Path::new("jepsen/Cargo.toml").is_file() { "jepsen/runs" } else { "runs" };
    let now = Zoned::now().strftime("%Y%m%dT%H%M%S").to_string();
    Path::new(runs).join(format!("{now}-{}-{seed}", workloads.join("+")))
}

async fn subject(arguments: &RunArguments, seed: u64) -> Result<Where> {
    if !arguments.server.is_empty() {
        return servers(arguments);
    }
    let mut programs = vec![match &arguments.binary {
        Some(program) => std::path::absolute(program).into_diagnostic()?,
        None => build(Program::Product).await.into_diagnostic()?,
    }];
    if let Some(other) = &arguments.other_binary {
        programs.push(std::path::absolute(other).into_diagnostic()?);
    }
    let wanted = match arguments.hosts {
        HostsArgument::Any => HostsWanted::Any,
        HostsArgument::Namespace => HostsWanted::Namespaces,
        HostsArgument::Loopback => HostsWanted::Loopback,
    };
    let nodes = usize::from(arguments.nodes);
    let wanting = nemesis::find(&arguments.nemesis).into_diagnostic()?;
    let more = wanting.iter().any(|entry| entry.needs.contains(&Need::Vacancy));
    let places = nodes + if more { VACANT_PLACES } else { 0 };
    let hosts = host::choose(wanted, places, seed).into_diagnostic()?;
    Ok(Where::Own { hosts, nodes, programs })
}

/// What the subject says that it is.
async fn version(subject: &Where) -> Result<String> {
    match subject {
        Where::Own { programs, .. } => {
            let mut versions = Vec::new();
            for program in programs {
                let output = Command::new(program).arg("--version").output().await;
                let output = output
                    .into_diagnostic()
                    .wrap_err_with(|| format!("cannot run {}", program.display()))?;
                versions.push(String::from_utf8_lossy(&output.stdout).trim().to_owned());
            }
            Ok(versions.join(" and "))
        }
        Where::Servers { endpoints, credentials, .. } => {
            let Some(first) = endpoints.first() else { return Ok(String::new()) };
            let mut client = Client::new(first.clone(), credentials, VERSION_TIMEOUT);
            let answer = client.send(Call::get("/version")).await.into_diagnostic()?;
            let version = answer.json().unwrap_or_default();
            Ok(version["gitVersion"].as_str().unwrap_or("unknown").to_owned())
        }
    }
}

fn servers(arguments: &RunArguments) -> Result<Where> {
    let numbered = arguments.server.iter().enumerate();
    let endpoint = |(at, url): (usize, &String)| {
        let address = url.strip_prefix("https://").map(|rest| rest.trim_end_matches('/'));
        let address = address.filter(|address| !address.contains('/') && !address.is_empty());
        let address = address.ok_or_else(|| miette!("{url} is not https://host:port"))?;
        let port = if address.contains(':') { "" } else { ":443" };
        Ok(Endpoint { name: format!("n{}", at + 1), address: format!("{address}{port}") })
    };
    let endpoints = numbered.map(endpoint).collect::<Result<Vec<_>>>()?;
    let pem = Pem {
        authority: arguments.ca.as_deref().map(read).transpose()?.unwrap_or_default(),
        identity: match (&arguments.cert, &arguments.key) {
            (Some(cert), Some(key)) => Some((read(cert)?, read(key)?)),
            _ => None,
        },
        token: arguments.token.clone(),
    };
    let credentials = Credentials::new(&pem).into_diagnostic()?;
    let command = arguments.nemesis_command.as_deref().and_then(|pair| match pair {
        [begin, end] => Some((begin.clone(), end.clone())),
        _ => None,
    });
    Ok(Where::Servers { endpoints, credentials, command })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {}", path.display()))
}

/// The nemeses that can act here, and those of `all` that cannot. One that was named and cannot
/// is an error.
fn nemeses(names: &[String], subject: &Where) -> Result<(Vec<nemesis::Entry>, LeftOut)> {
    let found = nemesis::find(names).into_diagnostic()?;
    let lacking = |entry: &nemesis::Entry| -> Option<String> {
        entry.needs.iter().find_map(|need| match subject {
            Where::Own { hosts, .. } => host::lacking(*need, hosts.as_ref()),
            Where::Servers { .. } => Some(format!("it needs {}", Need::Processes.name())),
        })
    };
    let (can, cannot): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|entry| lacking(entry).is_none());
    let cannot: Vec<(&'static str, String)> =
        cannot.iter().filter_map(|entry| Some((entry.name, lacking(entry)?))).collect();
    if let Some((name, why)) = cannot.iter().find(|(name, _)| names.iter().any(|n| n == name)) {
        return Err(miette!("the nemesis {name} cannot act here: {why}"));
    }
    Ok((can, cannot))
}
