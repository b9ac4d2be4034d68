//! Writes a kubeconfig.

use super::file::{Cluster, Context, File, Named, NamedCluster, NamedContext, NamedUser, User};
use crate::pki::Credentials;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A kubeconfig with one context a member, named like it; the first is current.
///
/// `members` are names and `https://` URLs; `user` is the name under which `credentials` stand.
pub fn render(
    authority: &str,
    members: &[(String, String)],
    user: &str,
    credentials: &Credentials,
) -> String {
    let cluster = |url: &String| Cluster {
        server: url.clone(),
        certificate_authority_data: Some(STANDARD.encode(authority)),
        certificate_authority: None,
    };
    let file = File {
        api_version: "v1".into(),
        kind: "Config".into(),
        clusters: members
            .iter()
            .map(|(name, url)| named(name, NamedCluster { cluster: cluster(url) }))
            .collect(),
        users: vec![named(
            user,
            NamedUser {
                user: User {
                    client_certificate_data: Some(STANDARD.encode(&credentials.certificate)),
                    client_key_data: Some(STANDARD.encode(&credentials.key)),
                    ..User::default()
                },
            },
        )],
        contexts: members
            .iter()
            .map(|(name, _)| {
                let context = Context { cluster: name.clone(), user: user.into() };
                named(name, NamedContext { context })
            })
            .collect(),
        current_context: members.first().map(|(name, _)| name.clone()).unwrap_or_default(),
    };
    serde_yaml_ng::to_string(&file).expect("invariant: strings and lists encode as YAML")
}

fn named<T>(name: &str, value: T) -> Named<T> {
    Named { name: name.into(), value }
}
