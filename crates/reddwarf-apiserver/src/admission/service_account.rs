//! `ServiceAccount`: a pod runs as an account of its namespace and gets its token.

use super::refusal::forbidden;
use super::{Attributes, Operation, Plugin, stored};
use crate::validation::read::{entries, has, items, text};
use async_trait::async_trait;
use rand::Rng as _;
use reddwarf_core::Status;
use serde_json::{Value, json};

/// Where containers find the account's token.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
/// Seconds for which the token is valid: an hour, and the time in which it is renewed.
const TOKEN_SECONDS: u64 = 3_607;
/// The letters of generated names; none of them spells a word.
const NAME_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The plugin.
pub struct ServiceAccount;

#[async_trait]
impl Plugin for ServiceAccount {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    async fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
        if !attributes.is_pod() || attributes.operation != Operation::Create {
            return Ok(());
        }
        if is_mirror(attributes.object) {
            return check_mirror(attributes);
        }
        let spec = &attributes.object["spec"];
        let name = match text(spec, "serviceAccountName") {
            "" => "default".to_owned(),
            name => name.to_owned(),
        };
        let namespace = attributes.namespace;
        let Some(account) = stored::get(attributes.view, "", "serviceaccounts", namespace, &name)
        else {
            let why = format!(
                "error looking up service account {namespace}/{name}: serviceaccount {name:?} not found"
            );
            return Err(forbidden(attributes, why));
        };
        inject(attributes.object, &name, &account);
        Ok(())
    }
}

fn is_mirror(pod: &Value) -> bool {
    entries(&pod["metadata"], "annotations").any(|(key, _)| key == MIRROR_ANNOTATION)
}

/// A mirror pod shows what a node runs by itself, so it cannot have the API's credentials.
fn check_mirror(attributes: &Attributes<'_>) -> Result<(), Box<Status>> {
    let spec = &attributes.object["spec"];
    if !text(spec, "serviceAccountName").is_empty() {
        return Err(forbidden(attributes, "a mirror pod may not reference service accounts"));
    }
    let volumes = items(spec, "volumes");
    if volumes.iter().any(|v| has(v, "secret")) {
        return Err(forbidden(attributes, "a mirror pod may not reference secrets"));
    }
    let token =
        |v: &Value| items(&v["projected"], "sources").iter().any(|s| has(s, "serviceAccountToken"));
    if volumes.iter().any(token) {
        let why = "a mirror pod may not use ServiceAccountToken volume projections";
        return Err(forbidden(attributes, why));
    }
    Ok(())
}

fn inject(pod: &mut Value, name: &str, account: &Value) {
    let spec = &mut pod["spec"];
    spec["serviceAccountName"] = name.into();
    spec["serviceAccount"] = name.into();
    let wanted = spec
        .get("automountServiceAccountToken")
        .or_else(|| account.get("automountServiceAccountToken"))
        .and_then(Value::as_bool)
        .unwrap_or(true);
    if wanted {
        mount_token(spec);
    }
    if items(spec, "imagePullSecrets").is_empty() && !items(account, "imagePullSecrets").is_empty()
    {
        spec["imagePullSecrets"] = account["imagePullSecrets"].clone();
    }
}

/// Mounts the token into each container that has nothing at its place.
fn mount_token(spec: &mut Value) {
    let volume = free_volume_name(spec);
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            let occupied =
                items(container, "volumeMounts").iter().any(|m| text(m, "mountPath") == MOUNT_PATH);
            if occupied {
                continue;
            }
            let mount = json!({"name": volume, "readOnly": true, "mountPath": MOUNT_PATH});
            append(container, "volumeMounts", mount);
            mounted = true;
        }
        // Reading through the index above puts a null where there are no init containers.
        if spec[list].is_null()
            && let Some(spec) = spec.as_object_mut()
        {
            spec.remove(list);
        }
    }
    if mounted {
        append(spec, "volumes", token_volume(&volume));
    }
}

fn append(object: &mut Value, list: &str, item: Value) {
    match object[list].as_array_mut() {
        Some(items) => items.push(item),
        None => object[list] = json!([item]),
    }
}

fn free_volume_name(spec: &Value) -> String {
    loop {
        let mut rng = rand::rng();
        let random: String = (0..5)
            .map(|_| char::from(NAME_LETTERS[rng.random_range(0..NAME_LETTERS.len())]))
            .collect();
        let name = format!("kube-api-access-{random}");
        if !items(spec, "volumes").iter().any(|v| text(v, "name") == name) {
            return name;
        }
    }
}

fn token_volume(name: &str) -> Value {
    json!({
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
                {"configMap": {
                    "name": "kube-root-ca.crt",
                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                }},
                {"downwardAPI": {"items": [{
                    "path": "namespace",
                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                }]}},
            ],
            "defaultMode": 420,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_container_gets_the_token_but_one_that_has_its_own() {
        let mut pod = json!({"spec": {"containers": [
            {"name": "a"}, {"name": "b", "volumeMounts": [{"name": "m", "mountPath": MOUNT_PATH}]}]}});
        inject(&mut pod, "default", &json!({"imagePullSecrets": [{"name": "pull"}]}));
        let spec = &pod["spec"];
        assert_eq!(spec["serviceAccount"], "default");
        assert_eq!(spec["containers"][0]["volumeMounts"][0]["name"], spec["volumes"][0]["name"]);
        assert_eq!(items(&spec["containers"][1], "volumeMounts").len(), 1);
        assert_eq!(spec["imagePullSecrets"], json!([{"name": "pull"}]));
        assert!(spec.get("initContainers").is_none());
    }

    #[test]
    fn the_pod_decides_before_the_account() {
        let account = json!({"automountServiceAccountToken": false});
        let mut quiet = json!({"spec": {"containers": [{"name": "a"}]}});
        inject(&mut quiet, "quiet", &account);
        assert!(quiet["spec"].get("volumes").is_none());
        let mut loud =
            json!({"spec": {"automountServiceAccountToken": true, "containers": [{"name": "a"}]}});
        inject(&mut loud, "quiet", &account);
        assert_eq!(items(&loud["spec"], "volumes").len(), 1);
    }
}
