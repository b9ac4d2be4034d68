//! The certificate authority.

use super::{Subject, Validity, write_private};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::fs;
use std::path::{Path, PathBuf};

/// Days for which an authority is good: nothing renews it.
const AUTHORITY_DAYS: u32 = 3_650;

/// Why a certificate could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// `read`, `write` or `create`.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
    /// The text in a file is no certificate or key.
    #[error("{} does not hold what it should", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make the certificate of {name:?}")]
    Issue {
        /// For whom.
        name: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
}

/// A certificate and its private key, both PEM.
#[derive(Clone)]
pub struct Credentials {
    /// The certificate.
    pub certificate: String,
    /// Its key (PKCS #8).
    pub key: String,
}

impl Credentials {
    /// Writes the certificate and the key (mode 0600).
    ///
    /// # Errors
    /// [`PkiError::File`]
    pub fn write(&self, certificate: &Path, key: &Path) -> Result<(), PkiError> {
        for (path, text) in [(key, &self.key), (certificate, &self.certificate)] {
            write_private(path, text).map_err(|source| PkiError::File {
                doing: "write",
                path: path.into(),
                source,
            })?;
        }
        Ok(())
    }
}

/// The cluster's certificate authority, with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// Reads `ca.crt` and `ca.key` in `folder`, or makes them when neither is there.
    ///
    /// # Errors
    /// [`PkiError`]
    pub fn open_or_create(folder: &Path) -> Result<Self, PkiError> {
        let (certificate, key) = (folder.join("ca.crt"), folder.join("ca.key"));
        if certificate.exists() || key.exists() {
            return Authority::read(&certificate, &key);
        }
        fs::create_dir_all(folder).map_err(|source| PkiError::File {
            doing: "create",
            path: folder.into(),
            source,
        })?;
        let (authority, credentials) = Authority::create()?;
        credentials.write(&certificate, &key)?;
        Ok(authority)
    }

    /// Reads an authority's certificate and key.
    ///
    /// # Errors
    /// [`PkiError`]
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, PkiError> {
        let text = |path: &Path| {
            fs::read_to_string(path).map_err(|source| PkiError::File {
                doing: "read",
                path: path.into(),
                source,
            })
        };
        let pair = KeyPair::from_pem(&text(key)?)
            .map_err(|source| PkiError::Malformed { path: key.into(), source })?;
        let pem = text(certificate)?;
        let issuer = Issuer::from_ca_cert_pem(&pem, pair)
            .map_err(|source| PkiError::Malformed { path: certificate.into(), source })?;
        Ok(Authority { issuer, certificate: pem })
    }

    /// Makes a new authority, and its own credentials to be kept.
    ///
    /// # Errors
    /// [`PkiError::Issue`]
    pub fn create() -> Result<(Self, Credentials), PkiError> {
        let name = format!("reddwarf-ca-{:08x}", rand::random::<u32>());
        let failed = |source| PkiError::Issue { name: name.clone(), source };
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, name.as_str());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        Validity::beginning(Timestamp::now(), AUTHORITY_DAYS).apply(&mut params);
        let pair = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&pair).map_err(failed)?.pem();
        let credentials =
            Credentials { certificate: certificate.clone(), key: pair.serialize_pem() };
        Ok((Authority { issuer: Issuer::new(params, pair), certificate }, credentials))
    }

    /// The authority's own certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Makes a certificate. A subject with hosts may serve as well as call.
    ///
    /// # Errors
    /// [`PkiError::Issue`]
    pub fn issue(&self, subject: &Subject) -> Result<Credentials, PkiError> {
        self.issue_within(subject, Validity::beginning(Timestamp::now(), subject.days))
    }

    /// The same for another time than the subject has by itself.
    ///
    /// # Errors
    /// [`PkiError::Issue`]
    pub fn issue_within(
        &self,
        subject: &Subject,
        validity: Validity,
    ) -> Result<Credentials, PkiError> {
        let failed = |source| PkiError::Issue { name: subject.name.clone(), source };
        let params = params(subject, validity).map_err(failed)?;
        let pair = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&pair, &self.issuer).map_err(failed)?.pem();
        Ok(Credentials { certificate, key: pair.serialize_pem() })
    }

    /// Makes a certificate for the key of a signing request (PEM), of which nothing else counts:
    /// what the certificate says is for the authority to decide.
    ///
    /// # Errors
    /// [`PkiError::Issue`]
    pub fn certify(&self, subject: &Subject, request: &str) -> Result<String, PkiError> {
        let failed = |source| PkiError::Issue { name: subject.name.clone(), source };
        let request = CertificateSigningRequestParams::from_pem(request).map_err(failed)?;
        let validity = Validity::beginning(Timestamp::now(), subject.days);
        let params = params(subject, validity).map_err(failed)?;
        Ok(params.signed_by(&request.public_key, &self.issuer).map_err(failed)?.pem())
    }
}

fn params(subject: &Subject, validity: Validity) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(subject.hosts.clone())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, subject.name.as_str());
    for group in &subject.groups {
        params.distinguished_name.push(DnType::OrganizationName, group.as_str());
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if !subject.hosts.is_empty() {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    params.use_authority_key_identifier_extension = true;
    validity.apply(&mut params);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::super::{CertificateRequest, admin_client, member};
    use super::*;
    use x509_parser::pem::parse_x509_pem;

    #[test]
    fn certificates_verify_under_the_authority_that_is_read_back() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let first = Authority::open_or_create(folder.path()).expect("made");
        let again = Authority::open_or_create(folder.path()).expect("read back");
        assert_eq!(first.certificate(), again.certificate());
        let (_, ca) = parse_x509_pem(first.certificate().as_bytes()).expect("PEM");
        let ca = ca.parse_x509().expect("X.509");
        for subject in [admin_client(), member("node-1", &["10.1.2.3".into()])] {
            let issued = again.issue(&subject).expect("issued");
            let (_, pem) = parse_x509_pem(issued.certificate.as_bytes()).expect("PEM");
            let leaf = pem.parse_x509().expect("X.509");
            leaf.verify_signature(Some(ca.public_key())).expect("signed by the authority");
            let name = leaf.subject().iter_common_name().next().expect("common name");
            assert_eq!(name.as_str().ok(), Some(subject.name.as_str()));
            let usage = leaf.extended_key_usage().expect("read").expect("there").value;
            assert_eq!(usage.server_auth, !subject.hosts.is_empty());
            assert!(usage.client_auth && leaf.validity().is_valid());
        }
    }

    #[test]
    fn a_signing_request_gives_its_key_and_nothing_else() {
        let (authority, _) = Authority::create().expect("made");
        let request = CertificateRequest::create("somebody").expect("made");
        let subject = member("node-4", &["10.1.2.3".into()]);
        let certificate = authority.certify(&subject, &request.request).expect("certified");
        let (_, pem) = parse_x509_pem(certificate.as_bytes()).expect("PEM");
        let leaf = pem.parse_x509().expect("X.509");
        let name = leaf.subject().iter_common_name().next().expect("common name");
        assert_eq!(name.as_str().ok(), Some("node-4"));
        let key = KeyPair::from_pem(&request.key).expect("its key");
        assert_eq!(leaf.public_key().subject_public_key.data.as_ref(), key.public_key_raw());
        authority.certify(&subject, "no request").expect_err("refused");
    }

    #[test]
    fn keys_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("temporary folder");
        Authority::open_or_create(folder.path()).expect("made");
        let mode = fs::metadata(folder.path().join("ca.key")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
