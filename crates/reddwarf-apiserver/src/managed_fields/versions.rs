//! The versions of an object in which its managers wrote it.

use super::conversions::Conversions;
use super::typed::Type;
use crate::registry::{Kind, Registry};
use crate::schema::{self, Expected};
use reddwarf_core::gvk::parse_api_version;
use serde_json::Value;
use std::sync::Arc;

/// The version in which a request has its object, and how to get to the others.
#[derive(Clone, Copy)]
pub struct Versions<'r> {
    api_version: &'r str,
    ty: Type<'r>,
    /// Absent for what has one version only, such as a `Scale`.
    served: Option<(&'r Registry, &'r Kind)>,
    /// What a webhook converted; absent where conversion is a matter of code.
    conversions: Option<&'r Conversions<'r>>,
}

impl<'r> Versions<'r> {
    /// The versions in which `kind` is served; `api_version` is the one of `kind`.
    pub fn of_kind(registry: &'r Registry, kind: &'r Kind, api_version: &'r str) -> Self {
        let ty = type_of(Expected::of(kind));
        Versions { api_version, ty, served: Some((registry, kind)), conversions: None }
    }

    /// The same where a webhook converts.
    pub fn converted_by(self, conversions: Option<&'r Conversions<'r>>) -> Self {
        Versions { conversions, ..self }
    }

    /// A form that has one version.
    pub fn of_form(form: Expected<'r>, api_version: &'r str) -> Self {
        Versions { api_version, ty: type_of(form), served: None, conversions: None }
    }

    /// The version of the request.
    pub fn own(&self) -> &'r str {
        self.api_version
    }

    /// The type of the object in that version.
    pub fn ty(&self, api_version: &str) -> Option<Type<'r>> {
        match api_version == self.api_version {
            true => Some(self.ty),
            false => self.kind(api_version).map(|kind| type_of(Expected::of(kind))),
        }
    }

    /// The object in another version; `None` when that is not served any more, or is still to be
    /// converted.
    pub fn convert(&self, object: &Value, from: &str, to: &str) -> Option<Value> {
        if from == to {
            return Some(object.clone());
        }
        let (old, new) = (self.kind(from)?, self.kind(to)?);
        if let Some(conversions) = self.conversions {
            return conversions.get(object, from, to);
        }
        let mut object = object.clone();
        match &new.custom {
            Some(custom) => custom.rename(&mut object),
            None => {
                old.store(&mut object);
                new.show(&mut object);
            }
        }
        Some(object)
    }

    fn kind(&self, api_version: &str) -> Option<&'r Arc<Kind>> {
        let (registry, own) = self.served?;
        let (group, version) = parse_api_version(api_version)?;
        let kind = registry.resource(group, version, &own.plural)?;
        (kind.storage.collection == own.storage.collection).then_some(kind)
    }
}

/// The type of a kind's objects; one without schema is merged by what its values are.
pub(super) fn type_of(form: Expected<'_>) -> Type<'_> {
    if let Some(kind) = form.custom {
        return match kind.version.schema() {
            Some(schema) => Type::custom(schema),
            None => Type::DEDUCED,
        };
    }
    let graph = schema::builtin();
    form.ty(graph).map_or(Type::DEDUCED, |id| Type::of(graph, id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_in_the_version_of_another_manager() {
        let registry = Registry::builtin();
        let kind = registry.resource("autoscaling", "v1", "horizontalpodautoscalers");
        let versions = Versions::of_kind(&registry, kind.expect("a kind"), "autoscaling/v1");
        let v1 =
            json!({"apiVersion": "autoscaling/v1", "spec": {"targetCPUUtilizationPercentage": 5}});
        let v2 = versions.convert(&v1, "autoscaling/v1", "autoscaling/v2").expect("served");
        assert_eq!(v2["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 5);
        assert!(versions.ty("autoscaling/v2").is_some());
        assert_eq!(versions.convert(&v2, "autoscaling/v2", "autoscaling/v1"), Some(v1));
    }

    #[test]
    fn what_is_not_served() {
        let registry = Registry::builtin();
        let kind = registry.resource("apps", "v1", "deployments").expect("a kind");
        let versions = Versions::of_kind(&registry, kind, "apps/v1");
        assert!(versions.convert(&json!({}), "apps/v1", "apps/v1beta1").is_none());
        assert!(versions.ty("apps/v1beta1").is_none());
        assert!(versions.ty("apps/v1").is_some());
    }
}
