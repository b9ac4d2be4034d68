//! Lines whose rules a fault has changed, and what has happened on them since.

use super::NemesisError;
use crate::history::{Edn, value};
use crate::host::Group;
use crate::net::{Counters, Line, NetError, Network, Rules};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long it may take until the fault has met a packet. Members greet each other several times a
/// second.
const EVIDENCE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the counters are looked at; nothing tells when they change.
const POLL: Duration = Duration::from_millis(5);

/// One of the counters, and what it is called.
pub type Count = (&'static str, fn(&Counters) -> u64);

/// Lines whose rules a fault has changed.
#[derive(Debug)]
pub struct Changed {
    network: Arc<Network>,
    lines: Vec<Line>,
    before: Counters,
    count: Count,
}

impl Changed {
    /// Changes the rules of some lines of the group's network.
    ///
    /// # Errors
    /// [`NemesisError::Lacking`] without a network.
    pub fn begin(
        group: &Group,
        lines: Vec<Line>,
        count: Count,
        change: impl Fn(&mut Rules),
    ) -> Result<Changed, NemesisError> {
        let network = network(group)?.clone();
        let before = network.counters(&lines).map_err(failed)?;
        network.change(&lines, change).map_err(failed)?;
        Ok(Changed { network, lines, before, count })
    }

    /// Waits until the fault has met a packet.
    ///
    /// # Errors
    /// [`NemesisError::NoEvidence`] when it meets none in time.
    pub async fn evidence(&self) -> Result<Edn, NemesisError> {
        let deadline = Instant::now() + EVIDENCE_TIMEOUT;
        let (name, count) = self.count;
        while count(&self.since()?) == 0 {
            if Instant::now() > deadline {
                return Err(NemesisError::NoEvidence(format!("no packet was {name}")));
            }
            tokio::time::sleep(POLL).await;
        }
        self.shown()
    }

    /// Changes the rules again, and tells what happened meanwhile.
    ///
    /// # Errors
    /// [`NemesisError::Failed`]
    pub fn end(self, change: impl Fn(&mut Rules)) -> Result<Edn, NemesisError> {
        self.network.change(&self.lines, change).map_err(failed)?;
        self.shown()
    }

    fn since(&self) -> Result<Counters, NemesisError> {
        Ok(self.network.counters(&self.lines).map_err(failed)? - self.before)
    }

    fn shown(&self) -> Result<Edn, NemesisError> {
        let since = self.since()?;
        let (name, count) = self.count;
        let shown = [(name, count(&since)), ("passed", since.passed)];
        let shown = shown.map(|(name, count)| (name.to_owned(), value::number(count)));
        Ok(value::map_of(BTreeMap::from(shown)))
    }
}

/// The group's network.
pub fn network(group: &Group) -> Result<&Arc<Network>, NemesisError> {
    group.network.as_ref().ok_or(NemesisError::Lacking("network"))
}

fn failed(error: NetError) -> NemesisError {
    NemesisError::failed("change the network")(error)
}
