//! What a member's certificate may do at the API.
//!
//! To the API its holder is a user without rights. Here it is sent away when it is no member any more, and
//! gets its next certificate while it is one.

use super::api::{answer, refused};
use crate::certificates::{SIGN_PATH, SignAnswer, SignRequest, Signer, Unsigned};
use crate::pki::{Leaf, MEMBERS_GROUP};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use reddwarf_apiserver::http::ApiBody;
use reddwarf_raft::Node;
use reddwarf_raft::types::Member;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

/// Bytes of a request for a certificate.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// The holder of a member's certificate, on one connection.
#[derive(Clone)]
pub(super) struct Certified {
    leaf: Arc<Leaf>,
    node: Arc<Node>,
    signer: Signer,
}

impl Certified {
    /// `None` for a certificate that is no member's.
    pub fn of(certificate: &CertificateDer<'_>, node: &Arc<Node>, signer: &Signer) -> Option<Self> {
        let leaf = Leaf::of(certificate).ok().filter(|leaf| leaf.is_of(MEMBERS_GROUP))?;
        Some(Certified { leaf: Arc::new(leaf), node: node.clone(), signer: signer.clone() })
    }

    /// What is answered here.
    ///
    /// # Errors
    /// A request that the API answers.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<ApiBody>, Request<Incoming>> {
        let members: Vec<Member> = self.node.members().into_values().collect();
        // Before the first entry nobody is known to be none.
        let known = members.is_empty() || members.iter().any(|m| m.name == self.leaf.name);
        let answered = if !known {
            let why = format!("{} is no member of the group any more", self.leaf.name);
            refused(StatusCode::UNAUTHORIZED, &why)
        } else if request.method() == Method::POST && request.uri().path() == SIGN_PATH {
            self.sign(request, members).await
        } else {
            return Err(request);
        };
        Ok(answered.map(ApiBody::full))
    }

    async fn sign(&self, request: Request<Incoming>, members: Vec<Member>) -> Response<Bytes> {
        let body = Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect().await;
        let asked = match body.map(|body| serde_json::from_slice(&body.to_bytes())) {
            Ok(Ok(SignRequest { certificate_request })) => certificate_request,
            Ok(Err(error)) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
            Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let (signer, leaf) = (self.signer.clone(), self.leaf.clone());
        let signed = spawn_blocking(move || signer.sign(&leaf, &asked, &members)).await;
        let name = &self.leaf.name;
        match signed {
            Ok(Ok(certificate)) => {
                info!(name, "made a member's next certificate");
                let body = serde_json::to_vec(&SignAnswer { certificate }).unwrap_or_default();
                answer("application/json", body.into())
            }
            Ok(Err(error)) => {
                let code = match error {
                    Unsigned::NoMember(_) | Unsigned::Expired(_) | Unsigned::Other { .. } => {
                        StatusCode::FORBIDDEN
                    }
                    Unsigned::NoKey(_) => StatusCode::SERVICE_UNAVAILABLE,
                    Unsigned::Pki(_) => StatusCode::BAD_REQUEST,
                };
                if code == StatusCode::FORBIDDEN {
                    warn!(name, %error, "refused a certificate");
                }
                refused(code, &error.to_string())
            }
            Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }
}
