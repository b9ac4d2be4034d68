//! What a service's specification asks of the pools.

use super::{Extra, addresses, ports};
use crate::object;
use crate::validation::read::{int, is_empty, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, invalid, service_address};
use reddwarf_core::{Status, View};
use serde_json::{Value, json};

fn spec_path() -> FieldPath {
    FieldPath::new("spec")
}

fn refused(service: &Value, errors: &ErrorList) -> Box<Status> {
    Box::new(invalid("", "Service", object::name(service), errors))
}

fn is_external_name(service: &Value) -> bool {
    text(&service["spec"], "type") == "ExternalName"
}

/// Whether the service wants an address; a headless one says `None`.
fn needs_address(service: &Value) -> bool {
    !is_external_name(service) && text(&service["spec"], "clusterIP") != "None"
}

fn needs_node_ports(service: &Value) -> bool {
    let spec = &service["spec"];
    match text(spec, "type") {
        "NodePort" => true,
        "LoadBalancer" => spec.get("allocateLoadBalancerNodePorts") != Some(&json!(false)),
        _ => false,
    }
}

fn needs_health_check_port(service: &Value) -> bool {
    let spec = &service["spec"];
    text(spec, "type") == "LoadBalancer" && text(spec, "externalTrafficPolicy") == "Local"
}

/// The numbers of all node ports that a service holds, each once.
fn held_ports(service: &Value) -> Vec<i64> {
    let spec = &service["spec"];
    let mut held: Vec<i64> = items(spec, "ports")
        .iter()
        .filter_map(|port| int(port, "nodePort"))
        .chain(int(spec, "healthCheckNodePort"))
        .filter(|port| *port != 0)
        .collect();
    held.sort_unstable();
    held.dedup();
    held
}

/// Allocates for a new service.
pub fn create(service: &mut Value, view: &View) -> Result<Extra, Box<Status>> {
    let mut extra = Extra::default();
    let spec = &mut service["spec"];
    if spec.is_null() {
        *spec = json!({});
    }
    if !text(spec, "clusterIP").is_empty() && items(spec, "clusterIPs").is_empty() {
        spec["clusterIPs"] = json!([spec["clusterIP"]]);
    }
    families(service, &Value::Null)?;
    address(service, view, &mut extra)?;
    node_ports(service, None, view, &mut extra)?;
    Ok(extra)
}

/// Allocates and gives back for an update.
pub fn update(service: &mut Value, old: &Value, view: &View) -> Result<Extra, Box<Status>> {
    let mut extra = Extra::default();
    if service["spec"].is_null() {
        service["spec"] = json!({});
    }
    carry_over(service, old);
    let changed = text(&service["spec"], "type") != text(&old["spec"], "type");
    if changed {
        drop_what_the_type_leaves(service, old);
    }
    families(service, old)?;
    match (needs_address(old), is_external_name(service)) {
        (true, true) => {
            for address in items(&old["spec"], "clusterIPs").iter().filter_map(Value::as_str) {
                addresses::give_back(&mut extra, view, address);
            }
        }
        (false, false) if is_external_name(old) => address(service, view, &mut extra)?,
        _ => {}
    }
    node_ports(service, Some(old), view, &mut extra)?;
    Ok(extra)
}

/// Gives back all that a service holds.
pub fn remove(service: &Value, view: &View) -> Extra {
    let mut extra = Extra::default();
    if needs_address(service) {
        for address in items(&service["spec"], "clusterIPs").iter().filter_map(Value::as_str) {
            addresses::give_back(&mut extra, view, address);
        }
    }
    for port in held_ports(service) {
        ports::give_back(&mut extra, view, port);
    }
    extra
}

/// The families of a service in a cluster that has IPv4 only.
fn families(service: &mut Value, old: &Value) -> Result<(), Box<Status>> {
    if is_external_name(service) {
        return Ok(());
    }
    let spec = &service["spec"];
    let at = spec_path().child("ipFamilies");
    let mut errors = service_address::related(spec, &old["spec"], &spec_path());
    if !errors.is_empty() {
        return Err(refused(service, &errors));
    }
    for (i, family) in items(spec, "ipFamilies").iter().enumerate() {
        let family = family.as_str().unwrap_or_default();
        if family == "IPv6" {
            let detail = "not configured on this cluster";
            errors.push(FieldError::invalid(at.index(i), family, detail));
        }
    }
    if errors.is_empty() && text(spec, "ipFamilyPolicy") == "RequireDualStack" {
        let selectorless_headless =
            text(spec, "clusterIP") == "None" && spec.get("selector").is_none_or(is_empty);
        if !selectorless_headless {
            let detail = "this cluster is not configured for dual-stack services";
            let path = spec_path().child("ipFamilyPolicy");
            errors.push(FieldError::invalid(path, "RequireDualStack", detail));
        }
    }
    if !errors.is_empty() {
        return Err(refused(service, &errors));
    }
    let spec = &mut service["spec"];
    if text(spec, "ipFamilyPolicy").is_empty() {
        spec["ipFamilyPolicy"] = json!("SingleStack");
    }
    if items(spec, "ipFamilies").is_empty() {
        spec["ipFamilies"] = json!(["IPv4"]);
    }
    Ok(())
}

fn address(service: &mut Value, view: &View, extra: &mut Extra) -> Result<(), Box<Status>> {
    if !needs_address(service) {
        return Ok(());
    }
    let wanted = text(&service["spec"], "clusterIP").to_owned();
    let path = spec_path().child("clusterIPs");
    if wanted.is_empty() {
        let Some(address) = addresses::take_any(extra, view, service) else {
            let detail = "failed to allocate a serviceIP: range is full";
            return Err(refused(service, &vec![FieldError::invalid(path, json!([]), detail)]));
        };
        service["spec"]["clusterIPs"] = json!([address]);
        service["spec"]["clusterIP"] = address.into();
        return Ok(());
    }
    addresses::take(extra, view, &wanted, service).map_err(|why| {
        let detail = format!("failed to allocate IP {wanted}: {why}");
        let value = service["spec"]["clusterIPs"].clone();
        refused(service, &vec![FieldError::invalid(path, value, detail)])
    })
}

/// Chooses and takes node ports, keeps those that `old` has too, and gives back the others.
fn node_ports(
    service: &mut Value,
    old: Option<&Value>,
    view: &View,
    extra: &mut Extra,
) -> Result<(), Box<Status>> {
    let before = old.map(held_ports).unwrap_or_default();
    let mut own = if needs_node_ports(service) || needs_health_check_port(service) {
        held_ports(service)
    } else {
        Vec::new()
    };
    check_asked(service, &own, &before, view)?;
    if needs_node_ports(service) {
        for at in 0..items(&service["spec"], "ports").len() {
            let port = &service["spec"]["ports"][at];
            if int(port, "nodePort").unwrap_or_default() == 0 {
                let chosen = choose(service, &own, view, at)?;
                own.push(chosen);
                service["spec"]["ports"][at]["nodePort"] = chosen.into();
            }
        }
    }
    if needs_health_check_port(service)
        && int(&service["spec"], "healthCheckNodePort").unwrap_or_default() == 0
    {
        let chosen = choose(service, &own, view, 0)?;
        own.push(chosen);
        service["spec"]["healthCheckNodePort"] = chosen.into();
    }
    for port in own.iter().filter(|port| !before.contains(port)) {
        ports::take(extra, *port, service);
    }
    for port in before.iter().filter(|port| !own.contains(port)) {
        ports::give_back(extra, view, *port);
    }
    Ok(())
}

fn choose(service: &Value, own: &[i64], view: &View, at: usize) -> Result<i64, Box<Status>> {
    ports::pick(view, own).ok_or_else(|| {
        let path = spec_path().child("ports").index(at).child("nodePort");
        let detail = "failed to allocate a nodePort: range is full";
        refused(service, &vec![FieldError::invalid(path, 0, detail)])
    })
}

/// Refuses ports that the service names but cannot have.
fn check_asked(
    service: &Value,
    own: &[i64],
    before: &[i64],
    view: &View,
) -> Result<(), Box<Status>> {
    let asked = items(&service["spec"], "ports").iter().enumerate().filter_map(|(at, port)| {
        let path = spec_path().child("ports").index(at).child("nodePort");
        Some((path, int(port, "nodePort")?))
    });
    let health = int(&service["spec"], "healthCheckNodePort")
        .map(|port| (spec_path().child("healthCheckNodePort"), port));
    let mut errors = ErrorList::new();
    for (path, port) in asked.chain(health) {
        if !own.contains(&port) || before.contains(&port) {
            continue;
        }
        if !ports::NODE_PORTS.contains(&port) {
            errors.push(FieldError::invalid(path, port, ports::OUTSIDE));
        } else if ports::is_taken(view, port) {
            errors.push(FieldError::invalid(path, port, "provided port is already allocated"));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(refused(service, &errors)) }
}

/// Fills in what was allocated before and the client left out.
fn carry_over(service: &mut Value, old: &Value) {
    linked_addresses(service, old);
    let old_spec = &old["spec"];
    if needs_address(old)
        && needs_address(service)
        && text(&service["spec"], "clusterIP").is_empty()
    {
        for field in ["clusterIP", "clusterIPs"] {
            service["spec"][field] = old_spec[field].clone();
        }
    }
    if !is_external_name(service) && !is_external_name(old) {
        for field in ["ipFamilyPolicy", "ipFamilies"] {
            if service["spec"].get(field).is_none_or(is_empty)
                && let Some(value) = old_spec.get(field)
            {
                service["spec"][field] = value.clone();
            }
        }
    }
    if needs_node_ports(old) && needs_node_ports(service) {
        carry_over_ports(service, old_spec);
    }
    if needs_health_check_port(old)
        && needs_health_check_port(service)
        && int(&service["spec"], "healthCheckNodePort").unwrap_or_default() == 0
    {
        service["spec"]["healthCheckNodePort"] = old_spec["healthCheckNodePort"].clone();
    }
}

fn carry_over_ports(service: &mut Value, old_spec: &Value) {
    let named: Vec<i64> = held_ports(service);
    for port in service["spec"]["ports"].as_array_mut().into_iter().flatten() {
        if int(port, "nodePort").unwrap_or_default() != 0 {
            continue;
        }
        let same = items(old_spec, "ports")
            .iter()
            .find(|o| o["port"] == port["port"] && text(o, "protocol") == text(port, "protocol"));
        if let Some(held) = same.and_then(|o| int(o, "nodePort"))
            && !named.contains(&held)
        {
            port["nodePort"] = held.into();
        }
    }
}

/// A client that knows one of `clusterIP` and `clusterIPs` only means both.
fn linked_addresses(service: &mut Value, old: &Value) {
    let (old_spec, spec) = (&old["spec"], &mut service["spec"]);
    let same_one = text(spec, "clusterIP") == text(old_spec, "clusterIP");
    let same_list = items(spec, "clusterIPs") == items(old_spec, "clusterIPs");
    if same_one {
        if items(spec, "clusterIPs").is_empty() && !items(old_spec, "clusterIPs").is_empty() {
            spec["clusterIPs"] = old_spec["clusterIPs"].clone();
        }
    } else if same_list && !items(old_spec, "clusterIPs").is_empty() {
        if text(spec, "clusterIP").is_empty() {
            unset(spec, &["clusterIPs"]);
        } else {
            spec["clusterIPs"][0] = spec["clusterIP"].clone();
        }
    } else if items(spec, "clusterIPs").is_empty() && !text(spec, "clusterIP").is_empty() {
        spec["clusterIPs"] = json!([spec["clusterIP"]]);
    }
}

fn unset(value: &mut Value, fields: &[&str]) {
    if let Some(map) = value.as_object_mut() {
        fields.iter().for_each(|field| {
            map.remove(*field);
        });
    }
}

/// Removes what only the old type uses, unless the client changed it in the same request.
fn drop_what_the_type_leaves(service: &mut Value, old: &Value) {
    let unchanged =
        |service: &Value, field: &str| service["spec"].get(field) == old["spec"].get(field);
    if is_external_name(service) {
        for fields in [["clusterIP", "clusterIPs"], ["ipFamilies", "ipFamilyPolicy"]] {
            if fields.iter().all(|f| unchanged(service, f) || service["spec"].get(*f).is_none()) {
                unset(&mut service["spec"], &fields);
            }
        }
        if unchanged(service, "internalTrafficPolicy") {
            unset(&mut service["spec"], &["internalTrafficPolicy"]);
        }
    }
    if needs_node_ports(old) && !needs_node_ports(service) {
        let held = items(&old["spec"], "ports");
        for port in service["spec"]["ports"].as_array_mut().into_iter().flatten() {
            let kept =
                |o: &Value| o["port"] == port["port"] && o.get("nodePort") == port.get("nodePort");
            if held.iter().any(kept) {
                unset(port, &["nodePort"]);
            }
        }
    }
    if needs_health_check_port(old)
        && !needs_health_check_port(service)
        && unchanged(service, "healthCheckNodePort")
    {
        unset(&mut service["spec"], &["healthCheckNodePort"]);
    }
    let outside = |s: &Value| ["NodePort", "LoadBalancer"].contains(&text(&s["spec"], "type"));
    if outside(old) && !outside(service) && unchanged(service, "externalTrafficPolicy") {
        unset(&mut service["spec"], &["externalTrafficPolicy"]);
    }
    if text(&old["spec"], "type") == "LoadBalancer" {
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if unchanged(service, field) {
                unset(&mut service["spec"], &[field]);
            }
        }
    }
}
