//! The groups that extend the API: `apiregistration.k8s.io`, `apiextensions.k8s.io` and
//! `admissionregistration.k8s.io`.

use crate::defaults::admission;
use crate::registry::builder::GroupVersion;
use crate::registry::{Registry, prepare};
use crate::table::columns;

const APISERVICES: GroupVersion = GroupVersion("apiregistration.k8s.io", "v1");
const ADMISSION: GroupVersion = GroupVersion("admissionregistration.k8s.io", "v1");
const CUSTOM: GroupVersion = GroupVersion("apiextensions.k8s.io", "v1");
const CATEGORY: &str = "api-extensions";

pub(super) fn add_registration(registry: &mut Registry) {
    registry.add(
        APISERVICES
            .cluster("APIService", "apiservices")
            .table(columns::API_SERVICE)
            .defaults(admission::api_service)
            .category(CATEGORY)
            .with_status()
            .status_keeps_metadata()
            .on_create(prepare::api_service_create)
            .conditional_update(),
    );
}

pub(super) fn add(registry: &mut Registry) {
    for kind in [
        ADMISSION
            .cluster("MutatingAdmissionPolicy", "mutatingadmissionpolicies")
            .table(columns::MUTATING_POLICY)
            .defaults(admission::policy),
        ADMISSION
            .cluster("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings")
            .table(columns::POLICY_BINDING)
            .defaults(admission::policy_binding),
        ADMISSION
            .cluster("MutatingWebhookConfiguration", "mutatingwebhookconfigurations")
            .table(columns::WEBHOOKS)
            .defaults(admission::mutating_webhooks),
        ADMISSION
            .cluster("ValidatingAdmissionPolicy", "validatingadmissionpolicies")
            .table(columns::VALIDATING_POLICY)
            .with_status()
            .defaults(admission::policy)
            .status_keeps_metadata(),
        ADMISSION
            .cluster("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings")
            .table(columns::POLICY_BINDING)
            .defaults(admission::policy_binding),
        ADMISSION
            .cluster("ValidatingWebhookConfiguration", "validatingwebhookconfigurations")
            .table(columns::WEBHOOKS)
            .defaults(admission::validating_webhooks),
        CUSTOM
            .cluster("CustomResourceDefinition", "customresourcedefinitions")
            .short(&["crd", "crds"])
            .defaults(admission::custom_resource_definition)
            .on_create(prepare::definition_create)
            .on_update(prepare::definition_update)
            .with_status(),
    ] {
        registry.add(kind.category(CATEGORY).conditional_update().generation());
    }
}
