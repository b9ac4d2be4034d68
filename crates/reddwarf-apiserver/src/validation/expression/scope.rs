//! What expressions may refer to.

use super::super::read::{has, items, text};
use super::compiled;
use reddwarf_cel::{Environment, Fields, Type};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

/// The type of partial objects.
pub(super) const OBJECT: &str = "Object";
/// The type of a change of an object.
pub(super) const JSON_PATCH: &str = "JSONPatch";
const VARIABLES: &str = "kubernetes.variables";

/// Variables and their types.
#[derive(Clone, Debug)]
pub struct Scope(Environment);

static REQUESTS: LazyLock<Scope> = LazyLock::new(|| Scope(of_requests()));
static DEVICES: LazyLock<Scope> = LazyLock::new(|| Scope(of_devices()));

impl Scope {
    /// That of conditions on requests.
    pub fn of_requests() -> &'static Self {
        &REQUESTS
    }

    /// That of selectors of devices.
    pub fn of_devices() -> &'static Self {
        &DEVICES
    }

    /// That of the conditions of a policy.
    pub fn of_conditions(spec: &Value) -> Self {
        let requests = REQUESTS.0.clone();
        Scope(match has(spec, "paramKind") {
            true => requests.with_variable("params", Type::Dyn),
            false => requests,
        })
    }

    /// That of a policy, with the variables that it declares.
    pub fn of_policy(spec: &Value) -> Self {
        Self::of_conditions(spec).with_variables(spec)
    }

    /// The same with the types of which a mutation is made.
    pub fn of_mutation(spec: &Value) -> Self {
        let patch: Arc<str> = JSON_PATCH.into();
        let fields = typed([
            ("op", Type::String),
            ("path", Type::String),
            ("from", Type::String),
            ("value", Type::Dyn),
        ]);
        let environment = Self::of_conditions(spec)
            .0
            .with_object(&patch, fields)
            .with_makeable(JSON_PATCH)
            .with_makeable(OBJECT);
        Scope(environment).with_variables(spec)
    }

    /// Each variable may refer to those before it.
    fn with_variables(self, spec: &Value) -> Self {
        let object: Arc<str> = VARIABLES.into();
        let environment = self
            .0
            .with_variable("variables", Type::Struct(object.clone()))
            .with_object(&object, Fields::new());
        let mut scope = Scope(environment);
        for variable in items(spec, "variables") {
            let of = compiled(text(variable, "expression"), &scope);
            // One that is wrong is told of by itself.
            let of = of.map_or(Type::Dyn, |compiled| compiled.output().clone());
            scope.0.add_field(&object, text(variable, "name"), of);
        }
        scope
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.0
    }
}

fn typed<const N: usize>(fields: [(&str, Type); N]) -> Fields {
    fields.map(|(name, of)| (name.into(), of)).into()
}

fn object(name: &str) -> Type {
    Type::Struct(name.into())
}

fn texts() -> Type {
    Type::list(Type::String)
}

fn of_requests() -> Environment {
    let kind = "kubernetes.GroupVersionKind";
    let resource = "kubernetes.GroupVersionResource";
    let user = "kubernetes.UserInfo";
    let request = "kubernetes.AdmissionRequest";
    let of_request = typed([
        ("kind", object(kind)),
        ("resource", object(resource)),
        ("subResource", Type::String),
        ("requestKind", object(kind)),
        ("requestResource", object(resource)),
        ("requestSubResource", Type::String),
        ("name", Type::String),
        ("namespace", Type::String),
        ("operation", Type::String),
        ("userInfo", object(user)),
        ("dryRun", Type::Bool),
        ("options", Type::Dyn),
    ]);
    let of_user = typed([
        ("username", Type::String),
        ("uid", Type::String),
        ("groups", texts()),
        ("extra", Type::map(Type::String, texts())),
    ]);
    let three =
        |last| typed([("group", Type::String), ("version", Type::String), (last, Type::String)]);
    let environment = Environment::new()
        .with_variable("object", Type::Dyn)
        .with_variable("oldObject", Type::Dyn)
        .with_variable("request", object(request))
        .with_variable("authorizer", object("kubernetes.authorization.Authorizer"))
        .with_variable(
            "authorizer.requestResource",
            object("kubernetes.authorization.ResourceCheck"),
        )
        .with_object(&request.into(), of_request)
        .with_object(&user.into(), of_user)
        .with_object(&kind.into(), three("kind"))
        .with_object(&resource.into(), three("resource"));
    with_namespace(environment)
}

fn with_namespace(environment: Environment) -> Environment {
    let namespace = "kubernetes.Namespace";
    let (metadata, spec) = ("kubernetes.NamespaceMetadata", "kubernetes.NamespaceSpec");
    let (status, condition) = ("kubernetes.NamespaceStatus", "kubernetes.NamespaceCondition");
    let labels = || Type::map(Type::String, Type::String);
    let of_metadata = typed([
        ("name", Type::String),
        ("generateName", Type::String),
        ("namespace", Type::String),
        ("labels", labels()),
        ("annotations", labels()),
        ("UID", Type::String),
        ("creationTimestamp", Type::Timestamp),
        ("deletionGracePeriodSeconds", Type::Int),
        ("deletionTimestamp", Type::Timestamp),
        ("generation", Type::Int),
        ("resourceVersion", Type::String),
        ("finalizers", texts()),
    ]);
    let of_condition = typed([
        ("status", Type::String),
        ("type", Type::String),
        ("lastTransitionTime", Type::Timestamp),
        ("message", Type::String),
        ("reason", Type::String),
    ]);
    let parts =
        [("metadata", object(metadata)), ("spec", object(spec)), ("status", object(status))];
    let of_status = typed([("conditions", Type::list(object(condition))), ("phase", Type::String)]);
    environment
        .with_variable("namespaceObject", object(namespace))
        .with_object(&namespace.into(), typed(parts))
        .with_object(&metadata.into(), of_metadata)
        .with_object(&spec.into(), typed([("finalizers", texts())]))
        .with_object(&status.into(), of_status)
        .with_object(&condition.into(), of_condition)
}

fn of_devices() -> Environment {
    let device: Arc<str> = "kubernetes.DRADevice".into();
    let by_domain = |of| Type::map(Type::String, Type::map(Type::String, of));
    let fields = typed([
        ("driver", Type::String),
        ("attributes", by_domain(Type::Dyn)),
        ("capacity", by_domain(object("kubernetes.Quantity"))),
        ("allowMultipleAllocations", Type::Bool),
    ]);
    Environment::new()
        .with_bindings()
        .with_variable("device", Type::Struct(device.clone()))
        .with_object(&device, fields)
}
