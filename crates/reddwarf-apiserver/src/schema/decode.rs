//! From the body of a request to a normalized object.

use super::context::{Context, Step};
use super::model::{Graph, TypeId};
use super::node::Node;
use super::{BodyFormat, Decoded, protobuf, syntax, table, yaml};
use crate::custom::{self, CustomKind};
use crate::registry::Kind;
use crate::request::FieldValidation;
use reddwarf_core::{Reason, Status};
use serde::de::DeserializeSeed;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Decodes a body as an object of group, version and kind of `kind`.
///
/// A body without `apiVersion` and `kind` gets them.
///
/// # Errors
/// The 400 that upstream answers for a body that does not parse, is of another kind, has a
/// field of the wrong type, or (with [`FieldValidation::Strict`]) an unknown or duplicate field.
pub fn decode(
    kind: &Kind,
    body: &[u8],
    format: BodyFormat,
    validation: FieldValidation,
) -> Result<Decoded, Box<Status>> {
    decode_as(Expected::of(kind), body, format, validation)
}

/// Decodes a body as an object of that group, version and kind, which need not be a resource
/// of its own (`Scale`, `Binding`, `DeleteOptions`).
///
/// # Errors
/// As [`decode`].
pub fn decode_as(
    expected: Expected<'_>,
    body: &[u8],
    format: BodyFormat,
    validation: FieldValidation,
) -> Result<Decoded, Box<Status>> {
    if let Some(kind) = expected.custom {
        return decode_custom(expected, kind, body, format, validation);
    }
    let graph = table::builtin();
    let ty = expected.ty(graph);
    let mut context = Context::new(validation != FieldValidation::Ignore);
    let value = match format {
        BodyFormat::Json => from_json(graph, ty, body, &mut context),
        BodyFormat::Yaml => yaml::parse(body, &mut context.problems)
            .map_err(|message| expected.unrecognized(&message, body))
            .map(|value| from_value(graph, ty, value, &mut context))?,
        BodyFormat::Protobuf => {
            let known = ty.ok_or_else(|| expected.unrecognized("unknown type", body))?;
            protobuf::parse(graph, known, body)
                .map_err(|message| expected.unrecognized(&message, body))
                .map(|value| from_value(graph, ty, value, &mut context))?
        }
    };
    let refuse = |message: &str| expected.explain(body, format, message);
    let value = value.map_err(|error| refuse(context.error.as_deref().unwrap_or(&error)))?;
    let object = expected.identify(value).map_err(|error| match error {
        Mismatch::Version(message) => bad_request(message),
        Mismatch::Other => refuse("the kind does not match"),
    })?;
    finish(object, context, validation, |strict| {
        let Expected { version, kind, .. } = expected;
        bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {strict}"
        ))
    })
}

/// Brings an object that came from a patch into the form that [`decode`] gives.
///
/// # Errors
/// The bare text of the decoding error, for the patch to report.
pub(crate) fn normalize_value(
    expected: Expected<'_>,
    object: Value,
    validation: FieldValidation,
) -> Result<Decoded, String> {
    if let Some(kind) = expected.custom {
        if let Some(message) = custom::decode::untyped(&object) {
            return Err(message);
        }
        let shaped = custom::decode::shape(kind, object, validation)?;
        return shaped_as(shaped, validation, |strict| strict);
    }
    let graph = table::builtin();
    let mut context = Context::new(validation != FieldValidation::Ignore);
    if let Some(message) = expected.foreign(&object) {
        return Err(message);
    }
    let value = from_value(graph, expected.ty(graph), object, &mut context)
        .map_err(|error| context.error.take().unwrap_or(error))?;
    let object = expected.identify(value).map_err(|_| "the kind does not match".to_owned())?;
    finish(object, context, validation, |strict| strict)
}

/// Decodes a body as an object of a custom kind.
fn decode_custom(
    expected: Expected<'_>,
    kind: &CustomKind,
    body: &[u8],
    format: BodyFormat,
    validation: FieldValidation,
) -> Result<Decoded, Box<Status>> {
    let mut twice = Vec::new();
    let object = match format {
        BodyFormat::Json => custom::decode::parse(body, &mut twice)
            .map_err(|error| expected.explain(body, format, &error))?,
        BodyFormat::Yaml => yaml::parse(body, &mut twice)
            .map_err(|message| expected.unrecognized(&message, body))?,
        BodyFormat::Protobuf => return Err(expected.unrecognized("unknown type", body)),
    };
    if let Some(message) = meta_error(&object) {
        let message = format!("couldn't get version/kind; json parse error: {message}");
        return Err(expected.unrecognized(&message, body));
    }
    let refuse = |object: &Value, message: &str| expected.unhandled(object, message);
    if let Some(message) = custom::decode::without_kind(&object, body, format) {
        return Err(refuse(&object, &message));
    }
    if let Some(status) = custom::decode::wrong_version(kind, &object)
        .or_else(|| custom::decode::wrong_kind(kind, &object))
    {
        return Err(status);
    }
    let given = object.clone();
    let mut shaped = custom::decode::shape(kind, object, validation)
        .map_err(|message| refuse(&given, &message))?;
    if validation != FieldValidation::Ignore {
        shaped.problems.splice(0..0, twice);
    }
    let mut decoded = shaped_as(shaped, validation, |strict| refuse(&given, &strict))?;
    decoded.object["apiVersion"] = expected.api_version().into();
    Ok(decoded)
}

fn shaped_as<E>(
    shaped: custom::decode::Shaped,
    validation: FieldValidation,
    strict: impl FnOnce(String) -> E,
) -> Result<Decoded, E> {
    let mut context = Context::new(false);
    context.problems = shaped.problems;
    finish(shaped.object, context, validation, strict)
}

/// Decodes the metadata of an object whose kind has no type, at `path`; also gives the paths of
/// unknown fields, if they are to be recorded.
///
/// # Errors
/// The bare text of the decoding error.
pub(crate) fn metadata(
    value: Value,
    path: &str,
    record: bool,
) -> Result<(Value, Vec<String>), String> {
    let graph = table::builtin();
    let mut context = Context::new(record);
    context.push(Step::Key(path.into()));
    let ty = graph.schema(OBJECT_META);
    let value = from_value(graph, ty, value, &mut context)
        .map_err(|error| context.error.take().unwrap_or(error))?;
    let path = |problem: String| problem.split('"').nth(1).map(str::to_owned);
    let unknown = context.problems.into_iter().filter_map(path).collect();
    Ok((if value.is_null() { Value::Object(Map::new()) } else { value }, unknown))
}

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

fn finish<E>(
    object: Value,
    context: Context<'_>,
    validation: FieldValidation,
    strict: impl FnOnce(String) -> E,
) -> Result<Decoded, E> {
    let Context { problems, hollow, .. } = context;
    if validation == FieldValidation::Strict && !problems.is_empty() {
        return Err(strict(format!("strict decoding error: {}", problems.join(", "))));
    }
    Ok(Decoded { object, warnings: problems, hollow })
}

fn from_json<'g>(
    graph: &'g Graph,
    ty: Option<TypeId>,
    body: &[u8],
    context: &mut Context<'g>,
) -> Result<Value, String> {
    // Go reads bytes that are not UTF-8 as replacement characters.
    let text = match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(body),
    };
    let mut json = serde_json::Deserializer::from_str(&text);
    let value = match ty {
        Some(ty) => Node { graph, context, ty }.deserialize(&mut json),
        None => serde::Deserialize::deserialize(&mut json),
    };
    value.and_then(|value| json.end().map(|()| value)).map_err(|e| e.to_string())
}

fn from_value<'g>(
    graph: &'g Graph,
    ty: Option<TypeId>,
    value: Value,
    context: &mut Context<'g>,
) -> Result<Value, String> {
    match ty {
        Some(ty) => Node { graph, context, ty }.deserialize(value).map_err(|e| e.to_string()),
        None => Ok(value),
    }
}

/// What a body is decoded as.
#[derive(Clone, Copy)]
pub struct Expected<'k> {
    /// API group, empty for core.
    pub group: &'k str,
    /// Version.
    pub version: &'k str,
    /// Kind.
    pub kind: &'k str,
    /// What a definition says of it.
    pub custom: Option<&'k CustomKind>,
}

enum Mismatch {
    Version(String),
    Other,
}

impl<'k> Expected<'k> {
    /// The kind's own objects.
    pub fn of(kind: &'k Kind) -> Self {
        Expected {
            group: &kind.group,
            version: &kind.version,
            kind: &kind.kind,
            custom: kind.custom.as_deref(),
        }
    }

    /// Its type; `None` when the tables do not know it: then any object is taken.
    pub(crate) fn ty(&self, graph: &Graph) -> Option<TypeId> {
        graph.kind(self.group, self.version, self.kind)
    }

    fn api_version(&self) -> String {
        reddwarf_core::gvk::api_version(self.group, self.version)
    }

    /// Checks `apiVersion` and `kind`, adding what is missing.
    fn identify(&self, value: Value) -> Result<Value, Mismatch> {
        let mut object = match value {
            Value::Object(object) => object,
            Value::Null => match table::builtin().kind(self.group, self.version, self.kind) {
                Some(ty) => match table::builtin().zero_of(ty) {
                    Value::Object(object) => object,
                    _ => Map::new(),
                },
                None => Map::new(),
            },
            _ => return Err(Mismatch::Other),
        };
        let given = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (given("apiVersion"), given("kind"));
        let expected = self.api_version();
        let version_fits = api_version.is_empty() || api_version == expected;
        if !kind.is_empty() && kind != self.kind {
            return Err(Mismatch::Other);
        }
        if !version_fits {
            return Err(match was_served(api_version, self.kind) {
                true => Mismatch::Version(format!(
                    "the API version in the data ({api_version}) does not match the expected API version ({expected})"
                )),
                false => Mismatch::Other,
            });
        }
        if kind.is_empty() || api_version.is_empty() {
            object.shift_insert(0, "kind".to_owned(), self.kind.into());
            object.shift_insert(1, "apiVersion".to_owned(), expected.into());
        }
        Ok(Value::Object(object))
    }

    /// Upstream's words when the data names another kind or version.
    fn foreign(&self, object: &Value) -> Option<String> {
        let given = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (given("apiVersion"), given("kind"));
        let kind = if kind.is_empty() { self.kind } else { kind };
        let expected = self.api_version();
        let api_version = if api_version.is_empty() { &expected } else { api_version };
        if kind == self.kind && api_version == expected {
            return None;
        }
        let Some((group, version)) = reddwarf_core::gvk::parse_api_version(api_version) else {
            return Some(format!("unexpected GroupVersion string: {api_version}"));
        };
        let graph = table::builtin();
        let known = graph.kind(group, version, kind).is_some()
            || (graph.package(group, version).is_some() && kind == "List");
        if !known {
            return Some(format!(
                "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
            ));
        }
        let internal = graph.package(self.group, self.version).map_or(self.group, |p| p.internal);
        Some(format!(
            "converting ({version}.{kind}) to ({internal}.{}): unknown conversion",
            self.kind
        ))
    }

    /// The status for a body that did not decode: upstream looks at syntax, then at kind and
    /// version, then at the fields.
    fn explain(&self, body: &[u8], format: BodyFormat, error: &str) -> Box<Status> {
        if format == BodyFormat::Json
            && let Err(message) = syntax::check(body)
        {
            return self.unrecognized(
                &format!("couldn't get version/kind; json parse error: {message}"),
                body,
            );
        }
        let parsed: Value = match format {
            BodyFormat::Json => serde_json::from_slice(body).unwrap_or_default(),
            BodyFormat::Yaml => yaml::parse(body, &mut Vec::new()).unwrap_or_default(),
            BodyFormat::Protobuf => self
                .ty(table::builtin())
                .and_then(|ty| protobuf::parse(table::builtin(), ty, body).ok())
                .unwrap_or_default(),
        };
        if let Some(message) = meta_error(&parsed) {
            return self.unrecognized(
                &format!("couldn't get version/kind; json parse error: {message}"),
                body,
            );
        }
        if let Some(message) = self.foreign(&parsed) {
            if message.starts_with("unexpected GroupVersion") {
                return self.unrecognized(&message, body);
            }
            return self.unhandled(&parsed, &message);
        }
        self.unhandled(&parsed, error)
    }

    fn unhandled(&self, parsed: &Value, error: &str) -> Box<Status> {
        let given = |name: &str| parsed.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
        let api_version = given("apiVersion").unwrap_or(self.version);
        let version = api_version.rsplit('/').next().unwrap_or(api_version);
        let kind = given("kind").unwrap_or(self.kind);
        bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {}: {error}",
            self.kind
        ))
    }

    fn unrecognized(&self, error: &str, body: &[u8]) -> Box<Status> {
        bad_request(format!(
            "the object provided is unrecognized (must be of type {}): {error} ({})",
            self.kind,
            summary(body)
        ))
    }
}

/// Versions that upstream still decodes although it no longer serves them.
fn was_served(api_version: &str, kind: &str) -> bool {
    let graph = table::builtin();
    let decodes = matches!(
        (api_version, kind),
        (
            "extensions/v1beta1",
            "DaemonSet" | "Deployment" | "Ingress" | "NetworkPolicy" | "ReplicaSet" | "Scale"
        ) | ("apps/v1beta1", "Deployment" | "StatefulSet" | "ControllerRevision" | "Scale")
            | (
                "apps/v1beta2",
                "Deployment"
                    | "StatefulSet"
                    | "ControllerRevision"
                    | "DaemonSet"
                    | "ReplicaSet"
                    | "Scale"
            )
            | ("batch/v1beta1", "CronJob")
            | (
                "autoscaling/v2beta1" | "autoscaling/v2beta2" | "autoscaling/v1" | "autoscaling/v2",
                "HorizontalPodAutoscaler"
            )
            | ("policy/v1beta1", "PodDisruptionBudget" | "Eviction")
            | (
                "networking.k8s.io/v1beta1",
                "Ingress" | "IngressClass" | "IPAddress" | "ServiceCIDR"
            )
            | (
                "storage.k8s.io/v1beta1",
                "StorageClass"
                    | "VolumeAttachment"
                    | "CSIDriver"
                    | "CSINode"
                    | "CSIStorageCapacity"
                    | "VolumeAttributesClass"
            )
            | (
                "rbac.authorization.k8s.io/v1beta1" | "rbac.authorization.k8s.io/v1alpha1",
                "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding"
            )
            | ("scheduling.k8s.io/v1beta1" | "scheduling.k8s.io/v1alpha1", "PriorityClass")
            | ("events.k8s.io/v1beta1" | "events.k8s.io/v1" | "v1", "Event")
            | ("coordination.k8s.io/v1beta1", "Lease")
            | ("discovery.k8s.io/v1beta1", "EndpointSlice")
            | ("node.k8s.io/v1beta1" | "node.k8s.io/v1alpha1", "RuntimeClass")
            | ("certificates.k8s.io/v1beta1", "CertificateSigningRequest")
    );
    let shared = reddwarf_core::gvk::parse_api_version(api_version)
        .is_some_and(|(group, version)| graph.package(group, version).is_some())
        && matches!(kind, "DeleteOptions" | "Status");
    decodes || shared
}

/// What upstream finds wrong when it only looks for `apiVersion` and `kind`.
fn meta_error(parsed: &Value) -> Option<String> {
    const META: &str = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }";
    match parsed {
        Value::Null => None,
        Value::Object(object) => ["apiVersion", "kind"].iter().find_map(|name| {
            let found = match object.get(*name)? {
                Value::String(_) | Value::Null => return None,
                other => type_name(other),
            };
            Some(format!(
                "json: cannot unmarshal {found} into Go struct field .{name} of type string"
            ))
        }),
        other => Some(format!(
            "json: cannot unmarshal {} into Go value of type {META}",
            type_name(other)
        )),
    }
}

/// The JSON type's name in Go's errors.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The first bytes of a body, as text or hexadecimal.
fn summary(body: &[u8]) -> String {
    const BYTES_MAX: usize = 30;
    let Some(first) = body.first() else { return "<empty>".to_owned() };
    let shown = &body[..body.len().min(BYTES_MAX)];
    let mut out = if *first == b'{' {
        String::from_utf8_lossy(shown).into_owned()
    } else {
        shown.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    if body.len() > BYTES_MAX {
        out.push_str(" ...");
    }
    out
}

fn bad_request(message: String) -> Box<Status> {
    Box::new(Status::failure(Reason::BadRequest, message))
}
