//! Volumes of a pod.

use super::projected;
use super::ratchet::Ratchet;
use crate::validation::read::{has, items, text};
use crate::validation::resource_name::amount;
use crate::validation::volume_source::{
    SECOND, descending, iscsi, needed, shared, with_local_secret,
};
use crate::validation::{ErrorList, FieldError, FieldPath, check, csi, names, volume_claim};
use serde_json::Value;

/// The kinds of volumes in the order in which upstream looks at them.
const SOURCES: [&str; 30] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];
const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];

/// The well-formed volumes of a pod, which containers can use.
pub struct Volumes<'a>(Vec<&'a Value>);

impl<'a> Volumes<'a> {
    /// These volumes.
    pub fn of(volumes: Vec<&'a Value>) -> Self {
        Volumes(volumes)
    }

    /// The volume of that name.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.iter().copied().find(|volume| text(volume, "name") == name)
    }
}

/// Checks the volumes of a specification. `pod` is the name of the pod, when there is one: it
/// is a part of the names of claims that are made for it.
pub fn volumes<'a>(
    spec: &'a Value,
    pod: Option<&str>,
    ratchet: &Ratchet,
    path: &FieldPath,
) -> (Volumes<'a>, ErrorList) {
    let list = path.child("volumes");
    let all = items(spec, "volumes");
    let made = |claim: &str| {
        let mut ephemeral = all.iter().filter(|volume| has(volume, "ephemeral"));
        let of = |pod: &str, volume: &Value| format!("{pod}-{}", text(volume, "name")) == claim;
        pod.is_some_and(|pod| ephemeral.any(|volume| of(pod, volume)))
    };
    let mut errors = ErrorList::new();
    let mut good: Vec<&Value> = Vec::new();
    for (at, volume) in all.iter().enumerate() {
        let at = list.index(at);
        let name = text(volume, "name");
        let mut wrong = source(volume, pod, ratchet, &at);
        wrong.extend(check::required_name(names::label, name, &at.child("name")));
        if good.iter().any(|before| text(before, "name") == name) {
            wrong.push(FieldError::duplicate(at.child("name"), name));
        }
        if wrong.is_empty() {
            good.push(volume);
        }
        errors.extend(wrong);
        let claim = text(&volume["persistentVolumeClaim"], "claimName");
        if !claim.is_empty() && made(claim) {
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            let at = at.child("persistentVolumeClaim").child("claimName");
            errors.push(FieldError::invalid(at, claim, detail));
        }
    }
    (Volumes::of(good), errors)
}

/// Checks that a volume has one source, and that one.
fn source(volume: &Value, pod: Option<&str>, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let mut present = SOURCES.into_iter().filter(|kind| has(volume, kind));
    let Some(first) = present.next() else {
        return vec![FieldError::required(path.clone(), "must specify a volume type")];
    };
    let name = text(volume, "name");
    let at = path.child(first);
    let mut errors = one(first, &volume[first], name, pod, ratchet, &at);
    if first == "ephemeral" {
        errors.extend(claim_of(pod, name, &path.child("name")));
    }
    errors.extend(present.map(|more| {
        // Two paths are not quite the fields' names.
        let shown = match more {
            "cephfs" => "cephFS",
            "downwardAPI" => "downwarAPI",
            more => more,
        };
        FieldError::forbidden(path.child(shown), SECOND)
    }));
    errors
}

fn one(
    kind: &str,
    source: &Value,
    name: &str,
    pod: Option<&str>,
    ratchet: &Ratchet,
    path: &FieldPath,
) -> ErrorList {
    match kind {
        "emptyDir" => directory(source, path).into_iter().collect(),
        "gitRepo" => {
            let mut errors = needed(source, &["repository"], path);
            errors.extend(descending(text(source, "directory"), &path.child("directory")));
            errors
        }
        "secret" => projected::keys(source, "secretName", path),
        "configMap" => projected::keys(source, "name", path),
        "downwardAPI" => projected::downward(source, path),
        "projected" => projected::all(source, ratchet, path),
        "persistentVolumeClaim" => needed(source, &["claimName"], path),
        "iscsi" => iscsi(source, name, path, false),
        "csi" => inline_csi(source, path),
        "ephemeral" => ephemeral(source, path),
        "image" => image(source, pod.is_some(), path),
        _ => shared(kind, source, path)
            .or_else(|| with_local_secret(kind, source, path))
            .unwrap_or_default(),
    }
}

fn directory(source: &Value, path: &FieldPath) -> Option<FieldError> {
    let limit = amount(&source["sizeLimit"])?;
    let detail = "SizeLimit field must be a valid resource quantity";
    limit.is_negative().then(|| FieldError::forbidden(path.child("sizeLimit"), detail))
}

fn inline_csi(source: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = csi::driver_name(text(source, "driver"), &path.child("driver"));
    if has(source, "nodePublishSecretRef") {
        match text(&source["nodePublishSecretRef"], "name") {
            "" => {
                let at = path.child("nodePublishSecretRef").child("name");
                errors.push(FieldError::required(at, ""));
            }
            name => errors.extend(check::named(names::subdomain, name, &path.child("name"))),
        }
    }
    errors
}

fn ephemeral(source: &Value, path: &FieldPath) -> ErrorList {
    let path = path.child("volumeClaimTemplate");
    match has(source, "volumeClaimTemplate") {
        true => volume_claim::template(&source["volumeClaimTemplate"], &path),
        false => vec![FieldError::required(path, "")],
    }
}

/// The name of the claim that is made for a volume must be one.
fn claim_of(pod: Option<&str>, volume: &str, path: &FieldPath) -> ErrorList {
    let Some(pod) = pod.filter(|pod| !pod.is_empty() && !volume.is_empty()) else {
        return ErrorList::new();
    };
    let claim = format!("{pod}-{volume}");
    let wrong = names::subdomain(&claim).into_iter();
    wrong
        .map(|why| FieldError::invalid(path.clone(), volume, format!("PVC name {claim:?}: {why}")))
        .collect()
}

fn image(source: &Value, is_pod: bool, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    if is_pod {
        errors.extend(check::required(text(source, "reference"), path.child("reference")));
    }
    match text(source, "pullPolicy") {
        "" => errors.push(FieldError::required(path.child("pullPolicy"), "")),
        _ => errors.extend(check::one_of(source, "pullPolicy", &PULL_POLICIES, path)),
    }
    errors
}

/// Checks the claims for devices of a pod.
pub fn device_claims(spec: &Value, meta: Option<&Value>, path: &FieldPath) -> ErrorList {
    let list = path.child("resourceClaims");
    let is_mirror = meta.is_some_and(|m| has(&m["annotations"], super::annotations::MIRROR));
    let mut errors = ErrorList::new();
    let mut seen: Vec<&str> = Vec::new();
    for (at, claim) in items(spec, "resourceClaims").iter().enumerate() {
        if is_mirror {
            let detail = "static pods do not support resource claims";
            errors.push(FieldError::forbidden(FieldPath::new("[]"), detail));
            continue;
        }
        let at = list.index(at);
        let name = text(claim, "name");
        if seen.contains(&name) {
            errors.push(FieldError::duplicate(at.child("name"), name));
        } else {
            errors.extend(check::required_name(names::label, name, &at.child("name")));
            if !name.is_empty() {
                seen.push(name);
            }
        }
        errors.extend(claim_source(claim, &at));
    }
    errors
}

fn claim_source(claim: &Value, path: &FieldPath) -> ErrorList {
    const FIELDS: [&str; 2] = ["resourceClaimName", "resourceClaimTemplateName"];
    let given = FIELDS.into_iter().filter(|field| has(claim, field)).count();
    let detail = match given {
        0 => Some("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
        1 => None,
        _ => Some(
            "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
        ),
    };
    let wrong = detail.map(|detail| FieldError::invalid(path.clone(), claim.clone(), detail));
    let mut errors: ErrorList = wrong.into_iter().collect();
    for field in FIELDS.into_iter().filter(|field| has(claim, field)) {
        errors.extend(check::named(names::subdomain, text(claim, field), &path.child(field)));
    }
    errors
}

/// The names of a pod's claims for devices.
pub fn claim_names(spec: &Value) -> Vec<&str> {
    let names = items(spec, "resourceClaims").iter().map(|claim| text(claim, "name"));
    names.filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(spec: Value) -> Vec<String> {
        let (_, errors) = volumes(&spec, Some("p"), &Ratchet::NONE, &FieldPath::new("spec"));
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn volumes_of_a_pod() {
        let claim = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1"}}}});
        assert_eq!(
            fields(json!({"volumes": [
                {"name": "a", "emptyDir": {"sizeLimit": "-1"}, "cephfs": {}},
                {"name": "a"},
                {"name": "e", "ephemeral": {"volumeClaimTemplate": claim}},
                {"name": "c", "persistentVolumeClaim": {"claimName": "p-e"}},
                {"name": "i", "image": {"pullPolicy": "Odd"}},
                {"name": "s", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "X"}}},
            ]})),
            [
                "spec.volumes[0].emptyDir.sizeLimit FieldValueForbidden",
                "spec.volumes[0].cephFS FieldValueForbidden",
                "spec.volumes[1] FieldValueRequired",
                "spec.volumes[3].persistentVolumeClaim.claimName FieldValueInvalid",
                "spec.volumes[4].image.reference FieldValueRequired",
                "spec.volumes[4].image.pullPolicy FieldValueNotSupported",
                "spec.volumes[5].csi.name FieldValueInvalid",
            ]
        );
    }

    #[test]
    fn claims_for_devices() {
        let spec =
            json!({"resourceClaims": [{"name": "a"}, {"name": "a", "resourceClaimName": "X"}, {}]});
        let errors = device_claims(&spec, None, &FieldPath::new("spec"));
        let fields: Vec<String> = errors.iter().map(|e| e.field.to_string()).collect();
        assert_eq!(
            fields,
            [
                "spec.resourceClaims[0]",
                "spec.resourceClaims[1].name",
                "spec.resourceClaims[1].resourceClaimName",
                "spec.resourceClaims[2].name",
                "spec.resourceClaims[2]",
            ]
        );
        assert_eq!(claim_names(&spec), ["a", "a"]);
    }
}
