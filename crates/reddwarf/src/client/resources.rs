//! Which resource people mean by `deploy/web`.

use super::{ClientError, GroupClient};
use miette::Diagnostic;
use serde_json::Value;

/// A resource of the API, as discovery tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// API group, empty for core.
    pub group: String,
    /// The group's preferred version.
    pub version: String,
    /// Plural name.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// One object, named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// Its resource.
    pub resource: Resource,
    /// Its namespace; empty outside of namespaces.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Why no object is meant.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ObjectRefError {
    /// The text has another form.
    #[error("{0:?} names no object")]
    #[diagnostic(
        code(reddwarf::object::form),
        help("write RESOURCE/NAME, such as deployments.apps/web or deploy/web")
    )]
    Form(String),
    /// No resource has this name.
    #[error("the server has no resource {0:?}")]
    #[diagnostic(code(reddwarf::object::resource), help("`kubectl api-resources` lists them"))]
    Unknown(String),
    /// The server could not be asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Client(#[from] ClientError),
}

impl ObjectRef {
    /// Finds out which object `text` names, in `namespace` where its resource has namespaces.
    ///
    /// # Errors
    /// See [`ObjectRefError`].
    pub async fn resolve(
        client: &GroupClient,
        text: &str,
        namespace: &str,
    ) -> Result<ObjectRef, ObjectRefError> {
        let form = || ObjectRefError::Form(text.to_owned());
        let (resource, name) = text.split_once('/').ok_or_else(form)?;
        if resource.is_empty() || name.is_empty() || name.contains('/') {
            return Err(form());
        }
        let resource = Resource::find(client, resource).await?;
        let namespace = if resource.namespaced { namespace } else { "" };
        Ok(ObjectRef { resource, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// The object's path.
    pub fn path(&self) -> String {
        format!("{}/{}", self.collection_path(), self.name)
    }

    /// The path at which objects like it are created.
    pub fn collection_path(&self) -> String {
        let Resource { group, version, plural, .. } = &self.resource;
        let root = match group.as_str() {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        match self.namespace.as_str() {
            "" => format!("{root}/{plural}"),
            namespace => format!("{root}/namespaces/{namespace}/{plural}"),
        }
    }

    /// The object as commits name it: `deployments.apps/web`.
    pub fn named(&self) -> String {
        let Resource { group, plural, .. } = &self.resource;
        match group.as_str() {
            "" => format!("{plural}/{}", self.name),
            group => format!("{plural}.{group}/{}", self.name),
        }
    }
}

impl Resource {
    /// Finds a resource by its plural, singular or short name or its kind, with or without
    /// `.group` behind it. The core group comes first, then the others as discovery lists them.
    ///
    /// # Errors
    /// See [`ObjectRefError`].
    pub async fn find(client: &GroupClient, text: &str) -> Result<Resource, ObjectRefError> {
        let (name, wanted_group) = match text.split_once('.') {
            Some((name, group)) => (name, Some(group)),
            None => (text, None),
        };
        let wanted = |group: &str| wanted_group.is_none_or(|wanted| wanted == group);
        if wanted("") {
            let list = client.get_json("/api/v1").await?;
            if let Some(resource) = find_in(&list, "", "v1", name) {
                return Ok(resource);
            }
        }
        let groups = client.get_json("/apis").await?;
        for group in groups["groups"].as_array().into_iter().flatten() {
            let at = group["preferredVersion"]["groupVersion"].as_str().unwrap_or_default();
            let Some((group, version)) = at.split_once('/').filter(|(group, _)| wanted(group))
            else {
                continue;
            };
            let list = client.get_json(&format!("/apis/{at}")).await?;
            if let Some(resource) = find_in(&list, group, version, name) {
                return Ok(resource);
            }
        }
        Err(ObjectRefError::Unknown(text.to_owned()))
    }
}

fn find_in(list: &Value, group: &str, version: &str, name: &str) -> Option<Resource> {
    let lower = name.to_lowercase();
    let is = |value: &Value| value.as_str().is_some_and(|text| text.to_lowercase() == lower);
    let resource = list["resources"].as_array()?.iter().find(|resource| {
        let main = resource["name"].as_str().is_some_and(|name| !name.contains('/'));
        let short = || resource["shortNames"].as_array().is_some_and(|short| short.iter().any(is));
        main && (["name", "singularName", "kind"].iter().any(|field| is(&resource[field]))
            || short())
    })?;
    Some(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: resource["name"].as_str()?.to_owned(),
        namespaced: resource["namespaced"].as_bool()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn resources_are_found_by_all_their_names() {
        let list = json!({"resources": [
            {"name": "deployments/scale", "singularName": "", "kind": "Scale", "namespaced": true},
            {"name": "deployments", "singularName": "deployment", "kind": "Deployment",
             "namespaced": true, "shortNames": ["deploy"]},
        ]});
        let wanted = Resource {
            group: "apps".into(),
            version: "v1".into(),
            plural: "deployments".into(),
            namespaced: true,
        };
        for name in ["deployments", "deployment", "Deployment", "deploy"] {
            assert_eq!(find_in(&list, "apps", "v1", name).as_ref(), Some(&wanted), "{name}");
        }
        assert_eq!(find_in(&list, "apps", "v1", "scale"), None);
        let object = ObjectRef { resource: wanted, namespace: "shop".into(), name: "web".into() };
        assert_eq!(object.path(), "/apis/apps/v1/namespaces/shop/deployments/web");
        assert_eq!(object.named(), "deployments.apps/web");
    }
}
