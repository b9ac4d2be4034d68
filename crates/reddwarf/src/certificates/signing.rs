//! Certificates for members that run and have no key of the authority.

use crate::pki::{Authority, Leaf, MEMBERS_GROUP, PkiError, Subject, member};
use jiff::Timestamp;
use rcgen::{CertificateSigningRequestParams, DnType, DnValue};
use reddwarf_raft::types::Member;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where a member asks another one for a certificate.
pub const SIGN_PATH: &str = "/reddwarf/certificates/sign";

/// The request, JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignRequest {
    /// A certificate signing request (PEM) for the caller's own name.
    pub certificate_request: String,
}

/// The answer, JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignAnswer {
    /// The certificate (PEM).
    pub certificate: String,
}

/// Why a certificate is not made.
#[derive(Debug, thiserror::Error)]
pub enum Unsigned {
    /// The caller is no member now.
    #[error("{0:?} is no member of the group")]
    NoMember(String),
    /// The certificate that the caller shows is not good now.
    #[error("the certificate of {0:?} is not good now")]
    Expired(String),
    /// The caller asks for somebody else.
    #[error("{caller:?} asks for the certificate of {wanted:?}")]
    Other {
        /// Who asks.
        caller: String,
        /// For whom.
        wanted: String,
    },
    /// This member cannot.
    #[error("this member has no {}", .0.display())]
    NoKey(PathBuf),
    /// The request is none, or the authority cannot be read.
    #[error("the certificate is not made")]
    Pki(#[from] PkiError),
}

/// What the certificate of a caller that asks for `wanted` is to say.
///
/// It is for the hosts of the present certificate, which an authority has vouched for, and the address that
/// the group has of the member.
///
/// # Errors
/// Why it gets none.
pub fn subject_for(
    caller: &Leaf,
    wanted: &str,
    members: &[Member],
    now: Timestamp,
) -> Result<Subject, Unsigned> {
    let known = members.iter().find(|member| member.name == caller.name);
    let Some(known) = known.filter(|_| caller.is_of(MEMBERS_GROUP)) else {
        return Err(Unsigned::NoMember(caller.name.clone()));
    };
    if !caller.validity.contains(now) {
        return Err(Unsigned::Expired(caller.name.clone()));
    }
    if wanted != caller.name {
        let (caller, wanted) = (caller.name.clone(), wanted.to_owned());
        return Err(Unsigned::Other { caller, wanted });
    }
    let mut hosts = caller.hosts.clone();
    hosts.push(crate::server::tls::host_of(&known.addr).to_owned());
    Ok(member(&caller.name, &hosts))
}

/// Makes certificates, if this member has the authority's key.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The authority's certificate; its key stands beside it.
    pub authority_file: PathBuf,
}

impl Signer {
    /// The authority's key.
    pub fn key_file(&self) -> PathBuf {
        self.authority_file.with_extension("key")
    }

    /// The authority, `None` when this member has not its key.
    ///
    /// # Errors
    /// [`PkiError`]
    pub fn authority(&self) -> Result<Option<Authority>, PkiError> {
        let key = self.key_file();
        match key.exists() {
            true => Authority::read(&self.authority_file, &key).map(Some),
            false => Ok(None),
        }
    }

    /// Makes a certificate (PEM) for a member that runs. Reads files.
    ///
    /// # Errors
    /// [`Unsigned`]
    pub fn sign(
        &self,
        caller: &Leaf,
        request: &str,
        members: &[Member],
    ) -> Result<String, Unsigned> {
        let subject = subject_for(caller, &name_in(request)?, members, Timestamp::now())?;
        let authority = self.authority()?.ok_or_else(|| Unsigned::NoKey(self.key_file()))?;
        Ok(authority.certify(&subject, request)?)
    }
}

/// The common name in a signing request (PEM), whose signature is checked.
fn name_in(request: &str) -> Result<String, PkiError> {
    let read = CertificateSigningRequestParams::from_pem(request);
    let request = read.map_err(|source| PkiError::Issue { name: String::new(), source })?;
    let name = match request.params.distinguished_name.get(&DnType::CommonName) {
        Some(DnValue::Utf8String(name)) => name.clone(),
        Some(DnValue::PrintableString(name)) => name.as_str().to_owned(),
        _ => String::new(),
    };
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{CertificateRequest, Validity};

    fn caller(name: &str, group: &str) -> Leaf {
        let validity = Validity::beginning(Timestamp::now(), 1);
        Leaf {
            name: name.into(),
            groups: vec![group.into()],
            hosts: vec!["10.0.0.7".into()],
            validity,
            serial: String::new(),
            fingerprint: String::new(),
        }
    }

    #[test]
    fn a_member_gets_a_certificate_of_its_own_and_nobody_else_any() {
        let members =
            [Member { name: "node-4".into(), addr: "10.0.0.4:6443".into(), incarnation: 0 }];
        let now = Timestamp::now();
        let four = caller("node-4", MEMBERS_GROUP);
        let subject = subject_for(&four, "node-4", &members, now).expect("its own");
        assert_eq!(subject.name, "node-4");
        assert!(
            ["10.0.0.7", "10.0.0.4"].iter().all(|host| subject.hosts.contains(&(*host).into()))
        );
        let refused = |caller: &Leaf, wanted: &str| {
            subject_for(caller, wanted, &members, now).expect_err("refused").to_string()
        };
        assert!(refused(&four, "node-1").contains("asks for the certificate of \"node-1\""));
        assert!(refused(&caller("node-5", MEMBERS_GROUP), "node-5").contains("no member"));
        assert!(refused(&caller("node-4", "system:masters"), "node-4").contains("no member"));
        let mut old = four;
        old.validity.until = old.validity.from;
        assert!(refused(&old, "node-4").contains("not good now"));
    }

    #[test]
    fn the_name_in_a_request_is_read() {
        let request = CertificateRequest::create("node-4").expect("made").request;
        assert_eq!(name_in(&request).expect("read"), "node-4");
        name_in("nothing").expect_err("no request");
    }
}
