//! Defaults of what extends admission and the API.

use super::fill::{at, each, fill, fill_empty, list, put, text, within};
use serde_json::{Value, json};

/// A validating webhook configuration.
pub fn validating_webhooks(object: &mut Value) {
    each(object, "webhooks", webhook);
}

/// A mutating webhook configuration.
pub fn mutating_webhooks(object: &mut Value) {
    each(object, "webhooks", |hook| {
        webhook(hook);
        fill(hook, "reinvocationPolicy", "Never");
    });
}

fn webhook(hook: &mut Value) {
    fill(hook, "failurePolicy", "Fail");
    fill(hook, "timeoutSeconds", 10);
    selectors(hook);
    each(hook, "rules", |rule| fill(rule, "scope", "*"));
    within(hook, "clientConfig.service", |service| fill(service, "port", 443));
}

fn selectors(of: &mut Value) {
    fill(of, "matchPolicy", "Equivalent");
    fill(of, "namespaceSelector", json!({}));
    fill(of, "objectSelector", json!({}));
}

/// An admission policy, validating or mutating.
pub fn policy(object: &mut Value) {
    fill(object, "spec.failurePolicy", "Fail");
    within(object, "spec.matchConstraints", match_resources);
}

/// The binding of an admission policy.
pub fn policy_binding(object: &mut Value) {
    within(object, "spec.matchResources", match_resources);
}

fn match_resources(resources: &mut Value) {
    selectors(resources);
    for rules in ["resourceRules", "excludeResourceRules"] {
        each(resources, rules, |rule| fill(rule, "scope", "*"));
    }
}

/// An API service.
pub fn api_service(object: &mut Value) {
    within(object, "spec.service", |service| fill(service, "port", 443));
}

/// A custom resource definition.
pub fn custom_resource_definition(object: &mut Value) {
    within(object, "spec", |spec| {
        let kind = text(spec, "names.kind").to_owned();
        if !kind.is_empty() {
            fill_empty(spec, "names.singular", kind.to_lowercase());
            fill_empty(spec, "names.listKind", format!("{kind}List"));
        }
        fill(spec, "conversion.strategy", "None");
        if at(spec, "conversion.webhook.clientConfig.service").is_some() {
            fill(spec, "conversion.webhook.clientConfig.service.port", 443);
        }
    });
    let storage = list(object, "spec.versions").iter().find(|v| v["storage"] == true);
    if let Some(name) = storage.map(|version| version["name"].clone())
        && list(object, "status.storedVersions").is_empty()
    {
        put(object, "status.storedVersions", json!([name]));
    }
}
