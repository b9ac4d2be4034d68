//! `DefaultTolerationSeconds`: a pod stays five minutes on a node that went silent.

use super::{Attributes, Operation, Plugin};
use crate::validation::read::{items, text};
use async_trait::async_trait;
use reddwarf_core::Status;
use serde_json::{Value, json};

const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const TOLERATION_SECONDS: u64 = 300;

/// The plugin.
pub struct DefaultTolerationSeconds;

#[async_trait]
impl Plugin for DefaultTolerationSeconds {
    fn name(&self) -> &'static str {
        "DefaultTolerationSeconds"
    }

    async fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
        let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
        if attributes.is_pod() && writes {
            tolerate(&mut attributes.object["spec"]);
        }
        Ok(())
    }
}

fn tolerate(spec: &mut Value) {
    for taint in TAINTS {
        let tolerated = items(spec, "tolerations").iter().any(|toleration| {
            ["", taint].contains(&text(toleration, "key"))
                && ["", "NoExecute"].contains(&text(toleration, "effect"))
        });
        if tolerated {
            continue;
        }
        let toleration = json!({
            "key": taint, "operator": "Exists", "effect": "NoExecute",
            "tolerationSeconds": TOLERATION_SECONDS,
        });
        match spec["tolerations"].as_array_mut() {
            Some(list) => list.push(toleration),
            None => spec["tolerations"] = json!([toleration]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_tolerations_count() {
        let keys = |tolerations: Value| {
            let mut spec = json!({"tolerations": tolerations});
            tolerate(&mut spec);
            items(&spec, "tolerations").len()
        };
        assert_eq!(keys(json!([])), 2);
        assert_eq!(keys(json!([{"operator": "Exists"}])), 1);
        assert_eq!(keys(json!([{"key": TAINTS[0], "effect": "NoSchedule"}])), 3);
        assert_eq!(keys(json!([{"key": TAINTS[1], "operator": "Exists"}])), 2);
    }
}
