//! What a run is to do.

use crate::client::{Credentials, Endpoint};
use crate::history::{Edn, value};
use crate::host::Hosts;
use crate::nemesis;
use crate::workload;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Whom the run is about.
#[derive(Clone)]
pub enum Where {
    /// Members that the run starts.
    Own {
        /// Where, one each, and for those that join meanwhile.
        hosts: Arc<dyn Hosts>,
        /// How many there are at first.
        nodes: usize,
        /// The `reddwarf` program, and another build of it, if there is one.
        programs: Vec<PathBuf>,
    },
    /// Servers that run already.
    Servers {
        /// Them.
        endpoints: Vec<Endpoint>,
        /// Who asks them.
        credentials: Credentials,
        /// What is run to begin and to end a fault.
        command: Option<(String, String)>,
    },
}

/// What a run is to do.
#[derive(Clone)]
pub struct Plan {
    /// Whom the run is about.
    pub subject: Where,
    /// What the subject says that it is.
    pub version: String,
    /// What clients do.
    pub workloads: Vec<workload::Entry>,
    /// Which faults are made.
    pub nemeses: Vec<nemesis::Entry>,
    /// Faults that were asked for with `all` and cannot be made here, and why.
    pub left_out: Vec<(&'static str, String)>,
    /// How long faults are made.
    pub time: Duration,
    /// What all choices come from.
    pub seed: u64,
    /// Operations that begin in a second, of all workloads; 0 is as many as can be.
    pub rate: f64,
    /// Operations that must have succeeded in a second for the run to count.
    pub ok_per_second_min: f64,
    /// Clients of each workload.
    pub concurrency: usize,
    /// How long an operation may take.
    pub timeout: Duration,
    /// Where everything is written.
    pub out: PathBuf,
}

impl Plan {
    /// A name for what the run makes, the same for no two runs at a time.
    pub fn label(&self) -> String {
        format!("{}-{:x}", self.seed, std::process::id())
    }

    /// How many members there are.
    pub fn nodes(&self) -> usize {
        match &self.subject {
            Where::Own { nodes, .. } => *nodes,
            Where::Servers { endpoints, .. } => endpoints.len(),
        }
    }

    /// The names of the faults' lines.
    pub fn faults(&self) -> Vec<&'static str> {
        let command = matches!(&self.subject, Where::Servers { command: Some(_), .. });
        let own = self.nemeses.iter().map(|entry| entry.name);
        own.chain(command.then_some(nemesis::COMMAND)).collect()
    }

    /// As `test.edn` tells it.
    pub fn to_edn(&self, hosts: &str) -> Edn {
        let names = |names: Vec<&str>| Edn::Vector(names.into_iter().map(value::keyword).collect());
        value::map([
            ("jepsen", value::text(env!("CARGO_PKG_VERSION"))),
            ("subject", value::text(&self.version)),
            ("nodes", value::number(self.nodes() as u64)),
            ("hosts", value::text(hosts)),
            ("workloads", names(self.workloads.iter().map(|entry| entry.name).collect())),
            ("nemeses", names(self.faults())),
            ("left-out", names(self.left_out.iter().map(|(name, _)| *name).collect())),
            ("time-seconds", value::number(self.time.as_secs())),
            ("seed", value::number(self.seed)),
            ("rate-per-second", Edn::Double(self.rate.into())),
            ("concurrency", value::number(self.concurrency as u64)),
            ("ok-per-second-min", Edn::Double(self.ok_per_second_min.into())),
            ("timeout-ms", value::number(self.timeout.as_millis() as u64)),
        ])
    }
}
