//! The hosts of a run.

use super::{HostError, Hosts, Loopback, Namespaces};
use std::sync::Arc;

/// Where members are to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostsWanted {
    /// In namespaces where they can be made, else on loopback.
    Any,
    /// In namespaces.
    Namespaces,
    /// On loopback addresses.
    Loopback,
}

/// Hosts for so many members. Falling back to loopback, which knows no faults of the network, is
/// told in the log.
///
/// # Errors
/// [`HostError::Unavailable`]
pub fn choose(wanted: HostsWanted, nodes: usize, seed: u64) -> Result<Arc<dyn Hosts>, HostError> {
    match wanted {
        HostsWanted::Loopback => Ok(Arc::new(Loopback::find(nodes)?)),
        HostsWanted::Namespaces => Ok(Arc::new(Namespaces::create(nodes, seed)?)),
        HostsWanted::Any => match Namespaces::create(nodes, seed) {
            Ok(hosts) => Ok(Arc::new(hosts)),
            Err(error) => {
                tracing::warn!("{error}; members run on loopback, without faults of the network");
                Ok(Arc::new(Loopback::find(nodes)?))
            }
        },
    }
}
