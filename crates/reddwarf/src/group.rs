//! A group of members on this machine, as `reddwarf up` lays it out in one folder:
//!
//! ```text
//! DIR/group.json          what the group was made with
//! DIR/pki/ca.crt, ca.key  the cluster's authority
//! DIR/admin.kubeconfig    one context a member
//! DIR/hollow.kubeconfig   the same for the simulated workers
//! DIR/node-i/             config.toml, tls.crt, tls.key, pid, log, data/
//! DIR/hollow/             pid, log
//! ```

mod launch;
mod layout;
mod pid_file;
mod process;

pub use launch::{Launch, LaunchError, Process};
pub use layout::{GroupError, GroupPlan, LocalGroup};
pub use pid_file::{PidFile, running_pid};
pub use process::{ProcessError, Started, start, stop};
