//! Events about the group's own members: a member whose disk is full cannot write one itself, and one
//! that is cut off cannot have one written.
//!
//! They are about the Service `kubernetes` in `default`, whose endpoints the members are: it is
//! always there, whoever may see events of `default` sees them, and `kubectl describe service
//! kubernetes` shows them beside the endpoints. A member has no object of its own; a Node of its
//! name would be another thing's.

mod driver;
mod plan;

pub use driver::run;
pub use plan::Health;
