//! Texts about types and fields, made from `k8s-openapi` when a document needs them and
//! forgotten afterwards.

use k8s_openapi::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration;
use schemars::SchemaGenerator;
use serde_json::{Map, Value};

/// The definitions of some group versions and of the shared types, by schema name.
pub(super) struct Descriptions {
    definitions: Map<String, Value>,
}

/// Adds types, and what they refer to, to a generator.
macro_rules! add {
    ($generator:expr, {$($package:tt)+} $($ty:ident),+) => {{
        use $($package)+ as package;
        $($generator.subschema_for::<package::$ty>();)+
    }};
}

impl Descriptions {
    /// Of these groups and versions.
    pub fn of(versions: &[(&str, &str)]) -> Self {
        let mut generator = SchemaGenerator::default();
        add_shared(&mut generator);
        for (group, version) in versions {
            add_group(&mut generator, group, version);
        }
        // Subresources of one group take bodies of another.
        add!(generator, {api::autoscaling::v1} Scale);
        add!(generator, {api::policy::v1} Eviction);
        add!(generator, {api::authentication::v1} TokenRequest);
        Descriptions { definitions: generator.take_definitions(false) }
    }

    /// The text about a type.
    pub fn of_type(&self, schema_name: &str) -> Option<&str> {
        self.definitions.get(schema_name)?.get("description")?.as_str()
    }

    /// The text about a field.
    pub fn of_field(&self, schema_name: &str, field: &str) -> Option<&str> {
        let properties = self.definitions.get(schema_name)?.get("properties")?;
        properties.get(field)?.get("description")?.as_str()
    }
}

fn add_shared(generator: &mut SchemaGenerator) {
    add!(generator, {meta} APIGroup, APIGroupList, APIResourceList, APIVersions, DeleteOptions,
        Status, Patch, ListMeta, ObjectMeta, Condition, LabelSelector);
}

fn add_group(generator: &mut SchemaGenerator, group: &str, version: &str) {
    match (group, version) {
        ("", "v1") => add!(generator, {api::core::v1} Binding, ComponentStatus, ConfigMap,
            Endpoints, Event, LimitRange, Namespace, Node, PersistentVolume,
            PersistentVolumeClaim, Pod, PodTemplate, ReplicationController, ResourceQuota, Secret,
            Service, ServiceAccount),
        ("admissionregistration.k8s.io", "v1") => add!(generator, {api::admissionregistration::v1}
            MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration,
            ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
            ValidatingWebhookConfiguration),
        ("apiextensions.k8s.io", "v1") => {
            add!(generator, {apiextensions::v1} CustomResourceDefinition)
        }
        ("apiregistration.k8s.io", "v1") => add!(generator, {apiregistration::v1} APIService),
        ("apps", "v1") => add!(generator, {api::apps::v1} ControllerRevision, DaemonSet,
            Deployment, ReplicaSet, StatefulSet),
        ("authentication.k8s.io", "v1") => add!(generator, {api::authentication::v1}
            SelfSubjectReview, TokenRequest, TokenReview),
        ("authorization.k8s.io", "v1") => add!(generator, {api::authorization::v1}
            LocalSubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview,
            SubjectAccessReview),
        ("autoscaling", "v1") => add!(generator, {api::autoscaling::v1} HorizontalPodAutoscaler),
        ("autoscaling", "v2") => add!(generator, {api::autoscaling::v2} HorizontalPodAutoscaler),
        ("batch", "v1") => add!(generator, {api::batch::v1} CronJob, Job),
        ("certificates.k8s.io", "v1") => {
            add!(generator, {api::certificates::v1} CertificateSigningRequest)
        }
        ("coordination.k8s.io", "v1") => add!(generator, {api::coordination::v1} Lease),
        ("discovery.k8s.io", "v1") => add!(generator, {api::discovery::v1} EndpointSlice),
        ("events.k8s.io", "v1") => add!(generator, {api::events::v1} Event),
        ("flowcontrol.apiserver.k8s.io", "v1") => {
            add!(generator, {api::flowcontrol::v1} FlowSchema, PriorityLevelConfiguration)
        }
        ("networking.k8s.io", "v1") => add!(generator, {api::networking::v1} Ingress,
            IngressClass, IPAddress, NetworkPolicy, ServiceCIDR),
        ("node.k8s.io", "v1") => add!(generator, {api::node::v1} RuntimeClass),
        ("policy", "v1") => add!(generator, {api::policy::v1} PodDisruptionBudget),
        ("rbac.authorization.k8s.io", "v1") => add!(generator, {api::rbac::v1} ClusterRole,
            ClusterRoleBinding, Role, RoleBinding),
        ("resource.k8s.io", "v1") => add!(generator, {api::resource::v1} DeviceClass,
            ResourceClaim, ResourceClaimTemplate, ResourceSlice),
        ("scheduling.k8s.io", "v1") => add!(generator, {api::scheduling::v1} PriorityClass),
        ("storage.k8s.io", "v1") => add!(generator, {api::storage::v1} CSIDriver, CSINode,
            CSIStorageCapacity, StorageClass, VolumeAttachment, VolumeAttributesClass),
        _ => {}
    }
}

/// What `k8s-openapi` says of a group version, to compare the tables with.
#[cfg(test)]
pub(super) fn schemas_of(group: &str, version: &str) -> Map<String, Value> {
    Descriptions::of(&[(group, version)]).definitions
}
