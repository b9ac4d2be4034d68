//! What extends the API.

use super::cell::{condition, count};
use super::{AGE, NAME, worded};
use crate::defaults::fill::{at, list, text};
use crate::registry::{Column, RowContext};
use serde_json::Value;

/// Webhook configurations.
pub const WEBHOOKS: &[Column] = &[
    NAME,
    worded(
        "Webhooks",
        "Webhooks indicates the number of webhooks registered in this configuration",
        |o, _| count(o, "webhooks").into(),
    )
    .of("integer"),
    AGE,
];

const PARAM_KIND: Column = worded(
    "ParamKind",
    "ParamKind specifies the kind of resources used to parameterize this policy",
    |o, _| match at(o, "spec.paramKind") {
        Some(kind) => format!("{}/{}", text(kind, "apiVersion"), text(kind, "kind")).into(),
        None => "<unset>".into(),
    },
);

/// Validating policies.
pub const VALIDATING_POLICY: &[Column] = &[
    NAME,
    worded(
        "Validations",
        "Validations indicates the number of validation rules defined in this configuration",
        |o, _| count(o, "spec.validations").into(),
    )
    .of("integer"),
    PARAM_KIND,
    AGE,
];

/// Mutating policies.
pub const MUTATING_POLICY: &[Column] = &[
    NAME,
    worded(
        "Mutations",
        "Mutation indicates the number of mutations rules defined in this configuration",
        |o, _| count(o, "spec.mutations").into(),
    )
    .of("integer"),
    PARAM_KIND,
    AGE,
];

/// Bindings of policies.
pub const POLICY_BINDING: &[Column] = &[
    NAME,
    worded(
        "PolicyName",
        "PolicyName indicates the policy definition which the policy binding binded to",
        |o, _| text(o, "spec.policyName").into(),
    ),
    worded(
        "ParamRef",
        "ParamRef indicates the param resource which sets the configuration param",
        param_ref,
    ),
    AGE,
];

fn param_ref(binding: &Value, _: &RowContext) -> Value {
    let Some(reference) = at(binding, "spec.paramRef") else { return "<unset>".into() };
    let (namespace, name) = (text(reference, "namespace"), text(reference, "name"));
    match (name, at(reference, "selector")) {
        ("", Some(selector)) => go_selector(selector).into(),
        _ if namespace.is_empty() => name.into(),
        _ => format!("{namespace}/{name}").into(),
    }
}

/// A label selector in the notation of Go's generated types, which upstream shows here.
fn go_selector(selector: &Value) -> String {
    let mut labels: Vec<String> = at(selector, "matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}: {},", v.as_str().unwrap_or_default()))
        .collect();
    labels.sort_unstable();
    let expressions: Vec<String> = list(selector, "matchExpressions")
        .iter()
        .map(|e| {
            let values = super::cell::texts(e, "values", " ");
            let (key, operator) = (text(e, "key"), text(e, "operator"));
            format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},")
        })
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{}}},MatchExpressions:[]LabelSelectorRequirement{{{}}},}}",
        labels.join(" "),
        expressions.concat()
    )
}

/// API services.
pub const API_SERVICE: &[Column] = &[
    NAME,
    worded(
        "Service",
        "The reference to the service that hosts this API endpoint.",
        |o, _| match at(o, "spec.service") {
            Some(service) => {
                format!("{}/{}", text(service, "namespace"), text(service, "name")).into()
            }
            None => "Local".into(),
        },
    ),
    worded("Available", "Whether this service is available.", |o, _| {
        match condition(o, "Available") {
            None => "Unknown".into(),
            Some(found) if found["status"] == "True" => "True".into(),
            Some(found) => format!("{} ({})", text(found, "status"), text(found, "reason")).into(),
        }
    }),
    AGE,
];
