//! Whom the clients talk to.

use super::RunError;
use super::plan::{Plan, Where};
use crate::client::{Credentials, Endpoint};
use crate::clock;
use crate::disk;
use crate::host::{Group, Member};
use crate::nemesis::Need;
use std::sync::Arc;

/// The servers of a run; clones share them.
#[derive(Clone)]
pub struct Subject {
    /// The members that the run started; none of them when the servers are others'.
    pub group: Arc<Group>,
    /// All servers.
    pub endpoints: Vec<Endpoint>,
    /// Who asks them.
    pub credentials: Credentials,
}

impl Subject {
    /// Starts the members, or takes the servers that are there.
    pub async fn open(plan: &Plan) -> Result<Subject, RunError> {
        match &plan.subject {
            Where::Own { hosts, program } => {
                let mut group = Group::lay_out(hosts.clone(), &plan.out, program)?;
                equip(&mut group, plan)?;
                start(group).await
            }
            Where::Servers { endpoints, credentials, .. } => Ok(Subject {
                group: Arc::new(Group::strangers(credentials.clone())),
                endpoints: endpoints.clone(),
                credentials: credentials.clone(),
            }),
        }
    }

    /// Ends what the run started.
    pub async fn end(&self) {
        self.group.end().await;
    }
}

/// Gives the members what the run's nemeses act on.
fn equip(group: &mut Group, plan: &Plan) -> Result<(), RunError> {
    let needed = |need| plan.nemeses.iter().any(|entry| entry.needs.contains(&need));
    if needed(Need::Disk) {
        disk::lay(group, plan.seed, needed(Need::Room))?;
    }
    if needed(Need::Clock) {
        clock::lay(group)?;
    }
    Ok(())
}

async fn start(group: Group) -> Result<Subject, RunError> {
    if let Err(error) = group.found().await {
        group.end().await;
        return Err(error.into());
    }
    let endpoint = |member: &Member| Endpoint {
        name: member.name.clone(),
        address: member.address.to_string(),
    };
    let endpoints = group.members.iter().map(endpoint).collect();
    let credentials = group.credentials()?;
    Ok(Subject { group: Arc::new(group), endpoints, credentials })
}
