//! What an update of a pod may keep that a new pod may not have.
//!
//! Rules have become stricter over time. An object that was stored under older ones can still
//! be updated: a rule that the stored specification breaks is not applied to the new one.

use super::{annotations, placement, projected, resources, restart, security};
use crate::validation::FieldPath;
use crate::validation::read::{flag, has, items};
use serde_json::Value;

/// The rules that are not applied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ratchet {
    /// Any text may be the cost of a deletion.
    pub deletion_cost: bool,
    /// Selectors of pod affinity may hold values that are no label values.
    pub affinity_values: bool,
    /// The same of required node affinity.
    pub node_values: bool,
    /// Selectors of topology spread constraints are not checked.
    pub spread_selectors: bool,
    /// Keys of topology spread constraints may stand in their selectors.
    pub spread_keys: bool,
    /// Amounts of huge pages need not be whole pages.
    pub huge_pages: bool,
    /// Paths of projected tokens may lead anywhere.
    pub token_paths: bool,
    /// Sysctls of a namespace that is the host's may be set.
    pub host_sysctls: bool,
    /// Every policy of changing SELinux labels may be chosen.
    pub selinux_policies: bool,
    /// Init containers that end may have to be restarted when they are resized.
    pub restarted_init: bool,
    /// Block devices may be used in a user namespace.
    pub mapped_devices: bool,
}

impl Ratchet {
    /// Every rule is applied.
    pub const NONE: Ratchet = Ratchet {
        deletion_cost: false,
        affinity_values: false,
        node_values: false,
        spread_selectors: false,
        spread_keys: false,
        huge_pages: false,
        token_paths: false,
        host_sysctls: false,
        selinux_policies: false,
        restarted_init: false,
        mapped_devices: false,
    };

    /// What `old`, a pod or a template, breaks.
    pub fn of(old: &Value) -> Ratchet {
        let spec = &old["spec"];
        let path = FieldPath::new("spec");
        let breaks = |errors: usize| errors > 0;
        Ratchet {
            deletion_cost: annotations::deletion_cost(&old["metadata"], &path).is_some(),
            affinity_values: placement::has_bad_affinity_values(spec),
            node_values: placement::has_bad_node_values(spec),
            spread_selectors: breaks(placement::spread_selectors(spec, &path).len()),
            spread_keys: breaks(placement::spread_keys(spec, &path).len()),
            huge_pages: resources::has_partial_pages(spec),
            token_paths: projected::has_bad_token_path(spec),
            host_sysctls: breaks(security::host_sysctls(spec, &path).len()),
            selinux_policies: has(&spec["securityContext"], "seLinuxChangePolicy"),
            restarted_init: restart::has_restarted_init(spec),
            mapped_devices: breaks(security::mapped_devices(spec, &path).len()),
        }
    }
}

/// The containers of a specification in the order in which upstream visits them, with their
/// paths.
pub fn containers<'a>(spec: &'a Value, path: &FieldPath) -> Vec<(&'a Value, FieldPath)> {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    let of = |list: &&'static str| {
        let list = *list;
        let at = path.child(list);
        items(spec, list).iter().enumerate().map(move |(i, c)| (c, at.index(i))).collect::<Vec<_>>()
    };
    lists.iter().flat_map(of).collect()
}

/// Whether a pod has the users of its host.
pub fn has_host_users(spec: &Value) -> bool {
    !has(spec, "hostUsers") || flag(spec, "hostUsers")
}
