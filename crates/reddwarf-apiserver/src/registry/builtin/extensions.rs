//! The groups that extend the API: `apiregistration.k8s.io`, `apiextensions.k8s.io` and
//! `admissionregistration.k8s.io`.

use crate::registry::Registry;
use crate::registry::builder::GroupVersion;

const APISERVICES: GroupVersion = GroupVersion("apiregistration.k8s.io", "v1");
const ADMISSION: GroupVersion = GroupVersion("admissionregistration.k8s.io", "v1");
const CUSTOM: GroupVersion = GroupVersion("apiextensions.k8s.io", "v1");
const CATEGORY: &str = "api-extensions";

pub(super) fn add_registration(registry: &mut Registry) {
    registry.add(
        APISERVICES
            .cluster("APIService", "apiservices")
            .category(CATEGORY)
            .with_status()
            .conditional_update(),
    );
}

pub(super) fn add(registry: &mut Registry) {
    for kind in [
        ADMISSION.cluster("MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
        ADMISSION.cluster("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
        ADMISSION.cluster("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
        ADMISSION.cluster("ValidatingAdmissionPolicy", "validatingadmissionpolicies").with_status(),
        ADMISSION.cluster("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
        ADMISSION.cluster("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
        CUSTOM
            .cluster("CustomResourceDefinition", "customresourcedefinitions")
            .short(&["crd", "crds"])
            .with_status(),
    ] {
        registry.add(kind.category(CATEGORY).conditional_update().generation());
    }
}
