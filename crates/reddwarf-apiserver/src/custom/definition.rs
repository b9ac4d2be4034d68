//! A definition as it is stored, as far as serving its kind needs it.

use super::conversion::{self, Webhook};
use super::json_path::JsonPath;
use super::kind;
use super::schema::Schema;
use super::serving::Serving;
use super::version_order;
use crate::registry::Kind;
use reddwarf_core::Revision;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

/// A definition of a custom kind.
pub struct Definition {
    /// The revision at which it was read.
    pub revision: Revision,
    /// What tells it from another definition of that name.
    pub uid: Box<str>,
    /// API group.
    pub group: Arc<str>,
    /// The names under which it is served.
    pub names: Names,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Whether its names were accepted once.
    pub established: bool,
    /// Whether it is on its way out: no object can be created any more.
    pub terminating: bool,
    /// Whether fields that the schema does not know are kept everywhere.
    pub preserve_unknown: bool,
    /// All versions, the preferred one first.
    pub versions: Vec<Arc<Version>>,
    /// What converts objects between versions that differ in more than their names.
    pub webhook: Option<Webhook>,
}

/// A definition whose names were accepted, and the kinds that it adds to the API.
pub struct Served {
    /// The definition.
    pub definition: Arc<Definition>,
    /// Its served versions, the preferred one first.
    pub kinds: Vec<Arc<Kind>>,
}

/// The names of a custom kind.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Names {
    /// Plural, as in the path.
    pub plural: Box<str>,
    /// Singular.
    pub singular: Box<str>,
    /// Kind in upper camel case.
    pub kind: Box<str>,
    /// Kind of a list.
    pub list_kind: Box<str>,
    /// Short names.
    pub short_names: Vec<Box<str>>,
    /// Categories.
    pub categories: Vec<Box<str>>,
}

/// One version of a custom kind.
pub struct Version {
    /// Its name, e.g. `v1beta1`.
    pub name: Box<str>,
    /// Whether requests may name it.
    pub served: bool,
    /// Whether objects are stored in it.
    pub storage: bool,
    /// The text of the warning that every request in a deprecated version earns.
    pub deprecation: Option<String>,
    /// Whether it has `/status`.
    pub status: bool,
    /// Where `/scale` finds its numbers.
    pub scale: Option<ScalePaths>,
    /// Columns of tables, besides the name.
    pub columns: Vec<Column>,
    /// Paths of the fields by which objects can be selected, without the dot in front.
    pub selectable: Vec<(Box<str>, JsonPath)>,
    /// The entry in `spec.versions` as it is written.
    written: Box<RawValue>,
    schema: OnceLock<Option<Schema>>,
    digest: OnceLock<String>,
}

/// Where `/scale` finds its numbers in an object.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScalePaths {
    /// The wanted number.
    pub spec_replicas_path: String,
    /// The actual number.
    pub status_replicas_path: String,
    /// The selector as text.
    #[serde(default)]
    pub label_selector_path: Option<String>,
}

/// A column of the kind's tables.
#[derive(Clone, Debug)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub ty: String,
    /// OpenAPI format.
    pub format: String,
    /// What the heading means.
    pub description: String,
    /// 0 is always shown, 1 with `-o wide`.
    pub priority: i32,
    /// Where the cell is found.
    pub path: JsonPath,
}

#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(default)]
    metadata: Meta,
    #[serde(borrow)]
    spec: Spec<'a>,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    uid: Box<str>,
    deletion_timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    group: String,
    names: Names,
    scope: String,
    #[serde(borrow)]
    versions: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    conversion: Option<&'a RawValue>,
    #[serde(default)]
    preserve_unknown_fields: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    conditions: Option<Vec<Condition>>,
    accepted_names: Names,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    ty: String,
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: Box<str>,
    #[serde(default)]
    served: bool,
    #[serde(default)]
    storage: bool,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    deprecation_warning: Option<String>,
    #[serde(default)]
    subresources: Option<Subresources>,
    #[serde(default)]
    additional_printer_columns: Vec<ColumnEntry>,
    #[serde(default)]
    selectable_fields: Vec<SelectableField>,
}

/// The schema in an entry.
#[derive(Deserialize)]
struct Schematic {
    #[serde(default)]
    schema: Option<Validation>,
}

#[derive(Deserialize)]
struct Validation {
    #[serde(rename = "openAPIV3Schema", default)]
    schema: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Subresources {
    status: Option<Value>,
    scale: Option<ScalePaths>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ColumnEntry {
    name: String,
    #[serde(rename = "type")]
    ty: String,
    #[serde(default)]
    format: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    priority: i32,
    json_path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SelectableField {
    json_path: String,
}

impl Definition {
    /// Reads a stored definition; versions that are written as in `old` are shared with it.
    ///
    /// # Errors
    /// The bytes are no definition.
    pub fn read(
        bytes: &[u8],
        revision: Revision,
        old: Option<&Definition>,
    ) -> Result<Definition, serde_json::Error> {
        let stored: Stored<'_> = serde_json::from_slice(bytes)?;
        let Stored { metadata, spec, status } = stored;
        let holds = |ty: &str| {
            let mut conditions = status.conditions.iter().flatten();
            conditions.any(|c| c.ty == ty && c.status == "True")
        };
        let known = |written: &RawValue| {
            let old = old.filter(|old| *old.group == *spec.group)?;
            old.versions.iter().find(|v| v.written.get() == written.get()).cloned()
        };
        let entries = spec.versions.iter().map(|w| serde_json::from_str::<Entry>(w.get()));
        let entries: Vec<Entry> = entries.collect::<Result<_, _>>()?;
        let warning = |entry| deprecation(&spec.group, &spec.names.kind, entry, &entries);
        let warnings: Vec<Option<String>> = entries.iter().map(warning).collect();
        let entries = spec.versions.iter().zip(entries).zip(warnings);
        let mut versions: Vec<Arc<Version>> = entries
            .map(|((written, entry), deprecation)| {
                let known = known(written).filter(|version| version.deprecation == deprecation);
                known.unwrap_or_else(|| Arc::new(Version::new(written, entry, deprecation)))
            })
            .collect();
        versions.sort_by(|a, b| version_order::compare(&b.name, &a.name));
        let established = holds("Established");
        let names = if established { status.accepted_names.clone() } else { spec.names };
        Ok(Definition {
            revision,
            uid: metadata.uid,
            group: spec.group.into(),
            names,
            namespaced: spec.scope == "Namespaced",
            established,
            terminating: metadata.deletion_timestamp.is_some() || holds("Terminating"),
            preserve_unknown: spec.preserve_unknown_fields,
            versions,
            webhook: conversion::webhook(spec.conversion),
        })
    }

    /// What is served of it now; a kind that is served as in `old` shares its
    /// [`Serving`] with it.
    pub fn served_now(self: &Arc<Self>, old: Option<&Served>) -> Option<Arc<Served>> {
        let serve = || Served { definition: self.clone(), kinds: kind::kinds(self, old) };
        self.established.then(|| Arc::new(serve()))
    }

    /// The version of that name, served or not.
    pub fn version(&self, name: &str) -> Option<&Arc<Version>> {
        self.versions.iter().find(|version| &*version.name == name)
    }

    /// The version that an `apiVersion` names.
    pub fn version_of(&self, api_version: &str) -> Option<&Arc<Version>> {
        let (group, version) = reddwarf_core::gvk::parse_api_version(api_version)?;
        if group == &*self.group { self.version(version) } else { None }
    }

    /// `apiVersion` of stored objects.
    pub fn storage_version(&self) -> String {
        let storage = self.versions.iter().find(|version| version.storage);
        let name = storage.map(|version| &*version.name).unwrap_or_default();
        reddwarf_core::gvk::api_version(&self.group, name)
    }
}

/// The warning of a deprecated version: its own, or one that names a better version.
fn deprecation(group: &str, kind: &str, entry: &Entry, all: &[Entry]) -> Option<String> {
    if !entry.deprecated {
        return None;
    }
    if let Some(text) = &entry.deprecation_warning {
        return Some(text.clone());
    }
    let newer = all.iter().filter(|other| {
        let newer = version_order::compare(&entry.name, &other.name) == Ordering::Less;
        other.served && !other.deprecated && newer
    });
    let best = newer.max_by(|a, b| version_order::compare(&a.name, &b.name));
    let instead = best.map(|best| format!("; use {group}/{} {kind}", best.name));
    Some(format!("{group}/{} {kind} is deprecated{}", entry.name, instead.unwrap_or_default()))
}

impl Served {
    /// Whether nobody who asks for kinds, or watches their objects, could tell it from `old`.
    pub fn shows_as(&self, old: &Served) -> bool {
        self.definition.terminating == old.definition.terminating
            && self.kinds.len() == old.kinds.len()
            && self.servings().zip(old.servings()).all(|(new, old)| new.is_same(old))
    }

    /// Ends the servings that `new` does not go on with.
    pub(crate) fn end_unless_in(&self, new: Option<&Served>) {
        let goes_on = |serving: &Serving| {
            new.is_some_and(|new| new.servings().any(|other| other.is_same(serving)))
        };
        self.servings().filter(|serving| !goes_on(serving)).for_each(Serving::end);
    }

    fn servings(&self) -> impl Iterator<Item = &Serving> {
        self.kinds.iter().filter_map(|kind| Some(&kind.custom.as_ref()?.serving))
    }
}

impl Version {
    fn new(written: &RawValue, entry: Entry, deprecation: Option<String>) -> Self {
        let subresources = entry.subresources.unwrap_or_default();
        let columns = entry.additional_printer_columns.into_iter().filter_map(|column| {
            Some(Column {
                description: match column.description.is_empty() {
                    true => format!(
                        "Custom resource definition column (in JSONPath format): {}",
                        column.json_path
                    ),
                    false => column.description,
                },
                path: JsonPath::parse(&column.json_path).ok()?,
                name: column.name,
                ty: column.ty,
                format: column.format,
                priority: column.priority,
            })
        });
        let selectable = entry.selectable_fields.into_iter().filter_map(|field| {
            let path = JsonPath::parse(&field.json_path).ok()?;
            Some((field.json_path.trim_start_matches('.').into(), path))
        });
        Version {
            name: entry.name,
            served: entry.served,
            storage: entry.storage,
            deprecation,
            status: subresources.status.is_some(),
            scale: subresources.scale,
            columns: columns.collect(),
            selectable: selectable.collect(),
            written: written.to_owned(),
            schema: OnceLock::new(),
            digest: OnceLock::new(),
        }
    }

    /// Its schema, compiled when it is first asked for; `None` where it has none.
    pub fn schema(&self) -> Option<&Schema> {
        let compiled = self.schema.get_or_init(|| Some(Schema::compile(&self.source()?)));
        compiled.as_ref()
    }

    /// Its schema as the definition has it.
    pub fn source(&self) -> Option<Value> {
        let entry: Schematic = serde_json::from_str(self.written.get()).ok()?;
        entry.schema?.schema
    }

    /// A hash of the entry in `spec.versions` as it is written.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| {
            let hash = Sha256::digest(self.written.get());
            hash.iter().map(|byte| format!("{byte:02X}")).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stored(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut definition = json!({
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": "widgets", "kind": "Widget", "listKind": "WidgetList", "singular": "widget"},
                "versions": [
                    {"name": "v1beta1", "served": true, "storage": false, "deprecated": true},
                    {"name": "v1", "served": true, "storage": true,
                     "schema": {"openAPIV3Schema": {"type": "object"}}},
                ],
            },
            "status": {
                "conditions": [{"type": "Established", "status": "True"}],
                "acceptedNames": {"plural": "widgets", "kind": "Widget", "listKind": "WidgetList", "singular": "widget"},
            },
        });
        change(&mut definition);
        definition.to_string().into_bytes()
    }

    #[test]
    fn versions_stand_by_their_rank() {
        let read =
            Arc::new(Definition::read(&stored(|_| {}), Revision(1), None).expect("a definition"));
        assert_eq!(read.storage_version(), "example.com/v1");
        let served = read.served_now(None).expect("established");
        let versions: Vec<_> = served.kinds.iter().map(|k| k.version.to_string()).collect();
        assert_eq!(versions, ["v1", "v1beta1"]);
        assert_eq!(
            read.versions[1].deprecation.as_deref(),
            Some("example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget")
        );
    }

    #[test]
    fn what_did_not_change_is_shared() {
        let old = Definition::read(&stored(|_| {}), Revision(1), None).expect("a definition");
        let changed = stored(|d| d["spec"]["versions"][1]["served"] = json!(false));
        let new = Definition::read(&changed, Revision(2), Some(&old)).expect("a definition");
        let shared = |name| {
            Arc::ptr_eq(old.version(name).expect("there"), new.version(name).expect("there"))
        };
        assert!(!shared("v1"));
        assert!(!shared("v1beta1"), "its warning named the version that is no longer served");
        let same = Definition::read(
            &stored(|d| d["metadata"]["uid"] = json!("u")),
            Revision(2),
            Some(&old),
        );
        let same = same.expect("a definition");
        assert!(Arc::ptr_eq(&same.versions[0], &old.versions[0]));
    }

    #[test]
    fn nothing_is_served_before_names_are_accepted() {
        let fresh = stored(|d| d["status"] = json!({"conditions": null}));
        let fresh = Arc::new(Definition::read(&fresh, Revision(1), None).expect("a definition"));
        assert!(fresh.served_now(None).is_none());
    }
}
