//! Volumes of pods, persistent volumes and claims.

use super::super::FieldPath;
use super::super::read::{has, items, text};
use super::{labels, pod};
use serde_json::Value;

const CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const EPHEMERAL: &str = "ephemeral";

/// Volume plugins that are gone or going: field, the name that upstream calls it, what to say.
const OLD_PLUGINS: [(&str, &str, &str); 10] = [
    (
        "photonPersistentDisk",
        "photonPersistentDisk",
        "deprecated in v1.11, non-functional in v1.16+",
    ),
    ("gitRepo", "gitRepo", "deprecated in v1.11"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    (EPHEMERAL, EPHEMERAL, ""),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// Those that persistent volumes are warned about, in upstream's order.
const OLD_PERSISTENT: [&str; 6] =
    ["cephfs", "photonPersistentDisk", "scaleIO", "storageos", "glusterfs", "rbd"];

/// Plugins of a pod's volumes, and the claims that volumes make.
pub fn old_plugins(spec: &Value, path: &FieldPath) -> Vec<String> {
    let mut warnings = Vec::new();
    for (at, volume) in items(spec, "volumes").iter().enumerate() {
        let path = path.child("volumes").index(at);
        for (field, name, why) in OLD_PLUGINS.iter().filter(|(field, ..)| has(volume, field)) {
            let at = path.child(name);
            if *field == EPHEMERAL {
                let at = at.child("volumeClaimTemplate").child("spec");
                warnings.extend(claim_spec(&volume[EPHEMERAL]["volumeClaimTemplate"]["spec"], &at));
            } else {
                warnings.push(format!("{at}: {why}"));
            }
        }
    }
    warnings
}

fn claim_spec(spec: &Value, path: &FieldPath) -> Vec<String> {
    let path = path.child("resources");
    let lists = ["requests", "limits"].into_iter();
    lists
        .filter_map(|list| pod::fraction(&spec["resources"][list], "storage", &path.child(list)))
        .collect()
}

fn old_class(object: &Value) -> Option<String> {
    let at = FieldPath::new("metadata").child("annotations").key(CLASS);
    has(&object["metadata"]["annotations"], CLASS)
        .then(|| format!("{at}: deprecated since v1.8; use \"storageClassName\" attribute instead"))
}

/// A claim.
pub fn claim(claim: &Value) -> Vec<String> {
    let mut warnings: Vec<String> = old_class(claim).into_iter().collect();
    warnings.extend(claim_spec(&claim["spec"], &FieldPath::new("spec")));
    warnings
}

/// A persistent volume.
pub fn persistent(volume: &Value) -> Vec<String> {
    let (spec, path) = (&volume["spec"], FieldPath::new("spec"));
    let mut warnings: Vec<String> = old_class(volume).into_iter().collect();
    if text(spec, "persistentVolumeReclaimPolicy") == "Recycle" {
        let at = path.child("persistentVolumeReclaimPolicy");
        warnings.push(format!("{at}: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."));
    }
    let required = path.child("nodeAffinity").child("required");
    warnings.extend(labels::terms(&spec["nodeAffinity"]["required"], &required));
    for plugin in OLD_PERSISTENT.iter().filter(|plugin| has(spec, plugin)) {
        let known = OLD_PLUGINS.iter().find(|(field, ..)| field == plugin);
        warnings.extend(known.map(|(_, name, why)| format!("{}: {why}", path.child(name))));
    }
    warnings
}

/// A file of a volume, with what it comes from when that is not the whole volume.
struct File {
    path: String,
    source: String,
}

impl File {
    fn shown(&self) -> String {
        match self.source.as_str() {
            "" => format!("{:?}", self.path),
            source => format!("{:?} ({source})", self.path),
        }
    }

    fn overlaps(&self, other: &File) -> bool {
        let (a, b) = (format!("{}/", self.path), format!("{}/", other.path));
        !self.path.is_empty() && !other.path.is_empty() && (a.starts_with(&b) || b.starts_with(&a))
    }
}

/// Files that are the same as, or below, another file of the same volume.
pub fn overlaps(spec: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    for volume in items(spec, "volumes") {
        let name = text(volume, "name");
        let named = |field: &str, kind: &str, key: &str| {
            (&volume[field], format!("{kind} {:?}", text(&volume[field], key)))
        };
        for (source, described) in [
            named("configMap", "ConfigMap", "name"),
            named("secret", "Secret", "secretName"),
            (&volume["downwardAPI"], "DownwardAPI".to_owned()),
        ] {
            collisions(&files(source, ""), name, &described, &mut warnings);
        }
        let mut all = Vec::new();
        for source in items(&volume["projected"], "sources") {
            let of_source = projected(source);
            if source.as_object().is_none_or(|fields| fields.values().all(Value::is_null)) {
                warnings.push(format!("volume {name:?} (Projected) has no sources provided"));
            }
            all.extend(of_source);
        }
        collisions(&all, name, "Projected", &mut warnings);
    }
    warnings
}

fn collisions(files: &[File], volume: &str, described: &str, warnings: &mut Vec<String>) {
    for (at, file) in files.iter().enumerate() {
        for other in files.iter().take(at).filter(|other| file.overlaps(other)) {
            let (file, other) = (file.shown(), other.shown());
            warnings.push(format!(
                "volume {volume:?} ({described}): overlapping paths: {file} with {other}"
            ));
        }
    }
}

fn files(source: &Value, described: &str) -> Vec<File> {
    items(source, "items").iter().map(|item| file(item, described)).collect()
}

fn file(item: &Value, described: &str) -> File {
    let path = text(item, "path").trim_end_matches('/').to_owned();
    File { path, source: described.to_owned() }
}

fn projected(source: &Value) -> Vec<File> {
    let named = |field: &str, kind: &str| {
        files(&source[field], &format!("{kind} {:?}", text(&source[field], "name")))
    };
    if has(source, "configMap") {
        named("configMap", "ConfigMap")
    } else if has(source, "secret") {
        named("secret", "Secret")
    } else if has(source, "downwardAPI") {
        files(&source["downwardAPI"], "DownwardAPI")
    } else if has(source, "serviceAccountToken") {
        vec![file(&source["serviceAccountToken"], "ServiceAccountToken")]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_that_overlap() {
        let spec = json!({"volumes": [
            {"name": "c", "configMap": {"name": "m", "items": [
                {"key": "a", "path": "x/y"}, {"key": "b", "path": "x/"}, {"key": "c", "path": "xy"}]}},
            {"name": "p", "projected": {"sources": [
                {}, {"serviceAccountToken": {"path": "token"}},
                {"secret": {"name": "s", "items": [{"key": "k", "path": "token"}]}}]}},
        ]});
        assert_eq!(
            overlaps(&spec),
            [
                "volume \"c\" (ConfigMap \"m\"): overlapping paths: \"x\" with \"x/y\"",
                "volume \"p\" (Projected) has no sources provided",
                "volume \"p\" (Projected): overlapping paths: \"token\" (Secret \"s\") with \"token\" (ServiceAccountToken)",
            ]
        );
    }

    #[test]
    fn volumes_that_last() {
        let volume = json!({
            "metadata": {"annotations": {CLASS: "old"}},
            "spec": {"persistentVolumeReclaimPolicy": "Recycle", "storageos": {}, "rbd": {}},
        });
        assert_eq!(persistent(&volume).len(), 4);
        let fractional = json!({"spec": {"resources": {"requests": {"storage": "1500m"}}}});
        assert_eq!(
            claim(&fractional),
            [
                "spec.resources.requests[storage]: fractional byte value \"1500m\" is invalid, must be an integer"
            ]
        );
    }
}
