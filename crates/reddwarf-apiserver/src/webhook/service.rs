//! Addresses of a service, as this member's state has them.
//!
//! A member need not run where services' own addresses lead anywhere, so it calls the endpoints
//! that are ready, and the service's address only after those.

use super::client_config::ServiceReference;
use crate::representation::parse;
use rand::seq::SliceRandom;
use reddwarf_core::{Collection, ObjectKey, Store, StoredObject, View};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use thiserror::Error;

/// Names the service in the labels of its slices.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Finds the addresses of one service whenever a connection is opened.
pub(super) struct ServiceResolver {
    pub store: Arc<dyn Store>,
    pub service: ServiceReference,
}

/// Where a service leads.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// To these addresses, the best one first.
    Addresses(Vec<SocketAddr>),
    /// To another name.
    Name(String, u16),
}

/// Why a service leads nowhere.
#[derive(Debug, Error, PartialEq, Eq)]
enum Nowhere {
    #[error("service {0:?} not found")]
    Unknown(String),
    #[error("no service port {port} found for service {service:?}")]
    NoPort { port: u16, service: String },
    #[error("no endpoints available for service {0:?}")]
    NoEndpoints(String),
}

impl Resolve for ServiceResolver {
    fn resolve(&self, _: Name) -> Resolving {
        let place = place(&self.store.view(), &self.service);
        Box::pin(async move {
            let addresses: Addrs = match place? {
                Place::Addresses(addresses) => Box::new(addresses.into_iter()),
                Place::Name(host, port) => {
                    let found: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
                    Box::new(found.into_iter())
                }
            };
            Ok(addresses)
        })
    }
}

fn place(view: &View, reference: &ServiceReference) -> Result<Place, Nowhere> {
    let (namespace, name, port) = (&reference.namespace, &reference.name, reference.port());
    let key = ObjectKey::new("", "services", namespace, name);
    let stored = view.get(&key).ok_or_else(|| Nowhere::Unknown(name.clone()))?;
    let spec = &parse(&stored.bytes)["spec"];
    if spec["type"] == "ExternalName" {
        let host = spec["externalName"].as_str().unwrap_or_default();
        return Ok(Place::Name(host.to_owned(), port));
    }
    let ports = spec["ports"].as_array();
    let found = ports.into_iter().flatten().find(|p| p["port"] == port);
    let found = found.ok_or_else(|| Nowhere::NoPort { port, service: name.clone() })?;
    let port_name = text(found, "name");
    let mut addresses = of_slices(view, reference, port_name);
    if addresses.is_empty() {
        addresses = of_endpoints(view, reference, port_name);
    }
    addresses.shuffle(&mut rand::rng());
    let own = text(spec, "clusterIP").parse::<IpAddr>().ok();
    addresses.extend(own.map(|ip| SocketAddr::new(ip, port)));
    match addresses.is_empty() {
        true => Err(Nowhere::NoEndpoints(name.clone())),
        false => Ok(Place::Addresses(addresses)),
    }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The number of the port of that name.
fn port_of(ports: &Value, name: &str) -> Option<u16> {
    let found = items(ports).find(|port| text(port, "name") == name)?;
    u16::try_from(found["port"].as_u64()?).ok()
}

fn of_slices(view: &View, reference: &ServiceReference, port: &str) -> Vec<SocketAddr> {
    let slices = Collection::new("discovery.k8s.io", "endpointslices");
    let belongs = |slice: &&Arc<StoredObject>| {
        let mut labels = slice.index.labels.iter();
        labels.any(|(key, value)| &**key == SERVICE_NAME && **value == *reference.name)
    };
    let slices = view.list(&slices, Some(&reference.namespace), None).filter(belongs);
    slices.flat_map(|slice| of_slice(&parse(&slice.bytes), port)).collect()
}

fn of_slice(slice: &Value, port: &str) -> Vec<SocketAddr> {
    let Some(port) = port_of(&slice["ports"], port) else { return Vec::new() };
    let ready = items(&slice["endpoints"]).filter(|e| e["conditions"]["ready"] != false);
    // Endpoints have several addresses only for those who know what for.
    let first = ready.filter_map(|endpoint| endpoint["addresses"][0].as_str()?.parse().ok());
    first.map(|ip| SocketAddr::new(ip, port)).collect()
}

fn of_endpoints(view: &View, reference: &ServiceReference, port: &str) -> Vec<SocketAddr> {
    let key = ObjectKey::new("", "endpoints", &reference.namespace, &reference.name);
    let Some(stored) = view.get(&key) else { return Vec::new() };
    let endpoints = parse(&stored.bytes);
    let of_subset = |subset: &Value| -> Vec<SocketAddr> {
        let Some(port) = port_of(&subset["ports"], port) else { return Vec::new() };
        let ips = items(&subset["addresses"]).filter_map(|a| text(a, "ip").parse().ok());
        ips.map(|ip| SocketAddr::new(ip, port)).collect()
    };
    items(&endpoints["subsets"]).flat_map(of_subset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use reddwarf_core::{ObjectIndex, Revision};
    use serde_json::json;

    fn store(view: &mut View, key: ObjectKey, labels: &[(&str, &str)], object: &Value) {
        let labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let stored = StoredObject {
            key: key.clone(),
            revision: Revision(1),
            created: Revision(1),
            bytes: Bytes::from(object.to_string()),
            version_at: (0, 0),
            index: ObjectIndex { labels, ..ObjectIndex::default() },
            salt: None,
            content: Default::default(),
        };
        view.objects.insert(key, Arc::new(stored));
    }

    /// A state with the service `s` in the namespace `n`.
    fn with_service(spec: Value) -> View {
        let mut view = View::default();
        let key = ObjectKey::new("", "services", "n", "s");
        store(&mut view, key, &[], &json!({"spec": spec}));
        view
    }

    fn found(view: &View, port: u16) -> Result<Vec<String>, String> {
        let reference = ServiceReference {
            namespace: "n".into(),
            name: "s".into(),
            path: None,
            port: Some(port),
        };
        match place(view, &reference) {
            Ok(Place::Addresses(addresses)) => {
                Ok(addresses.iter().map(ToString::to_string).collect())
            }
            Ok(Place::Name(host, port)) => Ok(vec![format!("{host}:{port}")]),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn endpoints_come_before_the_service_itself() {
        let ports = json!([{"name": "hook", "port": 443}]);
        let spec = json!({"type": "ClusterIP", "clusterIP": "10.96.0.7", "ports": ports});
        let mut view = with_service(spec);
        assert_eq!(found(&view, 443), Ok(vec!["10.96.0.7:443".into()]));
        assert_eq!(found(&view, 444), Err("no service port 444 found for service \"s\"".into()));
        let subsets = json!([{"addresses": [{"ip": "10.0.0.1"}],
            "notReadyAddresses": [{"ip": "10.0.0.2"}], "ports": [{"name": "hook", "port": 9443}]}]);
        let key = ObjectKey::new("", "endpoints", "n", "s");
        store(&mut view, key, &[], &json!({"subsets": subsets}));
        let both = |endpoint: &str| Ok(vec![endpoint.to_owned(), "10.96.0.7:443".to_owned()]);
        assert_eq!(found(&view, 443), both("10.0.0.1:9443"));
        let slice = json!({"ports": [{"name": "hook", "port": 9444}],
            "endpoints": [{"addresses": ["10.0.0.3"], "conditions": {"ready": true}}]});
        for (name, service) in [("s-1", "s"), ("t-1", "t")] {
            let key = ObjectKey::new("discovery.k8s.io", "endpointslices", "n", name);
            store(&mut view, key, &[(SERVICE_NAME, service)], &slice);
        }
        assert_eq!(found(&view, 443), both("10.0.0.3:9444"));
    }

    #[test]
    fn services_without_addresses() {
        assert_eq!(found(&View::default(), 443), Err("service \"s\" not found".into()));
        let ports = json!([{"port": 443}]);
        let headless = with_service(json!({"clusterIP": "None", "ports": ports}));
        assert_eq!(found(&headless, 443), Err("no endpoints available for service \"s\"".into()));
        let elsewhere = json!({"type": "ExternalName", "externalName": "hooks.test"});
        assert_eq!(found(&with_service(elsewhere), 9443), Ok(vec!["hooks.test:9443".into()]));
    }

    #[test]
    fn a_slice_gives_what_is_ready_at_the_port_of_that_name() {
        let slice = json!({
            "ports": [{"name": "metrics", "port": 1}, {"name": "hook", "port": 9443}],
            "endpoints": [
                {"addresses": ["10.0.0.1", "10.0.0.9"], "conditions": {"ready": true}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": false}},
                {"addresses": ["10.0.0.3"]},
                {"addresses": ["a.name"]},
            ],
        });
        let shown: Vec<_> = of_slice(&slice, "hook").iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.0.0.1:9443", "10.0.0.3:9443"]);
        assert!(of_slice(&slice, "other").is_empty());
        let unnamed = json!({"ports": [{"port": 8443}], "endpoints": [{"addresses": ["::1"]}]});
        assert_eq!(of_slice(&unnamed, "")[0].to_string(), "[::1]:8443");
    }
}
