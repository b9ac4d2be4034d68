//! Members on this machine's loopback addresses: no privileges needed, and no faults of the
//! network.

use super::{HostError, Hosts, Launch, Place};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

/// Below those that systems give to outgoing connections: a member that is down must find its
/// port free when it comes back.
const PORTS: Range<u16> = 20_000..32_000;
/// How far apart the first ports of two runs may be.
const SPREAD: u16 = 10_000;

/// Loopback hosts.
#[derive(Debug)]
pub struct Loopback {
    places: Vec<Place>,
}

impl Loopback {
    /// Finds a free port for each of `nodes` members.
    ///
    /// # Errors
    /// [`HostError::Unavailable`]
    pub fn find(nodes: usize) -> Result<Loopback, HostError> {
        // Runs side by side begin at different ports.
        let first = PORTS.start + (std::process::id() % u32::from(SPREAD)) as u16;
        let ports = (first..PORTS.end).chain(PORTS.start..first).map(at);
        let free = ports.filter(|address| TcpListener::bind(address).is_ok());
        let places: Vec<Place> =
            free.take(nodes).map(|address| Place { address, launch: Launch::default() }).collect();
        if places.len() < nodes {
            let what = format!("of {PORTS:?} fewer than {nodes} ports are free");
            return Err(HostError::Unavailable { hosts: "loopback", what });
        }
        Ok(Loopback { places })
    }
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

impl Hosts for Loopback {
    fn name(&self) -> &'static str {
        "loopback"
    }

    fn places(&self) -> &[Place] {
        &self.places
    }
}
