//! Kinds of the group `rbac.authorization.k8s.io`.

use crate::defaults::policy::role_binding;
use crate::registry::Registry;
use crate::registry::builder::GroupVersion;
use crate::table::columns;

const V1: GroupVersion = GroupVersion("rbac.authorization.k8s.io", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry.add(
        V1.cluster("ClusterRoleBinding", "clusterrolebindings")
            .table(columns::CLUSTER_ROLE_BINDING)
            .create_on_update()
            .defaults(role_binding),
    );
    registry.add(V1.cluster("ClusterRole", "clusterroles").create_on_update());
    registry.add(
        V1.namespaced("RoleBinding", "rolebindings")
            .table(columns::ROLE_BINDING)
            .create_on_update()
            .defaults(role_binding),
    );
    registry.add(V1.namespaced("Role", "roles").create_on_update());
}
