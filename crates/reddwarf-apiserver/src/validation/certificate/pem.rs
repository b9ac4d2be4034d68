//! PEM as certificate requests hold it.

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

const REQUEST: &str = "CERTIFICATE REQUEST";
const CERTIFICATE: &str = "CERTIFICATE";

/// Checks a PKCS #10 request and its signature; says what is wrong.
pub(super) fn signed_request(bytes: &[u8]) -> Result<(), String> {
    let block = blocks(bytes).next();
    let Some(block) = block.filter(|block| block.label == REQUEST) else {
        return Err(format!("PEM block type must be {REQUEST}"));
    };
    let (_, request) = X509CertificationRequest::from_der(&block.contents)
        .map_err(|error| format!("asn1: {error}"))?;
    request.verify_signature().map_err(|_| "x509: signature verification failed".to_owned())
}

/// The organizations of the subject of a PKCS #10 request.
pub(super) fn organizations(bytes: &[u8]) -> Vec<String> {
    let Some(block) = blocks(bytes).next() else { return Vec::new() };
    let Ok((_, request)) = X509CertificationRequest::from_der(&block.contents) else {
        return Vec::new();
    };
    let subject = &request.certification_request_info.subject;
    subject.iter_organization().filter_map(|name| Some(name.as_str().ok()?.to_owned())).collect()
}

/// Checks a chain of certificates, which may be missing; says what is wrong.
pub(super) fn certificates(bytes: &[u8]) -> Result<(), String> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut found = false;
    for block in blocks(bytes) {
        if block.label != CERTIFICATE {
            let label = block.label;
            return Err(format!("only CERTIFICATE PEM blocks are allowed, found {label:?}"));
        }
        X509Certificate::from_der(&block.contents).map_err(|error| format!("x509: {error}"))?;
        found = true;
    }
    match found {
        true => Ok(()),
        false => Err("must contain at least one CERTIFICATE PEM block".to_owned()),
    }
}

/// The blocks that can be read, up to the first that cannot.
fn blocks(bytes: &[u8]) -> impl Iterator<Item = Pem> + '_ {
    Pem::iter_from_buffer(bytes).map_while(Result::ok)
}
