//! What a machine that wants to join sends to `/reddwarf/join`, and what it is answered.

use crate::config::JoinedPeer;
use serde::{Deserialize, Serialize};

/// The request, JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinRequest {
    /// The token, `ID.SECRET`.
    pub token: String,
    /// The name that the member is to have.
    pub name: String,
    /// `host:port` under which the others will reach it.
    pub address: String,
    /// Name of the voter whose place it is to take.
    #[serde(default)]
    pub replaces: Option<String>,
    /// A certificate signing request (PEM); a machine that has a certificate needs none.
    #[serde(default)]
    pub certificate_request: Option<String>,
}

/// The answer, JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinAnswer {
    /// The group's name.
    pub cluster: String,
    /// The Raft node id of the new member.
    pub node_id: u64,
    /// Log index of the membership that names it.
    pub admitted_at: u64,
    /// The group's authority (PEM).
    pub authority: String,
    /// Its certificate (PEM), if it asked for one.
    pub certificate: Option<String>,
    /// The members that there were before.
    pub members: Vec<JoinedPeer>,
}
