//! Kinds of the group `rbac.authorization.k8s.io`.

use crate::defaults::policy::role_binding;
use crate::registry::Registry;
use crate::registry::builder::GroupVersion;

const V1: GroupVersion = GroupVersion("rbac.authorization.k8s.io", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry.add(
        V1.cluster("ClusterRoleBinding", "clusterrolebindings")
            .create_on_update()
            .defaults(role_binding),
    );
    registry.add(V1.cluster("ClusterRole", "clusterroles").create_on_update());
    registry.add(
        V1.namespaced("RoleBinding", "rolebindings").create_on_update().defaults(role_binding),
    );
    registry.add(V1.namespaced("Role", "roles").create_on_update());
}
