//! Ranges of service addresses.

use rand::Rng as _;
use reddwarf_core::{Collection, View};
use serde_json::Value;
use std::net::Ipv4Addr;

/// A range of IPv4 addresses for services. The network's and the broadcast address are no part
/// of what is given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceRange {
    base: u32,
    /// Addresses in the range, the two that are not given away included.
    size: u32,
}

impl ServiceRange {
    /// Takes `a.b.c.d/n` with a prefix of 8 to 30 bits and no bit set after it.
    pub fn parse(cidr: &str) -> Option<Self> {
        let (address, prefix) = cidr.split_once('/')?;
        let base = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let prefix: u32 = prefix.parse().ok()?;
        if !(8..=30).contains(&prefix) {
            return None;
        }
        let size = 1 << (32 - prefix);
        (base % size == 0).then_some(ServiceRange { base, size })
    }

    /// The ranges of all `ServiceCIDR` objects that are not going away, in name order.
    pub fn all(view: &View) -> Vec<Self> {
        let ranges = Collection::new("networking.k8s.io", "servicecidrs");
        view.list(&ranges, None, None)
            .filter_map(|stored| serde_json::from_slice::<Value>(&stored.bytes).ok())
            .filter(|range| range["metadata"].get("deletionTimestamp").is_none())
            .flat_map(|range| range["spec"]["cidrs"].as_array().cloned().unwrap_or_default())
            .filter_map(|cidr| Self::parse(cidr.as_str()?))
            .collect()
    }

    /// The first address that is given away.
    pub fn first(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    /// Whether the address is one that is given away.
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(self.base);
        (1..self.size - 1).contains(&offset)
    }

    /// A free address by `taken`: a random one above the band that is left to addresses chosen
    /// by hand, one of that band when all above it are taken.
    pub fn pick(&self, taken: impl Fn(Ipv4Addr) -> bool) -> Option<Ipv4Addr> {
        let end = self.size - 1;
        let band = 1 + (self.size / 16).clamp(16, 256).min(end - 1);
        let start = rand::rng().random_range(0..end);
        let rotated = |from: u32, to: u32| {
            let len = to.saturating_sub(from);
            (0..len).map(move |i| from + (start % len.max(1) + i) % len.max(1))
        };
        rotated(band, end)
            .chain(rotated(1, band.min(end)))
            .map(|offset| Ipv4Addr::from(self.base + offset))
            .find(|address| !taken(*address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges() {
        let range = ServiceRange::parse("10.96.0.0/16").expect("a range");
        assert_eq!(range.first(), Ipv4Addr::new(10, 96, 0, 1));
        assert!(range.holds(Ipv4Addr::new(10, 96, 255, 254)));
        for outside in ["10.96.0.0", "10.96.255.255", "10.97.0.1", "192.0.2.1"] {
            assert!(!range.holds(outside.parse().expect("an address")), "{outside}");
        }
        for bad in ["10.96.0.1/16", "10.96.0.0", "x/16", "10.0.0.0/31", "::/64"] {
            assert_eq!(ServiceRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_address_is_given_away_once() {
        let range = ServiceRange::parse("10.0.0.0/27").expect("a range");
        let mut taken = BTreeSet::new();
        while let Some(address) = range.pick(|a| taken.contains(&a)) {
            assert!(range.holds(address) && taken.insert(address));
        }
        assert_eq!(taken.len(), 30);
    }

    #[test]
    fn the_lower_band_comes_last() {
        let range = ServiceRange::parse("10.0.0.0/24").expect("a range");
        for _ in 0..100 {
            let address = range.pick(|_| false).expect("free");
            assert!(address >= Ipv4Addr::new(10, 0, 0, 17), "{address}");
        }
    }
}
