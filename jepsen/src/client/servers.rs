//! The servers that clients may ask; who they are may change while clients act.

use super::Endpoint;
use parking_lot::RwLock;
use std::sync::Arc;

/// Servers by their place; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Servers(Arc<RwLock<Vec<Endpoint>>>);

impl Servers {
    /// These, for now.
    pub fn new(endpoints: Vec<Endpoint>) -> Servers {
        Servers(Arc::new(RwLock::new(endpoints)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.read().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    /// The one at a place; places go round, so that whoever had one that is no more has another.
    ///
    /// # Panics
    /// When there is none.
    pub fn at(&self, place: usize) -> Endpoint {
        let servers = self.0.read();
        servers[place % servers.len()].clone()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Endpoint> {
        self.0.read().clone()
    }

    /// Others, from now on.
    pub fn replace(&self, endpoints: Vec<Endpoint>) {
        *self.0.write() = endpoints;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(names: &[&str]) -> Vec<Endpoint> {
        let one = |name: &&str| Endpoint { name: (*name).into(), address: "h:1".into() };
        names.iter().map(one).collect()
    }

    #[test]
    fn a_place_that_is_no_more_is_another_server() {
        let all = Servers::new(servers(&["a", "b", "c"]));
        let shared = all.clone();
        shared.replace(servers(&["a", "b"]));
        assert_eq!((all.len(), all.at(2).name.as_str(), all.at(1).name.as_str()), (2, "a", "b"));
    }
}
