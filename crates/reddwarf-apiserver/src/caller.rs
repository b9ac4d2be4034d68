//! In whose name a request is served.

use crate::authn::{PeerIdentity, anonymous, bearer_token};
use crate::authz;
use crate::impersonation;
use crate::request::UserInfo;
use crate::server::ApiServer;
use crate::token::{ISSUER, TokenError};
use http::request::Parts;
use reddwarf_core::{Fence, Status};
use std::sync::{Arc, LazyLock};

/// In whose name a request is served.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// `None` when the request brought no credentials.
    pub user: Option<Arc<UserInfo>>,
    /// Who sends the request, when it is in another user's name.
    pub sender: Option<Arc<UserInfo>>,
    /// Why the request is not served, whatever it asks for.
    pub refusal: Option<Box<Status>>,
    /// Set in process only.
    pub fence: Option<Fence>,
}

impl Caller {
    /// The user in whose name the request is served.
    pub fn user(&self) -> Arc<UserInfo> {
        static ANONYMOUS: LazyLock<Arc<UserInfo>> = LazyLock::new(|| Arc::new(anonymous()));
        self.user.clone().unwrap_or_else(|| ANONYMOUS.clone())
    }

    /// What the sender had to be allowed to do to use `verb` in the user's name, when it is not.
    pub fn forbidden_verb(&self, verb: &str) -> Option<(&UserInfo, String)> {
        let sender = self.sender.as_deref()?;
        let verb = impersonation::verb(self.user.as_deref()?, verb);
        (!authz::may_impersonate(sender)).then_some((sender, verb))
    }
}

impl ApiServer {
    /// Who sends a request, by its connection or its headers.
    pub(crate) async fn caller(&self, parts: &Parts) -> Caller {
        let user = match parts.extensions.get::<PeerIdentity>() {
            Some(peer) => Some(peer.0.clone()),
            None => match bearer_token(&parts.headers) {
                Some(token) => match self.authenticate(token).await {
                    Ok(user) => Some(Arc::new(user)),
                    Err(error) => {
                        tracing::debug!(%error, "a bearer token is not accepted");
                        let refusal = Some(authz::unauthorized());
                        return Caller { refusal, ..Caller::default() };
                    }
                },
                None => None,
            },
        };
        let caller = Caller { user, ..Caller::default() };
        match impersonation::named(&parts.headers) {
            Ok(None) => caller,
            Ok(Some(user)) => {
                let sender = Some(caller.user());
                Caller { user: Some(Arc::new(user)), sender, ..caller }
            }
            Err(refusal) => Caller { refusal: Some(refusal), ..caller },
        }
    }

    /// The user of a token for this API. What this member does not know yet it asks the group.
    async fn authenticate(&self, token: &str) -> Result<UserInfo, TokenError> {
        let audiences = [ISSUER.to_owned()];
        let attempt = || self.tokens().authenticate(token, &audiences, &self.store().view());
        let outcome = match attempt() {
            Err(error) if error.is_by_state() && self.store().read_barrier().await.is_ok() => {
                attempt()
            }
            outcome => outcome,
        };
        outcome.map(|(user, _)| user)
    }
}
