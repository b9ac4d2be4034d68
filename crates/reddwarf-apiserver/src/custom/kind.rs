//! A custom kind in one served version.

use super::defaulting;
use super::definition::{Definition, Served, Version};
use super::serving::Serving;
use super::{metadata, prune};
use crate::object::stored_version;
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
    new.uid == old.uid
        && new.names == old.names
        && new.namespaced == old.namespaced
        && new.preserve_unknown == old.preserve_unknown
        && new.webhook == old.webhook
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

    /// Turns a stored object into what this version shows, where no webhook is needed for that.
    pub fn show(&self, object: &mut Value) {
        let (revived, own) = (self.revive(object), self.api_version());
        if revived && object["apiVersion"] == *own {
            return;
        }
        debug_assert!(self.definition.webhook.is_none(), "a webhook converts these objects");
        set_version(object, &own);
        self.shape(&self.version, object);
        if !revived {
            self.fill_defaults(object);
        }
    }

    /// The way back.
    pub fn store(&self, object: &mut Value) {
        set_version(object, &self.definition.storage_version());
    }

    /// The object in this version, of which nothing but the name is another one.
    pub fn rename(&self, object: &mut Value) {
        set_version(object, &self.api_version());
        self.shape(&self.version, object);
        self.fill_defaults(object);
    }

    /// Brings a stored object into the form of its own version, whose schema may be newer than
    /// it: pruned, and with defaults. Answers whether the definition still has that version.
    pub fn revive(&self, object: &mut Value) -> bool {
        let given = object["apiVersion"].as_str().unwrap_or_default();
        let Some(version) = self.definition.version_of(given) else { return false };
        self.shape(version, object);
        if let Some(schema) = version.schema() {
            defaulting::fill(object, schema);
        }
        true
    }

    /// Whether stored bytes are in a version in which objects are not stored any more.
    pub fn is_outdated(&self, stored: &[u8]) -> bool {
        stored_version(stored) != Some(&*self.definition.storage_version())
    }

    /// Takes out what the schema of `version` does not know, and nulls that it does not allow.
    pub fn shape(&self, version: &Version, object: &mut Value) {
        let schema = version.schema();
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
        let mut object: Value = serde_json::from_slice(bytes).unwrap_or_default();
        self.show(&mut object);
        self.selected_value(label, &object)
    }

    /// The same for an object of this version.
    pub fn selected_value(&self, label: &str, object: &Value) -> String {
        let mut fields = self.version.selectable.iter();
        let Some((_, path)) = fields.find(|(name, _)| &**name == label) else {
            return String::new();
        };
        match path.first(object) {
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
