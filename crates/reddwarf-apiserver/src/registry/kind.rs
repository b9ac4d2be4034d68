//! What the API server knows of a kind: one declarative entry each.

use crate::custom::CustomKind;
use crate::request::FieldValidation;
use crate::schema;
use crate::validation::ErrorList;
use reddwarf_core::{Collection, GroupResource};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// A served kind in one version.
pub struct Kind {
    /// API group, empty for core.
    pub group: Cow<'static, str>,
    /// Served version.
    pub version: Cow<'static, str>,
    /// Kind in upper camel case.
    pub kind: Cow<'static, str>,
    /// Plural, as in the path.
    pub plural: Cow<'static, str>,
    /// Singular.
    pub singular: Cow<'static, str>,
    /// Short names that clients expand.
    pub short_names: Vec<Cow<'static, str>>,
    /// Categories, e.g. `all`.
    pub categories: Vec<Cow<'static, str>>,
    /// Namespaced or not.
    pub scope: Scope,
    /// Verbs of the main resource.
    pub verbs: Verbs,
    /// Where and in which version its objects are stored (invariant 12).
    pub storage: StorageVersion,
    /// Subresources in the order of discovery.
    pub subresources: Vec<Subresource>,
    /// All table columns in order, `Name` and `Age` included; empty for name and creation time.
    pub columns: &'static [Column],
    /// Selectable fields besides `metadata.name` and `metadata.namespace`.
    pub fields: FieldSelectors,
    /// Declarative behaviour.
    pub strategy: Strategy,
    /// Behaviour that needs code.
    pub hooks: Hooks,
    /// What a definition says of a custom kind; `None` for a built-in one.
    pub custom: Option<Arc<CustomKind>>,
    /// Its item in aggregated discovery, as it is written.
    pub(crate) discovered: OnceLock<String>,
    empty: OnceLock<Value>,
}

/// Whether objects live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Objects live in a namespace.
    Namespaced,
    /// Objects belong to the cluster.
    Cluster,
}

/// The verbs of a resource or subresource as discovery lists them, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verbs(pub Cow<'static, [&'static str]>);

impl Verbs {
    /// What most kinds serve.
    pub const ALL: Verbs = Verbs(Cow::Borrowed(&[
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    ]));
    /// A virtual kind that is only posted to (reviews, bindings).
    pub const CREATE: Verbs = Verbs(Cow::Borrowed(&["create"]));
    /// The status and scale subresources.
    pub const GET_PATCH_UPDATE: Verbs = Verbs(Cow::Borrowed(&["get", "patch", "update"]));

    /// Whether `verb` is among them.
    pub fn has(&self, verb: &str) -> bool {
        self.0.contains(&verb)
    }
}

/// Where a kind's objects are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageVersion {
    /// Keys of the objects.
    pub collection: Collection,
    /// `apiVersion` of the stored bytes.
    pub api_version: String,
}

/// A served subresource, e.g. `status`.
#[derive(Clone, Debug)]
pub struct Subresource {
    /// Its name in the path.
    pub name: &'static str,
    /// Group, version and kind of its body, which may differ from the parent's.
    pub group: Cow<'static, str>,
    /// See `group`.
    pub version: Cow<'static, str>,
    /// See `group`.
    pub kind: Cow<'static, str>,
    /// Its verbs.
    pub verbs: Verbs,
}

/// One column of a kind's table.
#[derive(Clone, Copy)]
pub struct Column {
    /// Heading.
    pub name: &'static str,
    /// OpenAPI type: `string`, `integer`, `date`, …
    pub kind: &'static str,
    /// OpenAPI format, e.g. `name`.
    pub format: &'static str,
    /// Description in the table's column definition.
    pub description: Doc,
    /// 0 is always shown, 1 with `-o wide`.
    pub priority: i32,
    /// The cell of an object.
    pub cell: fn(&Value, &RowContext) -> Value,
}

/// Where a column's description comes from.
#[derive(Clone, Copy)]
pub enum Doc {
    /// A text of its own.
    Text(&'static str),
    /// What the API's schema says of a field.
    Field {
        /// Name of the type.
        of: fn() -> String,
        /// Schema of the type.
        schema: fn() -> schemars::Schema,
        /// The field.
        name: &'static str,
    },
}

/// What a table cell may depend on besides its object.
pub struct RowContext {
    /// Now, milliseconds since the Unix epoch, for ages.
    pub now_ms: i64,
}

/// A kind's selectable fields.
#[derive(Clone, Copy)]
pub struct FieldSelectors {
    /// All labels that a field selector may name besides the metadata ones.
    pub names: &'static [&'static str],
    /// Labels whose values are indexed under another name: (label, name in the index).
    pub aliases: &'static [(&'static str, &'static str)],
    /// The values of an object of this kind's version under their names in the index, in any
    /// order; empty ones may be left out.
    pub of: fn(&Value) -> Vec<(&'static str, String)>,
}

impl FieldSelectors {
    /// Only `metadata.name` and `metadata.namespace` can be selected.
    pub const METADATA_ONLY: FieldSelectors = FieldSelectors::new(&[], |_| Vec::new());

    /// Fields that are indexed under the labels that select them.
    pub const fn new(
        names: &'static [&'static str],
        of: fn(&Value) -> Vec<(&'static str, String)>,
    ) -> Self {
        FieldSelectors { names, aliases: &[], of }
    }

    /// The name in the index of what `label` selects; `None` when it cannot be selected.
    pub fn indexed(&self, label: &str) -> Option<&'static str> {
        let alias = self.aliases.iter().find(|(from, _)| *from == label).map(|(_, to)| *to);
        alias.or_else(|| self.names.iter().find(|n| **n == label).copied())
    }
}

/// How `metadata.generation` moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The kind has no generation.
    None,
    /// 1 at creation, one more when anything outside metadata and status changes.
    OnSpecChange,
    /// The same, and a change of the annotations counts too.
    OnSpecOrAnnotationChange,
    /// The same as [`Generation::OnSpecChange`], and a change of the labels counts too.
    OnSpecOrLabelChange,
    /// 1 at creation, and never moved by an update.
    Fixed,
    /// None at creation, then as [`Generation::OnSpecChange`].
    AfterSpecChange,
    /// 1 at creation, one more when anything outside metadata changes (custom kinds).
    OnContentChange,
}

impl Generation {
    /// Whether new objects have generation 1.
    pub fn kept(self) -> bool {
        !matches!(self, Generation::None | Generation::AfterSpecChange)
    }

    /// Whether an update of the main resource from `old` to `new` counts; by then the status of
    /// `new` is that of `old`.
    pub fn moves(self, new: &Value, old: &Value) -> bool {
        match self {
            Generation::None | Generation::Fixed => false,
            Generation::OnSpecChange | Generation::AfterSpecChange => content_differs(new, old),
            Generation::OnSpecOrAnnotationChange => {
                content_differs(new, old) || metadata_differs(new, old, "annotations")
            }
            Generation::OnSpecOrLabelChange => {
                content_differs(new, old) || metadata_differs(new, old, "labels")
            }
            Generation::OnContentChange => {
                content_differs(new, old) || new.get("status") != old.get("status")
            }
        }
    }
}

/// Whether anything but type, metadata and status differs.
fn content_differs(new: &Value, old: &Value) -> bool {
    const OUTSIDE: [&str; 4] = ["kind", "apiVersion", "metadata", "status"];
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else { return new != old };
    let inside = |k: &String| !OUTSIDE.contains(&k.as_str());
    new.keys().chain(old.keys()).filter(|k| inside(k)).any(|k| new.get(k) != old.get(k))
}

fn metadata_differs(new: &Value, old: &Value, field: &str) -> bool {
    new["metadata"].get(field) != old["metadata"].get(field)
}

/// Declarative behaviour of a kind's create, update and delete.
#[derive(Clone, Debug)]
pub struct Strategy {
    /// A PUT to a missing name creates.
    pub create_on_update: bool,
    /// A PUT without resourceVersion is accepted.
    pub unconditional_update: bool,
    /// Status is cleared at creation and kept by updates of the main resource.
    pub status: bool,
    /// A status that the client gives at creation is kept nevertheless (nodes).
    pub status_at_creation: bool,
    /// An update of `/status` changes nothing of the metadata.
    pub status_keeps_metadata: bool,
    /// How the generation moves.
    pub generation: Generation,
    /// Seconds of grace a deletion gets when the request names none; `None` deletes at once.
    pub grace_seconds: Option<fn(&Value) -> u64>,
}

impl Default for Strategy {
    fn default() -> Self {
        Strategy {
            create_on_update: false,
            unconditional_update: true,
            status: false,
            status_at_creation: false,
            status_keeps_metadata: false,
            generation: Generation::None,
            grace_seconds: None,
        }
    }
}

/// Behaviour of a kind that needs code. Each has a default that does nothing.
#[derive(Clone, Copy)]
pub struct Hooks {
    /// Fills in defaults, at decoding and after each patch; idempotent.
    pub default: fn(&mut Value),
    /// Turns an object of the storage version into this served version, `apiVersion` included.
    pub from_storage: fn(&mut Value),
    /// The way back. Neither is called where the two versions are the same.
    pub to_storage: fn(&mut Value),
    /// What upstream's strategy does before a creation, besides clearing status. Runs after
    /// defaulting, with name, namespace and uid set.
    pub prepare_create: fn(&mut Value),
    /// What upstream's strategy does before an update of the main resource: (new, old).
    pub prepare_update: fn(&mut Value, &Value),
    /// The same for an update of `/status`: (new, old).
    pub prepare_status_update: fn(&mut Value, &Value),
    /// Validates a creation; metadata is validated by the pipeline.
    pub validate: fn(&Value) -> ErrorList,
    /// Validates an update of the main resource: (new, old).
    pub validate_update: fn(&Value, &Value) -> ErrorList,
    /// Validates an update of `/status`: (new, old).
    pub validate_status_update: fn(&Value, &Value) -> ErrorList,
}

impl Hooks {
    /// Nothing to do.
    pub const NONE: Hooks = Hooks {
        default: |_| {},
        from_storage: |_| {},
        to_storage: |_| {},
        prepare_create: |_| {},
        prepare_update: |_, _| {},
        prepare_status_update: |_, _| {},
        validate: |_| ErrorList::new(),
        validate_update: |_, _| ErrorList::new(),
        validate_status_update: |_, _| ErrorList::new(),
    };
}

impl Kind {
    /// An entry with everything at its default; builder methods change it.
    pub fn new(
        scope: Scope,
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
    ) -> Self {
        Kind {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            plural: plural.into(),
            singular: kind.to_ascii_lowercase().into(),
            short_names: Vec::new(),
            categories: Vec::new(),
            scope,
            verbs: Verbs::ALL,
            storage: StorageVersion {
                collection: Collection::new(group, plural),
                api_version: reddwarf_core::gvk::api_version(group, version),
            },
            subresources: Vec::new(),
            columns: &[],
            fields: FieldSelectors::METADATA_ONLY,
            strategy: Strategy::default(),
            hooks: Hooks::NONE,
            custom: None,
            discovered: OnceLock::new(),
            empty: OnceLock::new(),
        }
    }

    /// Kind, version and what upstream always writes of an object without content.
    pub fn empty(&self) -> &Value {
        self.empty.get_or_init(|| {
            let head = json!({"kind": self.kind, "apiVersion": self.api_version(), "metadata": {}});
            schema::normalize(self, head.clone(), FieldValidation::Ignore)
                .map_or(head, |decoded| decoded.object)
        })
    }

    /// Fills in defaults, at decoding and after each patch; idempotent.
    pub fn fill_defaults(&self, object: &mut Value) {
        match &self.custom {
            Some(custom) => custom.fill_defaults(object),
            None => (self.hooks.default)(object),
        }
    }

    /// Turns a stored object into what this version shows of it.
    pub fn show(&self, object: &mut Value) {
        match &self.custom {
            Some(custom) => custom.show(object),
            None if self.converts() => (self.hooks.from_storage)(object),
            None => {}
        }
    }

    /// The way back.
    pub fn store(&self, object: &mut Value) {
        match &self.custom {
            Some(custom) => custom.store(object),
            None if self.converts() => (self.hooks.to_storage)(object),
            None => {}
        }
    }

    /// The kind of a list of these.
    pub fn list_kind(&self) -> Cow<'_, str> {
        match &self.custom {
            Some(custom) => Cow::Borrowed(&*custom.definition.names.list_kind),
            None => Cow::Owned(format!("{}List", self.kind)),
        }
    }

    /// Values of the selectable fields of an object of this version, under their names in the
    /// index.
    pub fn indexed_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        (self.fields.of)(object)
    }

    /// `apiVersion` of this served version.
    pub fn api_version(&self) -> String {
        reddwarf_core::gvk::api_version(&self.group, &self.version)
    }

    /// Whether stored objects need conversion to be shown in this version. Those of a custom
    /// kind always do: its schema may be newer than they are.
    pub fn converts(&self) -> bool {
        if self.custom.is_some() {
            return true;
        }
        let api_version = &self.storage.api_version;
        match reddwarf_core::gvk::parse_api_version(api_version) {
            Some((group, version)) => group != self.group || version != self.version,
            None => false,
        }
    }

    /// Whether objects are stored in another version of a custom kind.
    pub fn is_converted(&self) -> bool {
        self.custom.as_ref().is_some_and(|custom| !custom.version.storage)
    }

    /// Group and plural, as messages name the resource.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource { group: self.group.to_string(), resource: self.plural.to_string() }
    }

    /// Whether objects are stored, rather than answered by code (reviews, bindings, commits).
    pub fn stored(&self) -> bool {
        self.verbs.has("watch") && self.verbs.has("delete")
    }

    /// Whether objects live in namespaces.
    pub fn namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }

    /// Whether `metadata.namespace` can be selected: upstream's kinds without namespaces refuse
    /// it when they list their fields themselves, and find nothing by it otherwise.
    pub fn selects_namespace(&self) -> bool {
        self.namespaced() || (self.fields.names.is_empty() && self.custom.is_none())
    }

    /// What a field selector that names an unknown `label` is told (400).
    pub fn field_not_supported(&self, label: &str) -> String {
        match (self.fields.names, &*self.kind) {
            _ if self.custom.is_some() => format!("field label not supported: {label}"),
            ([], _) => format!(
                "\"{label}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
            ),
            (_, "Job") => format!("field label \"{label}\" not supported for Job"),
            (_, "ResourceSlice") => format!(
                "field label not supported for {}, Kind={}: {label}",
                self.api_version(),
                self.kind
            ),
            _ => format!("field label not supported: {label}"),
        }
    }

    /// The subresource of that name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }
}
