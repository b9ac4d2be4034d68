//! The addresses of one network.

use std::net::Ipv4Addr;

/// A subnet `10.213.x.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet(pub u8);

/// Members have the addresses `.11` and up.
const FIRST_MEMBER: usize = 11;

impl Subnet {
    /// How many members have an address.
    pub const MEMBERS_MAX: usize = 64;
    /// The length of its prefix.
    pub const PREFIX: u8 = 24;

    /// The address of an end: `.1` is the clients', `.11` that of the first member.
    pub fn address(self, end: usize) -> Ipv4Addr {
        let last = if end == 0 { 1 } else { FIRST_MEMBER + end - 1 };
        Ipv4Addr::new(10, 213, self.0, last as u8)
    }

    /// Whose address this is, among `ends` ends.
    pub fn end(self, address: [u8; 4], ends: usize) -> Option<usize> {
        let [10, 213, x, last] = address else { return None };
        let end = match usize::from(last) {
            1 => 0,
            last => (last + 1).checked_sub(FIRST_MEMBER).filter(|end| *end > 0)?,
        };
        (x == self.0 && end < ends).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_found_by_its_address() {
        let subnet = Subnet(7);
        for end in 0..=Subnet::MEMBERS_MAX {
            let ends = Subnet::MEMBERS_MAX + 1;
            assert_eq!(subnet.end(subnet.address(end).octets(), ends), Some(end));
        }
        assert_eq!(subnet.address(1), Ipv4Addr::new(10, 213, 7, 11));
    }

    #[test]
    fn other_addresses_are_nobodys() {
        for other in [[10, 213, 8, 11], [10, 213, 7, 0], [10, 213, 7, 10], [224, 0, 0, 1]] {
            assert_eq!(Subnet(7).end(other, 6), None, "{other:?}");
        }
        assert_eq!(Subnet(7).end([10, 213, 7, 13], 3), None, "there are two members");
    }
}
