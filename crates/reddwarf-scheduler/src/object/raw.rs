//! The parts of the API's JSON that are read. Every field may be absent, so that one shape reads
//! objects, bookmarks and the `Status` of a failed watch alike.

use reddwarf_core::Quantity;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// A `ResourceList`.
pub type Amounts = BTreeMap<Box<str>, Amount>;

/// A quantity in JSON: a string, or a number.
#[derive(Clone, Copy, Debug)]
pub struct Amount(pub Quantity);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Amount, E> {
                text.parse().map(Amount).map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Amount, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Amount, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Amount, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// One frame of a watch.
#[derive(Debug, Deserialize)]
pub struct Frame<T> {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    #[serde(rename = "type")]
    pub kind: Box<str>,
    /// The object.
    pub object: T,
}

/// A list.
#[derive(Debug, Deserialize)]
pub struct List<T> {
    /// Its metadata.
    #[serde(default)]
    pub metadata: ListMeta,
    /// Its items.
    #[serde(default = "Vec::new")]
    pub items: Vec<T>,
}

/// Metadata of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListMeta {
    /// Where a watch goes on.
    pub resource_version: String,
    /// Token of the next page, empty on the last.
    pub r#continue: String,
}

/// Metadata of an object.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct RawMeta {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub resource_version: String,
    pub generation: i64,
    pub deletion_timestamp: Option<Box<str>>,
    pub labels: Option<BTreeMap<Box<str>, Box<str>>>,
}

/// A pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct RawPod {
    pub metadata: RawMeta,
    pub spec: RawPodSpec,
    pub status: RawPodStatus,
    /// Only in the `Status` of a failed watch.
    pub code: u16,
}

/// A node.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct RawNode {
    pub metadata: RawMeta,
    pub spec: RawNodeSpec,
    pub status: RawNodeStatus,
    /// Only in the `Status` of a failed watch.
    pub code: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct RawNodeSpec {
    pub unschedulable: Option<bool>,
    pub taints: Option<Vec<RawTaint>>,
}

// `Status.status` is a string and must not fail here.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct RawNodeStatus {
    pub allocatable: Option<Amounts>,
}

#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct RawPodStatus {
    pub conditions: Option<Vec<RawCondition>>,
}

macro_rules! map_or_text {
    ($name:ident, $field:ident: $of:ty) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Either;
                impl<'de> Visitor<'de> for Either {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a status")
                    }

                    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<$name, E> {
                        Ok($name::default())
                    }

                    fn visit_unit<E: serde::de::Error>(self) -> Result<$name, E> {
                        Ok($name::default())
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        map: A,
                    ) -> Result<$name, A::Error> {
                        #[derive(Default, Deserialize)]
                        #[serde(default)]
                        struct Map {
                            $field: Option<$of>,
                        }
                        let map =
                            Map::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                        Ok($name { $field: map.$field })
                    }
                }
                deserializer.deserialize_any(Either)
            }
        }
    };
}

map_or_text!(RawNodeStatus, allocatable: Amounts);
map_or_text!(RawPodStatus, conditions: Vec<RawCondition>);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct RawCondition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: Box<str>,
    pub reason: Box<str>,
    pub message: Box<str>,
    pub last_transition_time: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct RawTaint {
    pub key: Box<str>,
    pub value: Box<str>,
    pub effect: Box<str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct RawToleration {
    pub key: Box<str>,
    pub operator: Box<str>,
    pub value: Box<str>,
    pub effect: Box<str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct RawPodSpec {
    pub node_name: Option<Box<str>>,
    pub scheduler_name: Option<Box<str>>,
    pub scheduling_gates: Option<Vec<serde::de::IgnoredAny>>,
    pub priority: Option<i32>,
    pub preemption_policy: Option<Box<str>>,
    pub node_selector: Option<BTreeMap<Box<str>, Box<str>>>,
    pub affinity: Option<RawAffinity>,
    pub tolerations: Option<Vec<RawToleration>>,
    pub containers: Option<Vec<RawContainer>>,
    pub init_containers: Option<Vec<RawContainer>>,
    pub overhead: Option<Amounts>,
    pub resources: Option<RawRequirements>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct RawContainer {
    pub restart_policy: Option<Box<str>>,
    pub resources: Option<RawRequirements>,
    pub ports: Option<Vec<RawPort>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct RawRequirements {
    pub requests: Option<Amounts>,
    pub limits: Option<Amounts>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct RawPort {
    #[serde(rename = "hostIP")]
    pub host_ip: Option<Box<str>>,
    pub host_port: Option<u16>,
    pub protocol: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct RawAffinity {
    pub node_affinity: Option<RawNodeAffinity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct RawNodeAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Option<RawNodeSelector>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    pub preferred: Option<Vec<RawPreferred>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct RawNodeSelector {
    pub node_selector_terms: Vec<RawNodeTerm>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct RawPreferred {
    pub weight: i64,
    pub preference: RawNodeTerm,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct RawNodeTerm {
    pub match_expressions: Option<Vec<RawExpression>>,
    pub match_fields: Option<Vec<RawExpression>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct RawExpression {
    pub key: Box<str>,
    pub operator: Box<str>,
    pub values: Option<Vec<Box<str>>>,
}
