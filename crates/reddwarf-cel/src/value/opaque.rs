//! Values of libraries.

use crate::types::Type;
use reddwarf_core::quantity::Quantity;
use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

/// A value of a library.
#[derive(Clone, Debug)]
pub enum Opaque {
    /// An amount.
    Quantity(Quantity),
    /// An address of something.
    Url(Url),
    /// An address of a host.
    Ip(IpAddr),
    /// A range of addresses: one of them, and the bits that all have.
    Cidr(IpAddr, u8),
    /// A version.
    Version(SemanticVersion),
    /// The name of a format of texts.
    Format(&'static str),
}

/// The parts of a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// The whole.
    pub text: String,
    /// `https`.
    pub scheme: String,
    /// The host with its port.
    pub host: String,
    /// The path, still escaped.
    pub path: String,
    /// What follows `?`.
    pub query: String,
}

/// A version in three numbers, with what comes after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SemanticVersion {
    /// Major, minor and patch.
    pub numbers: [u64; 3],
    /// The parts of what follows `-`.
    pub pre: Vec<String>,
    /// What follows `+`.
    pub build: String,
}

impl SemanticVersion {
    /// The order of versions; what follows `+` does not count.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.len(), other.pre.len()) {
            (0, 0) => Ordering::Equal,
            (0, _) => Ordering::Greater,
            (_, 0) => Ordering::Less,
            (a, b) => {
                let parts = self.pre.iter().zip(&other.pre).map(|(a, b)| compare_part(a, b));
                parts.fold(Ordering::Equal, Ordering::then).then(a.cmp(&b))
            }
        })
    }
}

fn compare_part(a: &str, b: &str) -> Ordering {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

impl Opaque {
    pub(super) fn type_of(&self) -> Type {
        let object = |name: &str| Type::Struct(Arc::from(name));
        let opaque = |name: &str| Type::Opaque(name.into(), [].into());
        match self {
            Opaque::Quantity(_) => object("kubernetes.Quantity"),
            Opaque::Url(_) => object("kubernetes.URL"),
            Opaque::Ip(_) => opaque("net.IP"),
            Opaque::Cidr(..) => opaque("net.CIDR"),
            Opaque::Version(_) => object("kubernetes.Semver"),
            Opaque::Format(_) => object("kubernetes.NamedFormat"),
        }
    }

    /// Bytes of an address; anything else counts as one.
    pub(super) fn size(&self) -> u64 {
        match self {
            Opaque::Ip(IpAddr::V4(_)) => 4,
            Opaque::Ip(IpAddr::V6(_)) => 16,
            Opaque::Cidr(_, bits) => u64::from(bits.div_ceil(8)),
            _ => 1,
        }
    }

    /// Whether two values of the same type are the same.
    pub(super) fn equals(&self, other: &Opaque) -> Option<bool> {
        match (self, other) {
            (Opaque::Quantity(a), Opaque::Quantity(b)) => Some(a == b),
            (Opaque::Url(a), Opaque::Url(b)) => Some(a == b),
            (Opaque::Ip(a), Opaque::Ip(b)) => Some(a == b),
            (Opaque::Cidr(a, i), Opaque::Cidr(b, j)) => Some(a == b && i == j),
            (Opaque::Version(a), Opaque::Version(b)) => Some(a.compare(b).is_eq()),
            (Opaque::Format(a), Opaque::Format(b)) => Some(a == b),
            _ => None,
        }
    }
}
