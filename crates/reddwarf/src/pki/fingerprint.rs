//! The fingerprint by which an authority is recognized before there is any trust.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use x509_parser::pem::Pem;

/// `sha256:` and the hash, in hex, of the public key (SubjectPublicKeyInfo, DER) of the first
/// certificate in `pem`, as kubeadm has it; `None` when there is no certificate.
pub fn fingerprint(pem: &str) -> Option<String> {
    Pem::iter_from_buffer(pem.as_bytes()).flatten().find_map(|pem| of_certificate(&pem))
}

fn of_certificate(pem: &Pem) -> Option<String> {
    let certificate = pem.parse_x509().ok()?;
    let hash = Sha256::digest(certificate.tbs_certificate.subject_pki.raw);
    let mut text = "sha256:".to_owned();
    for byte in hash {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}

/// The DER of the certificate in `pem` that has this fingerprint.
pub fn with_fingerprint(pem: &str, wanted: &str) -> Option<Vec<u8>> {
    let mut found = Pem::iter_from_buffer(pem.as_bytes()).flatten();
    let same = |pem: &Pem| of_certificate(pem).is_some_and(|hash| hash == wanted.to_lowercase());
    found.find(same).map(|pem| pem.contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Authority;

    #[test]
    fn an_authority_is_found_among_others_by_its_fingerprint() {
        let pem = || Authority::create().expect("made").1.certificate;
        let (first, second) = (pem(), pem());
        let wanted = fingerprint(&second).expect("a certificate");
        assert!(wanted.starts_with("sha256:") && wanted.len() == 7 + 64, "{wanted}");
        let both = format!("{first}{second}");
        let found = with_fingerprint(&both, &wanted).expect("found");
        let (_, parsed) = x509_parser::pem::parse_x509_pem(second.as_bytes()).expect("PEM");
        assert_eq!(found, parsed.contents);
        assert_eq!(with_fingerprint(&first, &wanted), None);
        assert_eq!(fingerprint("nothing"), None);
    }
}
