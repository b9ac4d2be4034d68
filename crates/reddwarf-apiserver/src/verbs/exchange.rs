//! One request on its way through the verbs.

use super::{Verb, ownership};
use crate::admission::{Attributes, Operation};
use crate::allocation::{Extra, ExtraChange};
use crate::errors::unknown_format;
use crate::http::{Accept, Query, RequestInfo};
use crate::object::{encode, index, to_change};
use crate::registry::{Kind, Registry};
use crate::request::{FieldValidation, UserInfo};
use crate::schema::{BodyFormat, Decoded, Expected, decode, decode_as};
use crate::server::ApiServer;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, USER_AGENT};
use reddwarf_core::gvk::parse_api_version;
use reddwarf_core::limits::PROPOSAL_BYTES_MAX;
use reddwarf_core::{
    Author, BranchId, Change, Committed, Excised, Expectation, Fence, Links, ObjectKey,
    Precondition, ProposeError, Revision, Status, View, Write,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// A request to a resource, authenticated and authorized.
pub struct Exchange<'a> {
    /// The server.
    pub server: &'a ApiServer,
    /// The kinds, as they were when the request came.
    pub registry: &'a Registry,
    /// What is asked.
    pub verb: Verb,
    /// Of which kind.
    pub kind: &'a Arc<Kind>,
    /// The path's parts.
    pub info: &'a RequestInfo,
    /// The parameters.
    pub query: &'a Query,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The form of the answer; watches need it early.
    pub accept: Accept,
    /// The body.
    pub body: &'a Bytes,
    /// Who asks.
    pub user: &'a UserInfo,
    /// The term of a leader's own loop.
    pub fence: Option<Fence>,
}

impl Exchange<'_> {
    /// Namespace in the path, `""` outside of namespaces.
    pub fn namespace(&self) -> &str {
        self.info.namespace.as_deref().unwrap_or_default()
    }

    /// Name in the path, `""` on a collection.
    pub fn name(&self) -> &str {
        self.info.name.as_deref().unwrap_or_default()
    }

    /// Subresource in the path, `""` for the main resource.
    pub fn subresource(&self) -> &str {
        self.info.subresource.as_deref().unwrap_or_default()
    }

    /// The key of the object `name` in the path's namespace.
    pub fn key(&self, name: &str) -> ObjectKey {
        self.kind.storage.collection.key(self.namespace(), name)
    }

    /// The media type of the body, without its parameters.
    pub fn media_type(&self) -> &str {
        let value = self.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
        value.unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }

    /// The format of the body.
    ///
    /// # Errors
    /// 415.
    pub fn body_format(&self) -> Result<BodyFormat, Box<Status>> {
        match self.media_type() {
            "" | "application/json" => Ok(BodyFormat::Json),
            "application/yaml" => Ok(BodyFormat::Yaml),
            "application/vnd.kubernetes.protobuf" => Ok(BodyFormat::Protobuf),
            _ => Err(unknown_format()),
        }
    }

    /// Decodes the body as an object of the kind and fills in defaults.
    ///
    /// # Errors
    /// 400, 415.
    pub fn decode(&self, validation: FieldValidation) -> Result<Decoded, Box<Status>> {
        self.decode_of(self.kind, validation)
    }

    /// Decodes the body as an object of another kind and fills in defaults.
    ///
    /// # Errors
    /// 400, 415.
    pub fn decode_of(
        &self,
        kind: &Kind,
        validation: FieldValidation,
    ) -> Result<Decoded, Box<Status>> {
        let mut decoded = decode(kind, self.body, self.body_format()?, validation)?;
        kind.fill_defaults(&mut decoded.object);
        Ok(decoded)
    }

    /// Group, version and kind of the subresource's own form (a `Scale`, an `Eviction`).
    pub fn form(&self) -> Expected<'_> {
        let own = Expected::of(self.kind);
        match self.kind.subresource(self.subresource()) {
            Some(sub) if !sub.version.is_empty() => Expected {
                group: &sub.group,
                version: &sub.version,
                kind: &sub.kind,
                custom: if sub.group == self.kind.group { own.custom } else { None },
            },
            Some(sub) => Expected { kind: &sub.kind, ..own },
            None => own,
        }
    }

    /// Decodes the body as the subresource's own form.
    ///
    /// # Errors
    /// 400, 415.
    pub fn decode_form(&self, validation: FieldValidation) -> Result<Decoded, Box<Status>> {
        let (format, mut expected) = (self.body_format()?, self.form());
        if let Some(older) = older_form(expected.kind, self.body, format) {
            (expected.group, expected.version) = parse_api_version(older).unwrap_or_default();
        }
        decode_as(expected, self.body, format, validation)
    }

    /// The attributes of an admission pass.
    pub fn attributes<'b>(
        &'b self,
        operation: Operation,
        name: &'b str,
        object: &'b mut Value,
        old: Option<&'b Value>,
        dry_run: bool,
        view: &'b View,
    ) -> Attributes<'b> {
        Attributes {
            kind: self.kind,
            subresource: self.subresource(),
            operation,
            namespace: self.namespace(),
            name,
            object,
            old,
            user: self.user,
            dry_run,
            view,
            preconditions: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Proposes a write in the caller's name.
    ///
    /// # Errors
    /// See [`ProposeError`].
    pub async fn propose(
        &self,
        preconditions: Vec<Precondition>,
        changes: Vec<Change>,
    ) -> Result<Committed, ProposeError> {
        self.propose_linked(preconditions, changes, None, Vec::new()).await
    }

    /// Proposes a write that has to do with branches, when `links` are given, or that takes past
    /// versions away.
    ///
    /// # Errors
    /// See [`ProposeError`].
    pub async fn propose_linked(
        &self,
        preconditions: Vec<Precondition>,
        changes: Vec<Change>,
        links: Option<Links>,
        excised: Vec<Excised>,
    ) -> Result<Committed, ProposeError> {
        let bytes: usize = changes.iter().map(bytes_of).sum();
        if bytes > PROPOSAL_BYTES_MAX {
            let why = format!("limit is {PROPOSAL_BYTES_MAX}, the stored form has {bytes}");
            return Err(ProposeError::TooLarge(why));
        }
        let mut write = self.write(self.verb.as_str(), preconditions, changes);
        write.links = links.map(Box::new);
        write.excised = excised;
        let committed = self.server.store().propose(write).await?;
        if super::removal::is_definition(self.kind) {
            // Whoever changed a definition sees its kind as it says, without waiting.
            self.server.refresh_kinds();
        }
        Ok(committed)
    }

    /// A write in the caller's name.
    pub fn write(
        &self,
        verb: &str,
        preconditions: Vec<Precondition>,
        changes: Vec<Change>,
    ) -> Write {
        Write {
            branch: BranchId::MAIN,
            author: self.author(),
            verb: verb.to_owned(),
            message: self.message(&changes),
            time_ms: u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default(),
            fence: self.fence,
            preconditions,
            changes,
            links: None,
            excised: Vec::new(),
        }
    }

    /// The field manager's name.
    pub fn manager(&self) -> String {
        ownership::manager(self)
    }

    fn author(&self) -> Author {
        let agent = self.headers.get(USER_AGENT).and_then(|a| a.to_str().ok()).unwrap_or_default();
        Author {
            user: self.user.name.clone(),
            groups: self.user.groups.clone(),
            user_agent: agent.to_owned(),
            field_manager: ownership::manager(self),
        }
    }

    /// What the author says of the write: in a header, or in the annotation that tools write for
    /// the history of rollouts.
    fn message(&self, changes: &[Change]) -> Option<String> {
        let header = self.headers.get(MESSAGE).map(|text| String::from_utf8_lossy(text.as_bytes()));
        let header = header.map(std::borrow::Cow::into_owned);
        let message = header.or_else(|| {
            let main = self.info.subresource.is_none();
            changes.iter().filter(|_| main).find_map(change_cause)
        })?;
        shortened(message)
    }

    /// Makes what the pipeline changes besides the object part of a write.
    pub fn extend(
        &self,
        extra: Extra,
        preconditions: &mut Vec<Precondition>,
        changes: &mut Vec<Change>,
    ) {
        preconditions.extend(extra.preconditions);
        changes.extend(extra.changes.into_iter().map(|change| match change {
            ExtraChange::Delete { key } => Change::Delete { key },
            ExtraChange::Put { key, object } => self.put(key, &object),
        }));
    }

    /// The change that stores an object of any kind, in its storage version.
    pub fn put(&self, key: ObjectKey, object: &Value) -> Change {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let api_version = text("apiVersion");
        let (group, version) = parse_api_version(api_version).unwrap_or_default();
        if let Some(kind) = self.registry.resource(group, version, key.resource()) {
            return to_change(kind, key, object).0;
        }
        let encoded = encode(api_version, text("kind"), object);
        let index = index(self.kind, &json!({"metadata": object["metadata"]}));
        let (body, version_offset) = (encoded.bytes, encoded.version_offset);
        Change::Put { key, body, version_offset, index, salt: None }
    }
}

/// The header that holds the message of the commit.
const MESSAGE: &str = "reddwarf-message";
/// What is kept of a message.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// What is kept of a message; nothing of an empty one.
pub fn shortened(mut message: String) -> Option<String> {
    while message.len() > MESSAGE_BYTES_MAX {
        message.pop();
    }
    (!message.is_empty()).then_some(message)
}

/// The annotation `kubernetes.io/change-cause` of an object that is put.
fn change_cause(change: &Change) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(serde::Deserialize)]
    struct Metadata {
        #[serde(default)]
        annotations: Option<Annotations>,
    }
    #[derive(serde::Deserialize)]
    struct Annotations {
        #[serde(rename = "kubernetes.io/change-cause")]
        cause: Option<String>,
    }
    let Change::Put { body, .. } = change else { return None };
    // Nearly no object has it, and finding that out must cost nothing.
    memchr::memmem::find(body, b"kubernetes.io/change-cause")?;
    serde_json::from_slice::<Object>(body).ok()?.metadata.annotations?.cause
}

fn bytes_of(change: &Change) -> usize {
    match change {
        Change::Put { body, .. } => body.len(),
        Change::Delete { .. } => 0,
    }
}

/// A condition that `key` still has `revision`.
pub fn still_at(key: &ObjectKey, revision: Revision) -> Precondition {
    Precondition { key: key.clone(), expect: Expectation::At(revision) }
}

/// A condition that nothing is stored at `key`.
pub fn still_absent(key: &ObjectKey) -> Precondition {
    Precondition { key: key.clone(), expect: Expectation::Absent }
}

/// So many seconds from now, as metadata shows times: RFC 3339 in whole seconds.
pub fn time_after(seconds: i64) -> Value {
    let now = jiff::Timestamp::now().as_second();
    let at = jiff::Timestamp::from_second(now.saturating_add(seconds));
    Value::String(at.unwrap_or(jiff::Timestamp::MAX).to_string())
}

/// Versions in which upstream still takes the body of a subresource besides the one it shows.
const OLDER_FORMS: [(&str, &str); 4] = [
    ("Eviction", "policy/v1beta1"),
    ("Scale", "apps/v1beta1"),
    ("Scale", "apps/v1beta2"),
    ("Scale", "extensions/v1beta1"),
];

/// The older version that a body names, if it is one of [`OLDER_FORMS`].
fn older_form(kind: &str, body: &[u8], format: BodyFormat) -> Option<&'static str> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head<'a> {
        #[serde(borrow)]
        api_version: Option<std::borrow::Cow<'a, str>>,
    }
    if !OLDER_FORMS.iter().any(|(k, _)| *k == kind) || format != BodyFormat::Json {
        return None;
    }
    let given = serde_json::from_slice::<Head<'_>>(body).ok()?.api_version?;
    OLDER_FORMS.iter().find(|(k, version)| *k == kind && *version == given).map(|(_, v)| *v)
}
