//! Members in network namespaces of their own: every fault of the network can be had.

use super::{HostError, Hosts, Launch, Place};
use crate::net::{NetError, Network};
use std::error::Error;
use std::iter::successors;
use std::sync::Arc;

/// The port of every member, each at its own address; that of the product's configuration.
const PORT: u16 = 6443;
/// What they are called.
const NAME: &str = "namespace";

/// Namespace hosts.
#[derive(Debug)]
pub struct Namespaces {
    places: Vec<Place>,
    network: Arc<Network>,
}

impl Namespaces {
    /// Makes a namespace for each of `nodes` members, named `n1`, `n2`, …; what happens to packets
    /// by chance follows from `seed`.
    ///
    /// # Errors
    /// [`HostError::Unavailable`], mostly without root's rights.
    pub fn create(nodes: usize, seed: u64) -> Result<Namespaces, HostError> {
        let names: Vec<String> = (1..=nodes).map(|number| format!("n{number}")).collect();
        let network = Network::create(&names, seed).map_err(unavailable)?;
        let places = names.iter().map(|name| place(&network, name)).collect::<Result<_, _>>();
        Ok(Namespaces { places: places.map_err(unavailable)?, network: Arc::new(network) })
    }
}

fn place(network: &Network, name: &str) -> Result<Place, NetError> {
    let prefix = network.namespace(name)?.prefix().into_iter().map(Into::into).collect();
    let launch = Launch { prefix, ..Launch::default() };
    Ok(Place { address: (network.address(name)?, PORT).into(), launch })
}

/// With its causes, for this is what tells the user what to do.
fn unavailable(error: NetError) -> HostError {
    let causes = successors(Some(&error as &dyn Error), |&error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    HostError::Unavailable { hosts: NAME, what: causes.join(": ") }
}

impl Hosts for Namespaces {
    fn name(&self) -> &'static str {
        NAME
    }

    fn places(&self) -> &[Place] {
        &self.places
    }

    fn network(&self) -> Option<Arc<Network>> {
        Some(self.network.clone())
    }
}
