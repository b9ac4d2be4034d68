//! What becomes of a definition: its names are accepted, its kind is established, and when it is
//! deleted its objects go first.
//!
//! [`names`], [`condition`], [`settle`] and [`cleanup`] decide, data in and data out; [`run`] is the
//! leader's loop that writes what they say.

pub mod cleanup;
pub mod condition;
mod driver;
pub mod groups;
pub mod names;
pub mod settle;

pub(crate) use driver::run;

use condition::Condition;
use serde_json::{Value, json};

/// Keeps a definition until its objects are gone.
pub const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// A definition that is to be deleted.
pub fn marked(definition: &Value) -> Value {
    let mut marked = definition.clone();
    let now = crate::defaults::now();
    crate::object::set_meta(&mut marked, "deletionTimestamp", Some(now.as_str().into()));
    let mut finalizers: Vec<Value> =
        crate::object::finalizers(definition).into_iter().map(Value::from).collect();
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        finalizers.push(FINALIZER.into());
    }
    crate::object::set_meta(&mut marked, "finalizers", Some(json!(finalizers)));
    let pending = Condition {
        ty: "Terminating",
        status: "True",
        reason: "InstanceDeletionPending",
        message:
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
                .to_owned(),
    };
    condition::set(&mut marked, &pending, &now);
    marked
}
