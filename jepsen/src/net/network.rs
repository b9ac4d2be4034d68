//! A network of members and clients, made and removed as one.

use super::device;
use super::fabric::{End, Fabric};
use super::namespace::{self, Namespace};
use super::subnet::Subnet;
use super::switch::Switch;
use super::{Counters, Grudge, Line, NetError, Rules};
use std::net::Ipv4Addr;
use std::time::Instant;

/// The name of the end where clients are: the namespace of this process.
pub const CLIENTS: &str = "clients";

/// Members in namespaces of their own, clients outside, and a switch between them.
///
/// Dropping it removes all of it. Members should have ended before: they would stay without a
/// network. What a killed run leaves is removed when the next network is made.
#[derive(Debug)]
pub struct Network {
    subnet: Subnet,
    names: Vec<String>,
    /// Goes before the namespaces, whose devices it holds.
    switch: Switch,
    namespaces: Vec<Namespace>,
}

impl Network {
    /// Makes one in which everything passes.
    ///
    /// # Errors
    /// Without the rights to make namespaces and TUN devices (root has them), without iproute2, or
    /// on a kernel without them.
    pub fn create(members: &[String], seed: u64) -> Result<Network, NetError> {
        if members.len() > Subnet::MEMBERS_MAX {
            return Err(NetError::TooMany { members: members.len(), max: Subnet::MEMBERS_MAX });
        }
        namespace::remove_stale();
        let (clients, subnet) = device::open_free()?;
        let mut devices = vec![clients];
        let mut namespaces = Vec::new();
        for (at, member) in members.iter().enumerate() {
            let namespace = Namespace::create(member)?;
            let open = || device::open("jepsen", subnet.address(at + 1));
            devices.push(namespace.within(open)?);
            namespaces.push(namespace);
        }
        let switch = Switch::start(devices, subnet, Fabric::new(members.len() + 1, seed))?;
        let names = std::iter::once(CLIENTS.to_owned()).chain(members.iter().cloned()).collect();
        Ok(Network { subnet, names, switch, namespaces })
    }

    /// The members' names.
    pub fn members(&self) -> &[String] {
        &self.names[1..]
    }

    /// An end's address.
    ///
    /// # Errors
    /// [`NetError::UnknownEnd`]
    pub fn address(&self, name: &str) -> Result<Ipv4Addr, NetError> {
        Ok(self.subnet.address(self.end(name)?))
    }

    /// Where a member runs.
    ///
    /// # Errors
    /// [`NetError::UnknownEnd`], also for the clients' end.
    pub fn namespace(&self, member: &str) -> Result<&Namespace, NetError> {
        let unknown = || NetError::UnknownEnd(member.to_owned());
        self.end(member)?.checked_sub(1).and_then(|at| self.namespaces.get(at)).ok_or_else(unknown)
    }

    /// All directed pairs of members.
    pub fn between_members(&self) -> Vec<Line> {
        pairs(self.members())
    }

    /// All directed pairs of ends.
    pub fn lines(&self) -> Vec<Line> {
        pairs(&self.names)
    }

    /// Cuts the lines of a grudge, besides those that are cut already.
    ///
    /// # Errors
    /// [`NetError::UnknownEnd`]
    pub fn cut(&self, grudge: &Grudge) -> Result<(), NetError> {
        self.change(grudge, |rules| rules.cut = true)
    }

    /// Changes the rules of some lines; no packet passes half of them changed.
    ///
    /// # Errors
    /// [`NetError::UnknownEnd`], and then nothing is changed.
    pub fn change<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a Line>,
        change: impl Fn(&mut Rules),
    ) -> Result<(), NetError> {
        let lines = self.ends(lines)?;
        self.switch.with(|fabric| {
            for (from, to) in lines {
                let mut rules = fabric.rules(from, to);
                change(&mut rules);
                fabric.set_rules(from, to, rules, Instant::now());
            }
        });
        Ok(())
    }

    /// Lets everything pass everywhere.
    pub fn heal(&self) {
        self.switch.with(|fabric| {
            for (from, to) in (0..self.names.len())
                .flat_map(|from| (0..self.names.len()).map(move |to| (from, to)))
            {
                fabric.set_rules(from, to, Rules::default(), Instant::now());
            }
        });
    }

    /// What happened on some lines together, since the network was made.
    ///
    /// # Errors
    /// [`NetError::UnknownEnd`]
    pub fn counters<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a Line>,
    ) -> Result<Counters, NetError> {
        let lines = self.ends(lines)?;
        let sum = |fabric: &mut Fabric| {
            lines.into_iter().map(|(from, to)| fabric.counters(from, to)).sum()
        };
        Ok(self.switch.with(sum))
    }

    fn ends<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a Line>,
    ) -> Result<Vec<(End, End)>, NetError> {
        let both = |line: &Line| Ok((self.end(&line.from)?, self.end(&line.to)?));
        lines.into_iter().map(both).collect()
    }

    fn end(&self, name: &str) -> Result<End, NetError> {
        let unknown = || NetError::UnknownEnd(name.to_owned());
        self.names.iter().position(|known| known == name).ok_or_else(unknown)
    }
}

fn pairs(names: &[String]) -> Vec<Line> {
    let line = |from: &String, to: &String| Line { from: from.clone(), to: to.clone() };
    let from = |from| names.iter().filter(move |to| *to != from).map(move |to| line(from, to));
    names.iter().flat_map(from).collect()
}
