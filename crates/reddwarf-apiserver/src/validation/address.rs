//! IP addresses and ranges of them, as strictly as upstream reads them.
//!
//! Upstream parses sloppily, as it always has, and then says what a strict reader would not
//! take: leading zeros, IPv4 addresses in IPv6 clothes, host bits in a range.

use super::{ErrorList, FieldError, FieldPath};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NO_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NO_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
const NO_INTERFACE: &str =
    "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address as written, host bits included.
    pub ip: IpAddr,
    /// Bits of the network.
    pub prefix: u8,
}

impl Cidr {
    /// Reads a range as sloppily as upstream does.
    pub fn sloppy(text: &str) -> Option<Cidr> {
        let (ip, prefix) = text.split_once('/')?;
        let ip = sloppy_ip(ip)?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|p| digits && *p <= bits(ip))?;
        Some(Cidr { ip, prefix })
    }

    /// The first address of the network.
    pub fn network(self) -> IpAddr {
        match self.ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or_default();
                Ipv4Addr::from(u32::from(ip) & mask).into()
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or_default();
                Ipv6Addr::from(u128::from(ip) & mask).into()
            }
        }
    }

    /// Whether an address is in the network.
    pub fn contains(self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.ip.is_ipv4() && Cidr { ip, ..self }.network() == self.network()
    }
}

fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// An address whose IPv4 numbers may have leading zeros.
pub fn sloppy_ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok();
    }
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next().filter(|p| p.bytes().all(|b| b.is_ascii_digit()))?;
        *octet = part.parse().ok()?;
    }
    parts.next().is_none().then(|| IpAddr::from(octets))
}

fn is_mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some())
}

/// What is wrong with an address that need not be in canonical form.
pub fn ip_problem(text: &str) -> Option<&'static str> {
    let Some(ip) = sloppy_ip(text) else { return Some(NO_IP) };
    if text.parse::<IpAddr>().is_err() {
        return Some("must not have leading 0s");
    }
    is_mapped(ip).then_some("must not be an IPv4-mapped IPv6 address")
}

/// Checks an address of a field that is older than canonical forms.
pub fn ip(text: &str, path: &FieldPath) -> Option<FieldError> {
    ip_problem(text).map(|detail| FieldError::invalid(path.clone(), text, detail))
}

/// What is wrong with an address that must be in canonical form.
pub fn canonical_ip(text: &str) -> Vec<String> {
    if let Some(problem) = ip_problem(text) {
        return vec![problem.to_owned()];
    }
    match text.parse::<IpAddr>() {
        Ok(ip) if ip.to_string() != text => vec![format!("must be in canonical form (\"{ip}\")")],
        _ => Vec::new(),
    }
}

/// Checks a range of a field that is older than canonical forms.
pub fn cidr(text: &str, path: &FieldPath) -> Option<FieldError> {
    cidr_problem(text).map(|detail| FieldError::invalid(path.clone(), text, detail))
}

fn cidr_problem(text: &str) -> Option<&'static str> {
    let Some(cidr) = Cidr::sloppy(text) else { return Some(NO_CIDR) };
    let (ip, prefix) = text.split_once('/').unwrap_or_default();
    if ip.parse::<IpAddr>().is_err() || (prefix.len() > 1 && prefix.starts_with('0')) {
        Some("must not have leading 0s in IP or prefix length")
    } else if is_mapped(cidr.ip) {
        Some("must not have an IPv4-mapped IPv6 address")
    } else if cidr.ip != cidr.network() {
        Some("must not have bits set beyond the prefix length")
    } else {
        None
    }
}

/// Checks a range that must be in canonical form.
pub fn canonical_cidr(text: &str, path: &FieldPath) -> ErrorList {
    if let Some(error) = cidr(text, path) {
        return vec![error];
    }
    canonical(text, path)
}

/// Checks the address of an interface with the length of its network's prefix.
pub fn interface(text: &str, path: &FieldPath) -> ErrorList {
    if Cidr::sloppy(text).is_none() {
        return vec![FieldError::invalid(path.clone(), text, NO_INTERFACE)];
    }
    canonical(text, path)
}

fn canonical(text: &str, path: &FieldPath) -> ErrorList {
    let Some(Cidr { ip, prefix }) = Cidr::sloppy(text) else { return ErrorList::new() };
    let form = format!("{ip}/{prefix}");
    if form == text {
        return ErrorList::new();
    }
    let detail = format!("must be in canonical form ({form:?})");
    vec![FieldError::invalid(path.clone(), text, detail)]
}

/// A warning about a valid address that is not in canonical form.
pub fn ip_warning(text: &str, path: &FieldPath) -> Option<String> {
    let IpAddr::V6(ip) = text.parse().ok()? else { return None };
    (ip.to_string() != text).then(|| {
        format!("{path}: IPv6 address {text:?} should be in RFC 5952 canonical format (\"{ip}\")")
    })
}

/// A warning about a valid range that is not in canonical form.
pub fn cidr_warning(text: &str, path: &FieldPath) -> Option<String> {
    let Cidr { ip, prefix } = Cidr::sloppy(text).filter(|cidr| cidr.ip.is_ipv6())?;
    let form = format!("{ip}/{prefix}");
    (form != text && cidr_problem(text).is_none()).then(|| {
        format!(
            "{path}: IPv6 CIDR value {text:?} should be in RFC 5952 canonical format ({form:?})"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_sloppily() {
        let range = Cidr::sloppy("010.1.2.3/08").expect("a range");
        assert_eq!(range.network(), IpAddr::from([10, 0, 0, 0]));
        assert!(range.contains(IpAddr::from([10, 9, 9, 9])));
        assert!(!range.contains("2001:db8::1".parse().expect("an address")));
        let all = Cidr::sloppy("0.0.0.0/0").expect("a range");
        assert!(all.contains(IpAddr::from([255, 1, 1, 1])));
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/+8", "1..1.1/8", "::/129"]
        {
            assert_eq!(Cidr::sloppy(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_a_strict_reader_minds() {
        for (text, problem) in [
            ("10.0.0.0/8", None),
            ("10.0.0.1/8", Some("must not have bits set beyond the prefix length")),
            ("010.0.0.0/8", Some("must not have leading 0s in IP or prefix length")),
            ("10.0.0.0/08", Some("must not have leading 0s in IP or prefix length")),
            ("::ffff:10.0.0.0/120", Some("must not have an IPv4-mapped IPv6 address")),
            ("x", Some(NO_CIDR)),
        ] {
            assert_eq!(cidr_problem(text), problem, "{text}");
        }
        assert_eq!(ip_problem("1.2.3.04"), Some("must not have leading 0s"));
        assert_eq!(canonical_ip("2001:DB8::7"), ["must be in canonical form (\"2001:db8::7\")"]);
        assert_eq!(canonical_cidr("2001:DB8::/64", &FieldPath::new("c")).len(), 1);
    }
}
