//! `CertificateSubjectRestriction`: nobody asks for a certificate of the masters' group.

use super::refusal::forbidden;
use super::{Attributes, Operation, Plugin};
use crate::validation::read::text;
use crate::validation::requested_groups;
use async_trait::async_trait;
use reddwarf_core::Status;

const SIGNER: &str = "kubernetes.io/kube-apiserver-client";
const MASTERS: &str = "system:masters";

/// The plugin.
pub struct CertificateSubjectRestriction;

#[async_trait]
impl Plugin for CertificateSubjectRestriction {
    fn name(&self) -> &'static str {
        "CertificateSubjectRestriction"
    }

    async fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Box<Status>> {
        let concerned = attributes.is("certificates.k8s.io", "CertificateSigningRequest")
            && attributes.operation == Operation::Create
            && text(&attributes.object["spec"], "signerName") == SIGNER;
        if concerned && requested_groups(attributes.object).iter().any(|group| group == MASTERS) {
            let why = format!("use of {SIGNER} signer with {MASTERS} group is not allowed");
            return Err(forbidden(attributes, why));
        }
        Ok(())
    }
}
