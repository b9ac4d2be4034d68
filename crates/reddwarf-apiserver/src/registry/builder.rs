//! The words in which a built-in kind is declared.

use super::kind::{
    Column, FieldSelectors, Generation, Hooks, Kind, Scope, StorageVersion, Subresource, Verbs,
};
use super::prepare;
use reddwarf_core::Collection;
use serde_json::Value;

const PROXY: Verbs =
    Verbs(std::borrow::Cow::Borrowed(&["create", "delete", "get", "patch", "update"]));

/// A group version whose kinds are declared one after the other.
#[derive(Clone, Copy)]
pub struct GroupVersion(pub &'static str, pub &'static str);

impl GroupVersion {
    /// A kind whose objects live in namespaces.
    pub fn namespaced(self, kind: &'static str, plural: &'static str) -> Kind {
        Kind::new(Scope::Namespaced, self.0, self.1, kind, plural)
    }

    /// A kind whose objects belong to the cluster.
    pub fn cluster(self, kind: &'static str, plural: &'static str) -> Kind {
        Kind::new(Scope::Cluster, self.0, self.1, kind, plural)
    }
}

/// How objects are brought out of the storage version and into it.
#[derive(Clone, Copy)]
pub struct Conversion {
    /// From the storage version to the served one.
    pub from: fn(&mut Value),
    /// From the served version to the storage version.
    pub to: fn(&mut Value),
}

impl Kind {
    /// Short names.
    pub fn short(mut self, names: &[&'static str]) -> Self {
        self.short_names = names.iter().map(|n| (*n).into()).collect();
        self
    }

    /// One category.
    pub fn category(mut self, name: &'static str) -> Self {
        self.categories.push(name.into());
        self
    }

    /// The verbs of the main resource.
    pub fn verbs(mut self, verbs: Verbs) -> Self {
        self.verbs = verbs;
        self
    }

    /// A subresource whose body is `kind` of the parent's group and version.
    pub fn sub(
        self,
        name: &'static str,
        kind: &'static str,
        verbs: &'static [&'static str],
    ) -> Self {
        let (group, version) = (self.group.clone(), self.version.clone());
        let verbs = Verbs(verbs.into());
        self.subresource_entry(Subresource { name, group, version, kind: kind.into(), verbs })
    }

    /// A subresource whose body is of another group.
    pub fn sub_of(
        self,
        name: &'static str,
        of: GroupVersion,
        kind: &'static str,
        verbs: &'static [&'static str],
    ) -> Self {
        let (group, version) = (of.0.into(), of.1.into());
        let verbs = Verbs(verbs.into());
        self.subresource_entry(Subresource { name, group, version, kind: kind.into(), verbs })
    }

    /// A subresource whose body is the object itself.
    pub fn sub_self(self, name: &'static str, verbs: Verbs) -> Self {
        let (group, version) = (self.group.clone(), self.version.clone());
        let kind = self.kind.clone();
        self.subresource_entry(Subresource { name, group, version, kind, verbs })
    }

    fn subresource_entry(mut self, entry: Subresource) -> Self {
        let at = self.subresources.partition_point(|s| s.name < entry.name);
        self.subresources.insert(at, entry);
        self
    }

    /// `/status`, which the main resource cannot write.
    pub fn with_status(mut self) -> Self {
        self.strategy.status = true;
        self.sub_self("status", Verbs::GET_PATCH_UPDATE)
    }

    /// The status that a client gives at creation is kept.
    pub fn status_at_creation(mut self) -> Self {
        self.strategy.status_at_creation = true;
        self
    }

    /// An update of `/status` changes nothing of the metadata.
    pub fn status_keeps_metadata(mut self) -> Self {
        self.strategy.status_keeps_metadata = true;
        self.on_status_update(prepare::status_keeps_metadata)
    }

    /// `/scale` with the body `autoscaling/v1` `Scale`.
    pub fn with_scale(self) -> Self {
        self.sub_of(
            "scale",
            GroupVersion("autoscaling", "v1"),
            "Scale",
            &["get", "patch", "update"],
        )
    }

    /// `/proxy`.
    pub fn with_proxy(self, options: &'static str) -> Self {
        let (group, version) = (self.group.clone(), self.version.clone());
        let kind = options.into();
        self.subresource_entry(Subresource { name: "proxy", group, version, kind, verbs: PROXY })
    }

    /// Selectable fields besides name and namespace.
    pub fn selectable(mut self, fields: FieldSelectors) -> Self {
        self.fields = fields;
        self
    }

    /// A PUT to a missing name creates.
    pub fn create_on_update(mut self) -> Self {
        self.strategy.create_on_update = true;
        self
    }

    /// A PUT must name a resourceVersion.
    pub fn conditional_update(mut self) -> Self {
        self.strategy.unconditional_update = false;
        self
    }

    /// The generation starts at 1 and moves with the spec.
    pub fn generation(self) -> Self {
        self.generation_as(Generation::OnSpecChange)
    }

    /// The generation moves as given.
    pub fn generation_as(mut self, generation: Generation) -> Self {
        self.strategy.generation = generation;
        self
    }

    /// Grace of a deletion that names none.
    pub fn grace(mut self, seconds: fn(&Value) -> u64) -> Self {
        self.strategy.grace_seconds = Some(seconds);
        self
    }

    /// Table columns, all of them.
    pub fn table(mut self, columns: &'static [Column]) -> Self {
        self.columns = columns;
        self
    }

    /// Objects are stored in another group or version.
    pub fn stored_as(mut self, group: &str, version: &str, conversion: Conversion) -> Self {
        self.storage = StorageVersion {
            collection: Collection::new(group, &self.plural),
            api_version: reddwarf_core::gvk::api_version(group, version),
        };
        self.hook(|h| (h.from_storage, h.to_storage) = (conversion.from, conversion.to))
    }

    /// Changes the hooks.
    pub fn hook(mut self, change: impl FnOnce(&mut Hooks)) -> Self {
        change(&mut self.hooks);
        self
    }

    /// The defaulting function.
    pub fn defaults(self, default: fn(&mut Value)) -> Self {
        self.hook(|h| h.default = default)
    }

    /// What a creation does besides clearing the status.
    pub fn on_create(self, prepare: fn(&mut Value)) -> Self {
        self.hook(|h| h.prepare_create = prepare)
    }

    /// What an update does: (new, old).
    pub fn on_update(self, prepare: fn(&mut Value, &Value)) -> Self {
        self.hook(|h| h.prepare_update = prepare)
    }

    /// What an update of `/status` does: (new, old).
    pub fn on_status_update(self, prepare: fn(&mut Value, &Value)) -> Self {
        self.hook(|h| h.prepare_status_update = prepare)
    }
}
