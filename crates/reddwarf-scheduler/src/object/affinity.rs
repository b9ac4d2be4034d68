//! Node affinity: which nodes a pod asks for.

use super::node::NodeInfo;
use super::raw::{RawExpression, RawNodeTerm};
use reddwarf_core::selector::{Operator, Requirement};

/// Conditions on a node, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTerm {
    /// On labels; `None` when one of them cannot be understood, and then nothing matches.
    labels: Option<Vec<Requirement>>,
    /// On the name: whether it must be one of the list.
    names: Vec<(bool, Vec<Box<str>>)>,
}

impl NodeTerm {
    /// Reads a `NodeSelectorTerm`.
    pub fn from_raw(raw: RawNodeTerm) -> NodeTerm {
        let fields = raw.match_fields.unwrap_or_default();
        let expressions = raw.match_expressions.unwrap_or_default();
        let mut known = true;
        let mut names = Vec::with_capacity(fields.len());
        for field in fields {
            match (field.key.as_ref(), field.operator.as_ref()) {
                ("metadata.name", "In") => names.push((true, field.values.unwrap_or_default())),
                ("metadata.name", "NotIn") => names.push((false, field.values.unwrap_or_default())),
                _ => known = false,
            }
        }
        let labels: Option<Vec<_>> = expressions.into_iter().map(requirement).collect();
        // A term without any condition matches no node.
        let empty = names.is_empty() && labels.as_ref().is_some_and(Vec::is_empty);
        NodeTerm { labels: labels.filter(|_| known && !empty), names }
    }

    /// Whether a node fulfils it.
    pub fn matches(&self, node: &NodeInfo) -> bool {
        let Some(labels) = &self.labels else { return false };
        labels.iter().all(|requirement| requirement.matches(&node.labels))
            && self.names.iter().all(|(within, names)| {
                names.iter().any(|name| name.as_ref() == node.name.as_ref()) == *within
            })
    }
}

fn requirement(raw: RawExpression) -> Option<Requirement> {
    let operator = match raw.operator.as_ref() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::GreaterThan,
        "Lt" => Operator::LessThan,
        _ => return None,
    };
    Requirement::new(&raw.key, operator, raw.values.unwrap_or_default()).ok()
}
