//! Where machines that want to join ask: `/reddwarf/ca` gives the authority's certificate, and
//! `/reddwarf/join` takes a machine in that has a token.

use super::api::{answer, refused};
use super::members::not_changed;
use super::tls::{MemberTls, host_of};
use crate::certificates::Signer;
use crate::config::{Config, JoinedPeer, check_name};
use crate::join::{JoinAnswer, JoinRequest, Stored, Token, TokenError};
use crate::pki;
use bytes::Bytes;
use futures::FutureExt;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use reddwarf_apiserver::LocalClient;
use reddwarf_apiserver::nonresource::Route;
use reddwarf_core::api::ApiClient;
use reddwarf_core::{FeatureLevels, Status};
use reddwarf_raft::Node;
use reddwarf_raft::types::Member;
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use tracing::info;

/// Ids of members that join, drawn at random and so never twice. The first members have small
/// ones, and larger ones would not be exact in every JSON reader.
const IDS: Range<u64> = 1 << 32..1 << 53;

/// A refusal, boxed because it is large beside an answer.
type Refusal = Box<Response<Bytes>>;

/// Takes machines in.
pub(super) struct Reception {
    node: Arc<Node>,
    cluster: String,
    authority: String,
    signer: Signer,
    /// Reads and uses tokens.
    api: OnceLock<LocalClient>,
}

impl Reception {
    /// Closed until [`Reception::open`].
    pub fn new(config: &Config, node: &Arc<Node>, tls: &MemberTls) -> Self {
        Reception {
            node: node.clone(),
            cluster: config.cluster.clone(),
            authority: tls.authority.clone(),
            signer: Signer { authority_file: tls.files.ca_file.clone() },
            api: OnceLock::new(),
        }
    }

    /// Opens with a client of this member's own API.
    pub fn open(&self, api: LocalClient) {
        // It is opened once.
        let _ = self.api.set(api);
    }

    async fn join(&self, request: &Request<Bytes>) -> Result<JoinAnswer, Refusal> {
        if request.method() != Method::POST {
            return Err(no(StatusCode::METHOD_NOT_ALLOWED, &"a machine joins by POST"));
        }
        let asked: JoinRequest = serde_json::from_slice(request.body())
            .map_err(|error| no(StatusCode::BAD_REQUEST, &error))?;
        let stored = self.recognize(&asked.token).await?;
        let member = member(&asked)?;
        self.check_build(request, &asked.name).await?;
        let certificate = self.certify(&asked)?;
        let id = rand::random_range(IDS);
        let members = self.node.members();
        let replaces = asked.replaces.as_deref().filter(|old| *old != asked.name);
        let replaces = replaces.map(str::to_owned);
        // A token is not used up by what would be refused.
        let possible = self.node.may_admit(id, member.clone(), replaces.clone()).await;
        possible.map_err(|error| Box::new(not_changed(&error)))?;
        if let Some(secret) = stored {
            self.use_up(&secret).await?;
        }
        let admitted = self.node.admit(id, member, replaces).await;
        let admitted_at = admitted.map_err(|error| Box::new(not_changed(&error)))?;
        info!(name = asked.name, id, address = asked.address, "a machine joins the group");
        let peer = |(id, member): (u64, Member)| JoinedPeer {
            id,
            name: member.name,
            address: member.addr,
        };
        Ok(JoinAnswer {
            cluster: self.cluster.clone(),
            node_id: id,
            admitted_at,
            authority: self.authority.clone(),
            certificate,
            members: members.into_iter().map(peer).collect(),
        })
    }

    /// Whether the machine's build can belong to the group; one that does not say which levels it
    /// supports is from before there were any.
    async fn check_build(&self, request: &Request<Bytes>, name: &str) -> Result<(), Refusal> {
        // The level may have been raised just now.
        let ready = self.node.ready().await;
        ready.map_err(|error| no(StatusCode::SERVICE_UNAVAILABLE, &error))?;
        let level = *self.node.level().borrow();
        let query = request.uri().query().unwrap_or_default().as_bytes();
        let told = |key| form_urlencoded::parse(query).find(|(name, _)| name == key);
        let levels = match told("levels") {
            None => FeatureLevels::FIRST,
            Some((_, text)) => {
                text.parse().map_err(|error: &str| no(StatusCode::BAD_REQUEST, &error))?
            }
        };
        if levels.contains(level) {
            return Ok(());
        }
        let version = match told("version") {
            None => "a version of reddwarf from before there were feature levels".to_owned(),
            Some((_, version)) => format!("reddwarf {version}"),
        };
        Err(no(
            StatusCode::CONFLICT,
            &format!(
                "{name} runs {version}, which supports feature level {levels}; the group is at \
                 level {level}: install a version there that supports it"
            ),
        ))
    }

    fn api(&self) -> Result<&LocalClient, Refusal> {
        let starting = || no(StatusCode::SERVICE_UNAVAILABLE, &"this member is just starting");
        self.api.get().ok_or_else(starting)
    }

    /// The Secret of a token that lets in, if it is to be used up.
    async fn recognize(&self, token: &str) -> Result<Option<Value>, Refusal> {
        let forbidden = |error: TokenError| no(StatusCode::UNAUTHORIZED, &error);
        let token = Token::parse(token).map_err(forbidden)?;
        let found = self.api()?.request("GET", &Stored::path(token.id()), None, None).await;
        let secret: Value = match found {
            Ok(body) => serde_json::from_slice(&body).unwrap_or_default(),
            Err(status) if status.code == 404 => return Err(forbidden(TokenError::Unknown)),
            Err(status) => return Err(failed(&status)),
        };
        let stored = Stored::read(&secret).map_err(forbidden)?;
        stored.check(&token, Timestamp::now()).map_err(forbidden)?;
        Ok(stored.single_use.then_some(secret))
    }

    /// Deletes a token that is good for one machine, just as it was read: of two that come at once
    /// one gets in.
    async fn use_up(&self, secret: &Value) -> Result<(), Refusal> {
        let name = secret["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("{}/{name}", crate::join::NAMESPACE_SECRETS);
        let of = |field: &str| secret["metadata"][field].clone();
        let options = json!({
            "kind": "DeleteOptions", "apiVersion": "v1",
            "preconditions": {"uid": of("uid"), "resourceVersion": of("resourceVersion")},
        });
        let body = Some(options.to_string().into());
        let deleted = self.api()?.request("DELETE", &path, Some("application/json"), body).await;
        deleted.map(drop).map_err(|status| match status.code {
            404 | 409 => no(StatusCode::UNAUTHORIZED, &TokenError::Unknown),
            _ => failed(&status),
        })
    }

    fn certify(&self, asked: &JoinRequest) -> Result<Option<String>, Refusal> {
        let Some(request) = &asked.certificate_request else { return Ok(None) };
        let failed = |error: &dyn std::fmt::Display| no(StatusCode::BAD_REQUEST, error);
        let Some(authority) = self.signer.authority().map_err(|error| failed(&error))? else {
            let why = format!(
                "this member cannot make certificates, because it has no {}: ask a member that \
                 has the authority's key, or give the new one a certificate (--ca-file, \
                 --cert-file, --key-file)",
                self.signer.key_file().display()
            );
            return Err(no(StatusCode::SERVICE_UNAVAILABLE, &why));
        };
        let subject = pki::member(&asked.name, &[host_of(&asked.address).to_owned()]);
        authority.certify(&subject, request).map(Some).map_err(|error| failed(&error))
    }
}

/// The member that a machine wants to be.
fn member(asked: &JoinRequest) -> Result<Member, Refusal> {
    check_name(&asked.name).map_err(|error| no(StatusCode::BAD_REQUEST, &error))?;
    let (host, port) = asked.address.rsplit_once(':').unwrap_or_default();
    if host.is_empty() || port.parse::<u16>().is_ok_and(|port| port == 0) || port.is_empty() {
        let why = format!("{:?} is not a HOST:PORT that the members could call", asked.address);
        return Err(no(StatusCode::BAD_REQUEST, &why));
    }
    Ok(Member { name: asked.name.clone(), addr: asked.address.clone(), incarnation: 0 })
}

fn no(code: StatusCode, why: &dyn std::fmt::Display) -> Refusal {
    Box::new(refused(code, &why.to_string()))
}

/// What the API answered instead.
fn failed(status: &Status) -> Refusal {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    no(code, &status.message)
}

/// `/reddwarf/ca`: the authority's certificate, PEM.
pub(super) fn authority_route(reception: &Arc<Reception>) -> Route {
    let authority = reception.authority.clone();
    Route::new("/reddwarf/ca", move |_: Request<Bytes>| {
        let body = authority.clone().into();
        async move { answer("application/x-pem-file", body) }.boxed()
    })
}

/// `/reddwarf/join`: see [`JoinRequest`] and [`JoinAnswer`].
pub(super) fn join_route(reception: &Arc<Reception>) -> Route {
    let reception = reception.clone();
    Route::new("/reddwarf/join", move |request: Request<Bytes>| {
        let reception = reception.clone();
        async move {
            match reception.join(&request).await {
                Err(refusal) => *refusal,
                Ok(joined) => {
                    let body = serde_json::to_vec(&joined).unwrap_or_default();
                    answer("application/json", body.into())
                }
            }
        }
        .boxed()
    })
}
