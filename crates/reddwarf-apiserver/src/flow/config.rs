//! Flow schemas and priority levels as the objects of the cluster say them.

use super::queue::QueueShape;
use super::rule::{Digest, Rule};
use super::seats::{Seats, Shape};
use crate::bootstrap;
use crate::metrics::{FlowCounted, FlowMetrics};
use http::HeaderValue;
use reddwarf_core::{Collection, Revision, View};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
const SCHEMAS: &str = "flowschemas";
const LEVELS: &str = "prioritylevelconfigurations";
/// The part of a level's seats that one request may take.
const WIDTH_PART: f64 = 0.15;
/// The objects without which no request would be classified.
const CATCH_ALL: &str = "catch-all";

/// All of it, at some state of the objects.
pub struct Config {
    /// By precedence; the last one means every request that no other means.
    pub schemas: Vec<Schema>,
    read_from: Fingerprint,
}

/// A flow schema and its level.
pub struct Schema {
    /// Its name.
    pub name: String,
    /// `metadata.uid`, once the object is stored.
    pub uid: Option<HeaderValue>,
    /// The level's number.
    pub level: usize,
    /// The level's name.
    pub level_name: String,
    /// The level's `metadata.uid`.
    pub level_uid: Option<HeaderValue>,
    /// Whether the level has no limit.
    pub exempt: bool,
    /// Seats that one request may take.
    pub width_max: u32,
    /// Counts its requests.
    pub counted: FlowCounted,
    precedence: i64,
    distinguisher: Option<Distinguisher>,
    rules: Vec<Rule>,
}

/// By what flows of a schema are told apart.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum Distinguisher {
    ByUser,
    ByNamespace,
    #[serde(other)]
    Unknown,
}

/// Changes whenever one of the objects does.
type Fingerprint = (usize, Revision);

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Object<S: Default> {
    metadata: Metadata,
    spec: S,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    uid: String,
}

impl Metadata {
    fn uid(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.uid).ok().filter(|uid| !uid.is_empty())
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SchemaSpec {
    priority_level_configuration: Metadata,
    matching_precedence: Option<i64>,
    distinguisher_method: Option<Method>,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Method {
    #[serde(rename = "type")]
    kind: Distinguisher,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LevelSpec {
    #[serde(rename = "type")]
    kind: String,
    limited: Option<Limited>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Limited {
    nominal_concurrency_shares: Option<u32>,
    lendable_percent: Option<u32>,
    borrowing_limit_percent: Option<u32>,
    limit_response: LimitResponse,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LimitResponse {
    queuing: Option<Queuing>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Queuing {
    queues: Option<usize>,
    hand_size: Option<usize>,
    queue_length_limit: Option<usize>,
}

impl Config {
    /// Reads the objects and gives the levels their part of `total` seats. Until the cluster has
    /// its own, those count with which every cluster begins.
    pub fn read(view: &View, total: u32, seats: &mut Seats, metrics: &FlowMetrics) -> Self {
        let levels: Vec<Object<LevelSpec>> = objects(view, LEVELS);
        let mut schemas: Vec<Object<SchemaSpec>> = objects(view, SCHEMAS);
        schemas.sort_by(|a, b| key(a).cmp(&key(b)));
        let all_shares: u32 = levels.iter().map(|level| level.spec.shares()).sum();
        let shaped = levels.iter().map(|level| {
            let shape = level.spec.shape(total, all_shares);
            (level, shape, seats.shape(&level.metadata.name, shape))
        });
        let shaped: Vec<_> = shaped.collect();
        let names: Vec<&str> = levels.iter().map(|level| level.metadata.name.as_str()).collect();
        seats.retire_except(&names);
        let made = schemas.into_iter().filter_map(|schema| {
            let named = &schema.spec.priority_level_configuration.name;
            // Upstream, too, leaves out a schema whose level is not there.
            let (level, shape, at) = shaped.iter().find(|(l, ..)| l.metadata.name == *named)?;
            Some(Schema {
                uid: schema.metadata.uid(),
                level: *at,
                level_name: level.metadata.name.clone(),
                level_uid: level.metadata.uid(),
                exempt: shape.exempt,
                width_max: ((f64::from(shape.nominal) * WIDTH_PART).ceil() as u32).max(1),
                counted: metrics.counted(&level.metadata.name, &schema.metadata.name),
                precedence: key(&schema).0,
                distinguisher: schema.spec.distinguisher_method.as_ref().map(|m| m.kind),
                rules: schema.spec.rules,
                name: schema.metadata.name,
            })
        });
        let mut schemas: Vec<Schema> = made.collect();
        // The catch-all is looked at last whatever precedence an object of that name claims.
        schemas.sort_by_key(|schema| (schema.name == CATCH_ALL, schema.precedence));
        Config { schemas, read_from: fingerprint(view) }
    }

    /// Whether the objects in `view` are those that were read.
    pub fn is_of(&self, view: &View) -> bool {
        self.read_from == fingerprint(view)
    }

    /// The number of the schema that means a request.
    pub fn schema_of(&self, digest: &Digest<'_>) -> usize {
        let last = self.schemas.len() - 1;
        let found = self.schemas.iter().position(|s| s.rules.iter().any(|r| r.means(digest)));
        found.unwrap_or(last)
    }
}

impl Schema {
    /// What tells a request's flow from the schema's other flows.
    pub fn distinguished<'a>(&self, digest: &Digest<'a>) -> &'a str {
        match self.distinguisher {
            Some(Distinguisher::ByUser) => &digest.user.name,
            Some(Distinguisher::ByNamespace) => {
                digest.resource.and_then(|r| r.namespace.as_deref()).unwrap_or_default()
            }
            Some(Distinguisher::Unknown) | None => "",
        }
    }
}

fn key(schema: &Object<SchemaSpec>) -> (i64, &str) {
    (schema.spec.matching_precedence.unwrap_or(1_000), &schema.metadata.name)
}

fn fingerprint(view: &View) -> Fingerprint {
    let of = |resource| view.list(&Collection::new(GROUP, resource), None, None);
    let all = of(SCHEMAS).chain(of(LEVELS));
    all.fold((0, Revision::ZERO), |(count, last), object| (count + 1, last.max(object.revision)))
}

/// The objects of one resource: the stored ones, and of those with which every cluster begins
/// the ones that must be there.
fn objects<S: Default + DeserializeOwned>(view: &View, resource: &str) -> Vec<Object<S>> {
    let collection = Collection::new(GROUP, resource);
    let stored = view.list(&collection, None, None);
    let mut all: Vec<Object<S>> = stored
        .filter_map(|object| match serde_json::from_slice(&object.bytes) {
            Ok(read) => Some(read),
            Err(error) => {
                tracing::warn!(key = %object.key, %error, "cannot be read, and does not count");
                None
            }
        })
        .collect();
    let none = all.is_empty();
    let first = bootstrap::flow_objects().into_iter().filter(|(path, _)| path.ends_with(resource));
    for (_, object) in first {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let needed = none || matches!(name, "exempt" | CATCH_ALL);
        if needed && !all.iter().any(|there| there.metadata.name == name) {
            all.push(beginning(object));
        }
    }
    all
}

fn beginning<S: Default + DeserializeOwned>(object: Value) -> Object<S> {
    serde_json::from_value(object).expect("invariant: the first objects have this form")
}

impl LevelSpec {
    fn exempt(&self) -> bool {
        self.kind == "Exempt"
    }

    fn shares(&self) -> u32 {
        match &self.limited {
            Some(limited) if !self.exempt() => limited.nominal_concurrency_shares.unwrap_or(30),
            _ => 0,
        }
    }

    fn shape(&self, total: u32, all_shares: u32) -> Shape {
        let Some(limited) = self.limited.as_ref().filter(|_| !self.exempt()) else {
            return Shape { exempt: self.exempt(), ..Shape::default() };
        };
        let part = |of: u32, percent: u32| (u64::from(of) * u64::from(percent) / 100) as u32;
        let own = u64::from(total) * u64::from(self.shares());
        let nominal = own.div_ceil(u64::from(all_shares.max(1))) as u32;
        let lent = part(nominal, limited.lendable_percent.unwrap_or(0).min(100));
        let most = match limited.borrowing_limit_percent {
            Some(percent) => nominal.saturating_add(part(nominal, percent)),
            None => u32::MAX,
        };
        let queues =
            limited.limit_response.queuing.as_ref().map_or(QueueShape::default(), |q| QueueShape {
                queues: q.queues.unwrap_or(64),
                hand: q.hand_size.unwrap_or(8),
                length_max: q.queue_length_limit.unwrap_or(50),
            });
        Shape { exempt: false, nominal, kept: nominal - lent, most, queues }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Place, Query, RequestInfo};
    use crate::request::UserInfo;

    fn config(seats: &mut Seats) -> Config {
        Config::read(&View::default(), 600, seats, &FlowMetrics::default())
    }

    fn schema<'c>(config: &'c Config, user: &str, groups: &[&str], request: &str) -> &'c Schema {
        let (method, path) = request.split_once(' ').expect("method and path");
        let place = Place::parse(path);
        let resource: Option<&RequestInfo> = match &place {
            Place::Resource(info) => Some(info),
            Place::Other(_) => None,
        };
        let method: http::Method = method.parse().expect("a method");
        let verb = resource.map_or("get", |info| info.verb(&method, &Query::default()));
        let groups = groups.iter().map(|g| (*g).to_owned()).collect();
        let user = UserInfo::named(user, groups);
        &config.schemas[config.schema_of(&Digest { user: &user, verb, path, resource })]
    }

    const LEASE: &str = "PUT /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n";
    const PODS: &str = "GET /api/v1/namespaces/a/pods";

    #[test]
    fn where_requests_belong_in_a_new_cluster() {
        let config = config(&mut Seats::default());
        let (nodes, accounts) = ("system:nodes", "system:serviceaccounts");
        let anyone = "system:authenticated";
        let leader = "system:serviceaccount:kube-system:operator";
        for (user, groups, request, wanted, level) in [
            ("root", &["system:masters"][..], PODS, "exempt", "exempt"),
            ("n", &[nodes, anyone], LEASE, "system-node-high", "node-high"),
            ("n", &[nodes, anyone], "PUT /api/v1/nodes/n/status", "system-node-high", "node-high"),
            ("n", &[nodes, anyone], PODS, "system-nodes", "system"),
            (leader, &[accounts, anyone], LEASE, "system-leader-election", "leader-election"),
            (leader, &[accounts, anyone], PODS, "kube-system-service-accounts", "workload-high"),
            ("u", &[accounts, anyone], PODS, "service-accounts", "workload-low"),
            ("u", &[anyone], PODS, "global-default", "global-default"),
            ("u", &["system:unauthenticated"], "GET /readyz", "probes", "exempt"),
            ("u", &[], PODS, "catch-all", "catch-all"),
        ] {
            let found = schema(&config, user, groups, request);
            assert_eq!((&*found.name, &*found.level_name), (wanted, level), "{user} {request}");
            assert_eq!(found.exempt, level == "exempt");
        }
    }

    #[test]
    fn levels_share_all_seats() {
        let level = |shares: u32, lend: u32| LevelSpec {
            kind: "Limited".into(),
            limited: Some(Limited {
                nominal_concurrency_shares: Some(shares),
                lendable_percent: Some(lend),
                ..Limited::default()
            }),
        };
        let shape = level(40, 25).shape(600, 245);
        assert_eq!((shape.nominal, shape.kept, shape.most), (98, 74, u32::MAX));
        assert_eq!(shape.queues, QueueShape::default(), "it refuses");
        let exempt = LevelSpec { kind: "Exempt".into(), limited: None }.shape(600, 245);
        assert!(exempt.exempt);
    }
}
