//! One field manager's entry in `metadata.managedFields`.

use super::element::NotAnElement;
use super::fields_v1;
use super::set::Set;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// How a manager came to its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

/// Who owns fields.
///
/// An applier is the same in whatever version it applies; an updater is another one in every
/// version.
#[derive(Clone, Debug)]
pub struct Manager<'a> {
    /// The field manager's name.
    pub name: Cow<'a, str>,
    /// How it wrote.
    pub operation: Operation,
    /// The version of the object that it wrote.
    pub api_version: Cow<'a, str>,
    /// The subresource through which it wrote, empty for the main resource.
    pub subresource: Cow<'a, str>,
}

impl Manager<'_> {
    /// Whether `other` is this manager.
    pub fn is(&self, other: &Manager<'_>) -> bool {
        self.operation == other.operation
            && self.name == other.name
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// The text by which upstream sorts managers.
    pub fn sort_key(&self) -> String {
        let mut key = Map::new();
        let mut put = |name: &str, value: &str| {
            if !value.is_empty() {
                key.insert(name.to_owned(), value.into());
            }
        };
        put("manager", &self.name);
        put("operation", self.operation.as_str());
        if self.operation == Operation::Update {
            put("apiVersion", &self.api_version);
        }
        put("subresource", &self.subresource);
        Value::Object(key).to_string()
    }
}

/// As messages about conflicts name it.
impl fmt::Display for Manager<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        match self.operation {
            Operation::Update => write!(f, " using {}", self.api_version),
            Operation::Apply => Ok(()),
        }
    }
}

/// Why an entry that a client sent is not taken.
#[derive(Debug, Error)]
pub enum BadEntry {
    /// Neither `Apply` nor `Update`.
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    /// No version.
    #[error("apiVersion must not be empty")]
    ApiVersion,
    /// Fields of another form than FieldsV1, or of none.
    #[error("invalid fieldsType {0:?}")]
    FieldsType(String),
    /// The fields do not parse.
    #[error("error decoding set")]
    Fields(#[from] NotAnElement),
    /// More entries than any object needs.
    #[error("{0} entries are too many")]
    TooMany(usize),
}

/// What a manager owns, since when.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Whose it is.
    pub manager: Manager<'a>,
    /// When it last changed something, RFC 3339 in whole seconds.
    pub time: Option<Cow<'a, str>>,
    fields: Fields<'a>,
}

/// Most requests change few entries: the others stay as they were written.
#[derive(Clone, Debug)]
enum Fields<'a> {
    Written(&'a Value),
    Read(Set<'a>),
}

const FIELDS_V1: &str = "FieldsV1";

impl<'a> Entry<'a> {
    /// A new entry.
    pub fn new(manager: Manager<'a>, fields: Set<'a>) -> Self {
        Entry { manager, time: None, fields: Fields::Read(fields) }
    }

    /// Reads an entry without looking into its fields.
    ///
    /// # Errors
    /// What upstream refuses of it.
    pub fn read(entry: &'a Value) -> Result<Self, BadEntry> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let operation = match text("operation") {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err(BadEntry::Operation),
        };
        if text("apiVersion").is_empty() {
            return Err(BadEntry::ApiVersion);
        }
        if text("fieldsType") != FIELDS_V1 {
            return Err(BadEntry::FieldsType(text("fieldsType").to_owned()));
        }
        let manager = Manager {
            name: text("manager").into(),
            operation,
            api_version: text("apiVersion").into(),
            subresource: text("subresource").into(),
        };
        let time = entry.get("time").and_then(Value::as_str).map(Cow::Borrowed);
        let fields = Fields::Written(entry.get("fieldsV1").unwrap_or(&Value::Null));
        Ok(Entry { manager, time, fields })
    }

    /// The fields. What was stored parses; anything else holds no fields.
    pub fn fields(&mut self) -> &mut Set<'a> {
        if let Fields::Written(written) = self.fields {
            self.fields = Fields::Read(fields_v1::decode(written).unwrap_or_default());
        }
        match &mut self.fields {
            Fields::Read(set) => set,
            Fields::Written(_) => unreachable!("read above"),
        }
    }

    /// Whether its fields parse.
    ///
    /// # Errors
    /// [`BadEntry::Fields`].
    pub fn check(&self) -> Result<(), BadEntry> {
        match &self.fields {
            Fields::Written(written) => drop(fields_v1::decode(written)?),
            Fields::Read(_) => {}
        }
        Ok(())
    }

    /// Whether it owns nothing.
    pub fn is_empty(&self) -> bool {
        match &self.fields {
            Fields::Written(Value::Object(fields)) => fields.is_empty(),
            Fields::Written(_) => true,
            Fields::Read(set) => set.is_empty(),
        }
    }

    /// Changes the fields.
    pub fn change(&mut self, change: impl FnOnce(Set<'a>) -> Set<'a>) {
        let fields = std::mem::take(self.fields());
        self.fields = Fields::Read(change(fields));
    }

    /// The entry as objects carry it.
    pub fn encode(&self) -> Value {
        let mut out = Map::with_capacity(7);
        let mut put = |name: &str, value: &str| {
            if !value.is_empty() {
                out.insert(name.to_owned(), value.into());
            }
        };
        put("manager", &self.manager.name);
        put("operation", self.manager.operation.as_str());
        put("apiVersion", &self.manager.api_version);
        put("time", self.time.as_deref().unwrap_or_default());
        put("fieldsType", FIELDS_V1);
        let fields = match &self.fields {
            Fields::Written(written) => (*written).clone(),
            Fields::Read(set) => fields_v1::encode(set),
        };
        out.insert("fieldsV1".to_owned(), fields);
        if !self.manager.subresource.is_empty() {
            out.insert("subresource".to_owned(), self.manager.subresource.as_ref().into());
        }
        Value::Object(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_is_written_as_it_was_read() {
        let written = json!({
            "manager": "m", "operation": "Update", "apiVersion": "v1",
            "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {}}, "subresource": "status",
        });
        let mut entry = Entry::read(&written).expect("valid");
        assert_eq!(entry.encode().to_string(), written.to_string());
        assert!(entry.fields().has(&["data"]));
        assert_eq!(entry.encode().to_string(), written.to_string());
        assert_eq!(entry.manager.to_string(), "\"m\" with subresource \"status\" using v1");
    }

    #[test]
    fn what_is_refused() {
        let with = |name: &str, value: &str| {
            let mut entry =
                json!({"operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1"});
            entry[name] = value.into();
            Entry::read(&entry).map(|_| ()).expect_err("refused").to_string()
        };
        assert_eq!(with("operation", "Patch"), "operation must be `Apply` or `Update`");
        assert_eq!(with("apiVersion", ""), "apiVersion must not be empty");
        assert_eq!(with("fieldsType", "FieldsV2"), "invalid fieldsType \"FieldsV2\"");
        let fields = json!({"operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"x": {}}});
        assert!(Entry::read(&fields).expect("not looked into").check().is_err());
    }

    #[test]
    fn an_applier_is_the_same_in_every_version() {
        let manager = |operation, api_version: &'static str| Manager {
            name: "m".into(),
            operation,
            api_version: api_version.into(),
            subresource: "".into(),
        };
        let (apply, update) = (Operation::Apply, Operation::Update);
        assert!(manager(apply, "a/v1").is(&manager(apply, "a/v2")));
        assert!(!manager(update, "a/v1").is(&manager(update, "a/v2")));
        assert!(!manager(apply, "a/v1").is(&manager(update, "a/v1")));
        assert_eq!(
            manager(update, "v1").sort_key(),
            r#"{"manager":"m","operation":"Update","apiVersion":"v1"}"#
        );
    }
}
