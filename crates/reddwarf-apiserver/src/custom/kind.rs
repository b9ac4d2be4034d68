//! A custom kind in one served version.

use super::defaulting;
use super::definition::{Definition, Served, Version};
use super::serving::Serving;
use super::{metadata, prune};
use crate::registry::kind::{Generation, Hooks};
use crate::registry::{Kind, Scope, StorageVersion, Subresource, Verbs};
use reddwarf_core::Collection;
use reddwarf_core::gvk::api_version;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

const ALL: &[&str] =
    &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
/// What is still offered while the definition goes.
const TERMINATING: &[&str] = &["delete", "deletecollection", "get", "list", "watch"];

/// What the registry knows of a custom kind besides what all kinds have.
pub struct CustomKind {
    /// The whole definition.
    pub definition: Arc<Definition>,
    /// The version that this kind serves.
    pub version: Arc<Version>,
    /// Until when it is served like this.
    pub serving: Serving,
}

/// The entries of all served versions, after `old` was served.
pub(super) fn kinds(definition: &Arc<Definition>, old: Option<&Served>) -> Vec<Arc<Kind>> {
    let served = definition.versions.iter().filter(|version| version.served);
    served.map(|version| Arc::new(entry(definition, version, old))).collect()
}

/// The serving that goes on with `version`, or a new one.
fn serving(definition: &Definition, version: &Arc<Version>, old: Option<&Served>) -> Serving {
    let old = old.filter(|old| is_served_as(definition, &old.definition));
    let mut kinds = old.into_iter().flat_map(|old| &old.kinds).filter_map(|k| k.custom.as_ref());
    let same = kinds.find(|custom| Arc::ptr_eq(&custom.version, version));
    same.map(|custom| custom.serving.clone()).unwrap_or_default()
}

/// Whether what all versions have in common is served as it was.
fn is_served_as(new: &Definition, old: &Definition) -> bool {
    let conversion = |of: &Definition| of.conversion.as_ref().map(|c| c.get().to_owned());
    new.uid == old.uid
        && new.names == old.names
        && new.namespaced == old.namespaced
        && new.preserve_unknown == old.preserve_unknown
        && conversion(new) == conversion(old)
}

fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

fn entry(definition: &Arc<Definition>, version: &Arc<Version>, old: Option<&Served>) -> Kind {
    let names = &definition.names;
    let scope = if definition.namespaced { Scope::Namespaced } else { Scope::Cluster };
    let mut kind = Kind::new(scope, "", "", "", "");
    kind.group = owned(&definition.group);
    kind.version = owned(&version.name);
    kind.kind = owned(&names.kind);
    kind.plural = owned(&names.plural);
    kind.singular = owned(&names.singular);
    kind.short_names = names.short_names.iter().map(|name| owned(name)).collect();
    kind.categories = names.categories.iter().map(|name| owned(name)).collect();
    kind.verbs = Verbs(if definition.terminating { TERMINATING } else { ALL }.into());
    kind.storage = StorageVersion {
        collection: Collection::new(&definition.group, &names.plural),
        api_version: definition.storage_version(),
    };
    kind.hooks = Hooks::NONE;
    kind.strategy.unconditional_update = false;
    kind.strategy.generation = Generation::OnContentChange;
    kind.strategy.status = version.status;
    kind.strategy.status_keeps_metadata = version.status;
    if version.status {
        kind.subresources.push(Subresource {
            name: "status",
            group: kind.group.clone(),
            version: kind.version.clone(),
            kind: kind.kind.clone(),
            verbs: Verbs::GET_PATCH_UPDATE,
        });
    }
    if version.scale.is_some() {
        kind.subresources.push(Subresource {
            name: "scale",
            group: "autoscaling".into(),
            version: "v1".into(),
            kind: "Scale".into(),
            verbs: Verbs::GET_PATCH_UPDATE,
        });
    }
    kind.custom = Some(Arc::new(CustomKind {
        definition: definition.clone(),
        version: version.clone(),
        serving: serving(definition, version, old),
    }));
    kind
}

impl CustomKind {
    /// `apiVersion` of the version that is served.
    pub fn api_version(&self) -> String {
        api_version(&self.definition.group, &self.version.name)
    }

    /// Fills in the defaults of the schema.
    pub fn fill_defaults(&self, object: &mut Value) {
        if let Some(schema) = self.version.schema() {
            defaulting::fill(object, schema);
        }
    }

    /// Turns a stored object into what this version shows: pruned, and with the defaults of a
    /// schema that may be newer than the object.
    pub fn show(&self, object: &mut Value) {
        set_version(object, &self.api_version());
        self.shape(object);
        self.fill_defaults(object);
    }

    /// The way back.
    pub fn store(&self, object: &mut Value) {
        set_version(object, &self.definition.storage_version());
    }

    /// Takes out what the schema does not know, and nulls that it does not allow.
    fn shape(&self, object: &mut Value) {
        let schema = self.version.schema();
        if !self.definition.preserve_unknown {
            prune::prune(object, schema, &mut prune::Trail::default());
            defaulting::drop_nulls(object, schema);
        }
        if let Some(schema) = schema {
            // Stored objects passed this when they were written; what fails under a newer
            // schema is left as it is.
            let _ = metadata::coerce(object, schema, &mut prune::Trail::default());
        }
    }

    /// Whether objects can be selected by that field.
    pub fn is_selectable(&self, label: &str) -> bool {
        self.version.selectable.iter().any(|(name, _)| &**name == label)
    }

    /// The text of a selectable field of a stored object, `""` where it has none.
    pub fn selectable_value(&self, label: &str, bytes: &[u8]) -> String {
        let mut fields = self.version.selectable.iter();
        let Some((_, path)) = fields.find(|(name, _)| &**name == label) else {
            return String::new();
        };
        let mut object: Value = serde_json::from_slice(bytes).unwrap_or_default();
        self.show(&mut object);
        match path.first(&object) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => crate::patch::go_print::value(other),
        }
    }
}

fn set_version(object: &mut Value, api_version: &str) {
    let fields: &mut Map<String, Value> = match object {
        Value::Object(fields) => fields,
        _ => return,
    };
    fields.insert("apiVersion".to_owned(), api_version.into());
}
