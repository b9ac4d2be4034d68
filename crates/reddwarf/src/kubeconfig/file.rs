//! The parts of a kubeconfig that are used here, as they stand in the file.

use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct File {
    #[serde(default, rename = "apiVersion")]
    pub api_version: String,
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub clusters: Vec<Named<NamedCluster>>,
    #[serde(default)]
    pub users: Vec<Named<NamedUser>>,
    #[serde(default)]
    pub contexts: Vec<Named<NamedContext>>,
    #[serde(default)]
    pub current_context: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Named<T> {
    pub name: String,
    #[serde(flatten)]
    pub value: T,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NamedCluster {
    pub cluster: Cluster,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NamedUser {
    pub user: User,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NamedContext {
    pub context: Context,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Cluster {
    pub server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_authority_data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct User {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key_data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Context {
    pub cluster: String,
    pub user: String,
}
