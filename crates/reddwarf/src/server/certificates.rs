//! `/reddwarf/certificates`: this member's certificate and the authority's; POST makes the member renew its
//! own.

use super::api::{answer, refused};
use crate::certificates::{Renewal, RenewalError, renewal_at};
use crate::pki::Leaf;
use bytes::Bytes;
use futures::FutureExt;
use http::{Method, Request, Response, StatusCode};
use reddwarf_apiserver::nonresource::Route;
use serde_json::{Value, json};
use std::sync::Arc;

const PATH: &str = "/reddwarf/certificates";

/// Serves the path.
pub(super) fn route(member: &str, renewal: &Arc<Renewal>) -> Route {
    let (member, renewal) = (member.to_owned(), renewal.clone());
    Route::new(PATH, move |request: Request<Bytes>| {
        let (member, renewal) = (member.clone(), renewal.clone());
        async move {
            match *request.method() {
                _ if request.uri().path() != PATH => {
                    return refused(StatusCode::NOT_FOUND, "there is nothing");
                }
                Method::GET => {}
                Method::POST => {
                    if let Err(error) = renewal.renew().await {
                        return not_renewed(&error, &renewal);
                    }
                }
                _ => return refused(StatusCode::METHOD_NOT_ALLOWED, "GET shows, POST renews"),
            }
            answer("application/json", shown(&member, &renewal).to_string().into())
        }
        .boxed()
    })
}

fn shown(member: &str, renewal: &Renewal) -> Value {
    let own = renewal.leaf();
    json!({
        "member": member,
        "certificate": certificate(&own),
        "authority": certificate(renewal.authority()),
        "renewedByMember": renewal.is_own(),
        "renewalAt": renewal.is_own().then(|| renewal_at(own.validity).to_string()),
        "trouble": renewal.trouble(),
    })
}

fn certificate(leaf: &Leaf) -> Value {
    json!({
        "subject": leaf.subject(),
        "notBefore": leaf.validity.from.to_string(),
        "notAfter": leaf.validity.until.to_string(),
        "serial": leaf.serial,
        "fingerprint": format!("sha256:{}", leaf.fingerprint),
    })
}

fn not_renewed(error: &RenewalError, renewal: &Renewal) -> Response<Bytes> {
    let code = match error {
        RenewalError::Elsewhere(_) | RenewalError::Unacceptable(_) => StatusCode::CONFLICT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let why = renewal.trouble().unwrap_or_else(|| error.to_string());
    refused(code, &why)
}
