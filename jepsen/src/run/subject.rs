//! Whom the clients talk to.

use super::RunError;
use super::plan::{Plan, Where};
use crate::client::{Credentials, Servers};
use crate::host::{Group, equip};
use std::sync::Arc;

/// The servers of a run; clones share them.
#[derive(Clone)]
pub struct Subject {
    /// The members that the run started; none of them when the servers are others'.
    pub group: Arc<Group>,
    /// All servers of now.
    pub servers: Servers,
    /// Who asks them.
    pub credentials: Credentials,
}

impl Subject {
    /// Starts the members, or takes the servers that are there.
    pub async fn open(plan: &Plan) -> Result<Subject, RunError> {
        match &plan.subject {
            Where::Own { hosts, nodes, programs } => {
                let out = std::path::absolute(&plan.out).map_err(RunError::file(&plan.out))?;
                let mut group = Group::lay_out(hosts.clone(), *nodes, &out, programs)?;
                let needs = plan.nemeses.iter().flat_map(|entry| entry.needs).copied();
                equip(&mut group, &needs.collect(), plan.seed)?;
                start(group).await
            }
            Where::Servers { endpoints, credentials, .. } => Ok(Subject {
                group: Arc::new(Group::strangers(credentials.clone())),
                servers: Servers::new(endpoints.clone()),
                credentials: credentials.clone(),
            }),
        }
    }

    /// Ends what the run started.
    pub async fn end(&self) {
        self.group.end().await;
    }
}

async fn start(group: Group) -> Result<Subject, RunError> {
    if let Err(error) = group.found().await {
        group.end().await;
        return Err(error.into());
    }
    let credentials = group.credentials()?;
    let servers = group.servers.clone();
    Ok(Subject { group: Arc::new(group), servers, credentials })
}
