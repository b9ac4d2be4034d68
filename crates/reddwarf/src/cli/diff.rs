//! `reddwarf diff`: what differs between two moments or branches.

use super::GroupFlags;
use super::log::{COMMITS, named, text};
use super::show::fields_of;
use crate::client::{GroupClient, unified_yaml};
use clap::{Args, ValueEnum};
use http::Method;
use miette::{IntoDiagnostic, Result};
use serde_json::{Value, json};

/// What an object has of its own, which no diff is about.
const OF_THE_SERVER: [&str; 2] = ["resourceVersion", "managedFields"];

#[derive(Args, Debug)]
pub(super) struct DiffFlags {
    /// The first state: branches/NAME, a revision, a commit, a time, or how long ago (-10m)
    #[arg(allow_hyphen_values = true)]
    from: String,
    /// The second state [default: now]
    #[arg(allow_hyphen_values = true, default_value = "")]
    to: String,
    /// Only objects of this namespace
    #[arg(short, long, default_value = "")]
    namespace: String,
    /// How it is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    group: GroupFlags,
}

/// How differences are shown.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum Output {
    /// The objects' names
    Objects,
    /// The fields that differ
    #[default]
    Fields,
    /// A JSON patch an object, one a line
    JsonPatch,
    /// A unified diff of their YAML
    Yaml,
}

pub(super) fn run(flags: &DiffFlags) -> Result<()> {
    let client = flags.group.client()?;
    let DiffFlags { from, to, namespace, output, .. } = flags;
    super::client_runtime()?.block_on(print(&client, from, to, namespace, *output))
}

/// Prints what differs between two states.
pub(super) async fn print(
    client: &GroupClient,
    from: &str,
    to: &str,
    namespace: &str,
    output: Output,
) -> Result<()> {
    let show = match output {
        Output::Objects => "Objects",
        Output::Fields => "Fields",
        Output::JsonPatch => "JsonPatch",
        Output::Yaml => "Versions",
    };
    let spec = json!({"from": from, "to": to, "namespace": namespace, "show": show});
    let diff = json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Diff", "spec": spec});
    let path = format!("{COMMITS}/diffs");
    let answer = client.send_json(Method::POST, &path, &diff).await?;
    for object in answer["status"]["objects"].as_array().into_iter().flatten() {
        print!("{}", shown(object, output)?);
    }
    Ok(())
}

fn shown(object: &Value, output: Output) -> Result<String> {
    let named = named(object);
    let change = text(object, "/change").to_lowercase();
    Ok(match output {
        Output::Objects => format!("{named} {change}\n"),
        Output::Fields => format!("{named} {change}\n{}", fields_of(object)),
        Output::JsonPatch if object["jsonPatch"].is_array() => {
            format!("{named} {}\n", object["jsonPatch"])
        }
        Output::JsonPatch => format!("{named} {change}\n"),
        Output::Yaml => {
            let version = |side: &str| {
                let mut version = object.get(side)?.clone();
                if let Some(metadata) = version["metadata"].as_object_mut() {
                    metadata.retain(|field, _| !OF_THE_SERVER.contains(&field.as_str()));
                }
                Some(version)
            };
            let (old, new) = (version("old"), version("new"));
            let (a, b) = (format!("a/{named}"), format!("b/{named}"));
            unified_yaml(&a, &b, old.as_ref(), new.as_ref()).into_diagnostic()?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_output_tells_an_object_in_its_way() {
        let object = json!({
            "group": "apps", "resource": "deployments", "namespace": "shop", "name": "web",
            "change": "Updated",
            "fields": [{"path": ".spec.replicas", "before": 1, "after": 2}],
            "jsonPatch": [{"op": "replace", "path": "/spec/replicas", "value": 2}],
            "old": {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}},
            "new": {"metadata": {"resourceVersion": "2"}, "spec": {"replicas": 2}},
        });
        let told = |output| shown(&object, output).expect("told");
        assert_eq!(told(Output::Objects), "deployments.apps/web in shop updated\n");
        assert_eq!(
            told(Output::Fields),
            "deployments.apps/web in shop updated\n  .spec.replicas\n    - 1\n    + 2\n"
        );
        assert_eq!(
            told(Output::JsonPatch),
            "deployments.apps/web in shop \
             [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":2}]\n"
        );
        let yaml = told(Output::Yaml);
        assert!(yaml.contains("-  replicas: 1\n+  replicas: 2\n"), "{yaml}");
        assert!(!yaml.contains("resourceVersion"), "{yaml}");
    }
}
