//! What extends admission: webhooks, policies in CEL, and their bindings.

mod binding;
mod policy;
mod rule;
mod variable;
mod webhook;

pub use binding::{mutating_binding, validating_binding};
pub use policy::{
    mutating_policy, mutating_policy_update, validating_policy, validating_policy_status,
    validating_policy_update,
};
pub use webhook::{
    client as webhook_client, mutating_webhooks, mutating_webhooks_update, validating_webhooks,
    validating_webhooks_update,
};

const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
const REINVOCATION_POLICIES: [&str; 2] = ["IfNeeded", "Never"];
