//! The kinds that are served without any custom resource.
//!
//! Groups stand in the order of discovery, which is that of upstream's priorities.

mod apps;
mod autoscaling;
mod batch;
mod core;
mod events;
mod extensions;
mod flowcontrol;
mod networking;
mod node;
mod policy;
mod rbac;
mod resource;
mod reviews;
mod storage;

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;

use super::Registry;

impl Registry {
    /// All built-in kinds.
    pub fn builtin() -> Self {
        let mut registry = Registry::default();
        let r = &mut registry;
        core::add(r);
        extensions::add_registration(r);
        apps::add(r);
        events::add(r);
        reviews::add(r);
        autoscaling::add(r);
        batch::add(r);
        node::add_certificates(r);
        networking::add(r);
        policy::add(r);
        rbac::add(r);
        storage::add(r);
        extensions::add(r);
        policy::add_scheduling(r);
        node::add(r);
        networking::add_discovery(r);
        resource::add(r);
        flowcontrol::add(r);
        registry
    }
}
