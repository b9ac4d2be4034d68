//! The groups `authentication.k8s.io` and `authorization.k8s.io`: questions, nothing is stored.

use crate::registry::Registry;
use crate::registry::builder::GroupVersion;
use crate::registry::kind::Verbs;

const AUTHENTICATION: GroupVersion = GroupVersion("authentication.k8s.io", "v1");
const AUTHORIZATION: GroupVersion = GroupVersion("authorization.k8s.io", "v1");

pub(super) fn add(registry: &mut Registry) {
    for kind in [
        AUTHENTICATION.cluster("SelfSubjectReview", "selfsubjectreviews"),
        AUTHENTICATION.cluster("TokenReview", "tokenreviews"),
        AUTHORIZATION.namespaced("LocalSubjectAccessReview", "localsubjectaccessreviews"),
        AUTHORIZATION.cluster("SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        AUTHORIZATION.cluster("SelfSubjectRulesReview", "selfsubjectrulesreviews"),
        AUTHORIZATION.cluster("SubjectAccessReview", "subjectaccessreviews"),
    ] {
        registry.add(kind.verbs(Verbs::CREATE));
    }
}
