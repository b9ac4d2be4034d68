//! What a certificate says, as far as it matters here.

use super::Validity;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// The content of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Common name; empty when it has none.
    pub name: String,
    /// Organizations.
    pub groups: Vec<String>,
    /// Host names and addresses (subject alternative names).
    pub hosts: Vec<String>,
    /// When it is good.
    pub validity: Validity,
    /// Serial number, in hex.
    pub serial: String,
    /// SHA-256 of the whole certificate (DER), in hex.
    pub fingerprint: String,
}

impl Leaf {
    /// Reads a certificate (DER).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(der: &[u8]) -> Result<Leaf, String> {
        let (_, parsed) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        let time = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|error| error.to_string())
        };
        let (from, until) =
            (time(parsed.validity().not_before)?, time(parsed.validity().not_after)?);
        let subject = parsed.subject();
        let name = subject.iter_common_name().find_map(|name| name.as_str().ok());
        let groups = subject.iter_organization().filter_map(|group| group.as_str().ok());
        Ok(Leaf {
            name: name.unwrap_or_default().to_owned(),
            groups: groups.map(str::to_owned).collect(),
            hosts: hosts(&parsed),
            validity: Validity { from, until },
            serial: hex(parsed.raw_serial()),
            fingerprint: hex(&Sha256::digest(der)),
        })
    }

    /// Whether it has this organization.
    pub fn is_of(&self, group: &str) -> bool {
        self.groups.iter().any(|found| found == group)
    }

    /// The subject as people write it.
    pub fn subject(&self) -> String {
        let groups = self.groups.iter().map(|group| format!("O={group}, ")).collect::<String>();
        format!("{groups}CN={}", self.name)
    }
}

fn hosts(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let found = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            found.ok().map(|address| address.to_string())
        }
        _ => None,
    };
    names.value.general_names.iter().filter_map(name).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Authority, member};
    use x509_parser::pem::parse_x509_pem;

    #[test]
    fn what_was_asked_for_is_what_it_says() {
        let (authority, _) = Authority::create().expect("made");
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let validity =
            Validity { from: time("2026-03-04T05:06:07Z"), until: time("2026-03-05T00:00:00Z") };
        let subject = member("node-1", &["10.1.2.3".into()]);
        let issued = authority.issue_within(&subject, validity).expect("issued");
        let (_, pem) = parse_x509_pem(issued.certificate.as_bytes()).expect("PEM");
        let leaf = Leaf::of(&pem.contents).expect("read");
        assert_eq!((leaf.name.as_str(), leaf.validity), ("node-1", validity));
        assert_eq!(leaf.hosts, subject.hosts);
        assert_eq!(leaf.subject(), "O=reddwarf:members, CN=node-1");
        assert!(leaf.is_of("reddwarf:members") && leaf.fingerprint.len() == 64);
        Leaf::of(b"nothing").expect_err("no certificate");
    }
}
