//! The paths of kinds and their operations.

use super::schemas::{META, Schemas};
use super::{Dialect, custom, parameters};
use crate::registry::{Kind, Subresource};
use crate::schema::model::Graph;
use serde_json::{Map, Value, json};

const PRODUCED: [&str; 2] = ["application/json", "application/yaml"];
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
    STRATEGIC,
];
/// Custom kinds do not take it.
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// Writes the paths of one document.
pub(super) struct Paths<'a, 'g> {
    pub dialect: Dialect,
    pub graph: &'g Graph,
    pub schemas: &'a mut Schemas<'g>,
    pub done: Map<String, Value>,
}

/// What one operation is about.
struct Operation<'o> {
    action: &'o str,
    /// Text and beginning of the id, e.g. `replace`.
    verb: &'o str,
    gvk: (&'o str, &'o str, &'o str),
    answer: Option<String>,
    body: Option<String>,
    id: String,
    tag: String,
    custom: bool,
}

impl Paths<'_, '_> {
    /// All paths of a kind.
    pub fn add_kind(&mut self, kind: &Kind) {
        let root = root(&kind.group, &kind.version);
        let cluster_wide = format!("{root}/{}", kind.plural);
        let base = match kind.namespaced() {
            true => format!("{root}/namespaces/{{namespace}}/{}", kind.plural),
            false => cluster_wide.clone(),
        };
        let one = format!("{base}/{{name}}");
        let verbs = &kind.verbs;
        let has = |verb: &str| verbs.has(verb);
        let collection = [("get", "list"), ("post", "create"), ("delete", "deletecollection")];
        self.add(kind, None, &base, collection.into_iter().filter(|(_, verb)| has(verb)));
        if kind.namespaced() && has("list") {
            self.add(kind, None, &cluster_wide, [("get", "list")].into_iter());
        } else if kind.namespaced() && !has("get") && has("create") && kind.plural == "bindings" {
            // Only posted to, in a namespace.
        }
        let item = [("get", "get"), ("put", "update"), ("patch", "patch"), ("delete", "delete")];
        self.add(kind, None, &one, item.into_iter().filter(|(_, verb)| has(verb)));
        for sub in &kind.subresources {
            let path = format!("{one}/{}", sub.name);
            if sub.name == "proxy" {
                self.add_proxy(kind, sub, &path);
                continue;
            }
            let methods =
                [("get", "get"), ("put", "update"), ("patch", "patch"), ("post", "create")];
            let served = methods.into_iter().filter(|(_, verb)| sub.verbs.has(verb));
            self.add(kind, Some(sub), &path, served);
        }
        if kind.custom.is_some() {
            self.schemas.add_custom(kind);
        } else if has("watch") {
            self.add_watches(kind, &root);
        }
    }

    /// The paths of a proxy, which takes every method and leads to what is behind it.
    fn add_proxy(&mut self, kind: &Kind, sub: &Subresource, path: &str) {
        let methods = ["get", "put", "post", "delete", "options", "head", "patch"];
        let below = format!("{path}/{{path}}");
        for path in [path, &below] {
            self.add(kind, Some(sub), path, methods.iter().map(|m| (*m, "connect")));
            let Some(Value::Object(item)) = self.done.get_mut(path) else { continue };
            for method in methods {
                let operation = &mut item[method];
                let id = operation["operationId"].as_str().unwrap_or_default();
                let id = id.replacen("connect", &format!("connect{}", camel(method)), 1);
                let with_path = if path.ends_with("{path}") { "WithPath" } else { "" };
                operation["operationId"] = format!("{id}{with_path}").into();
                operation["description"] =
                    format!("connect {} requests to proxy of {}", method.to_uppercase(), kind.kind)
                        .into();
            }
            if path.ends_with("{path}")
                && let Some(common) = item.get_mut("parameters").and_then(Value::as_array_mut)
            {
                common.push(parameters::in_path(self.dialect, "path", "Path to the resource."));
            }
        }
    }

    /// `/version/`, which is of no kind.
    pub fn add_version(&mut self) {
        let info = "io.k8s.apimachinery.pkg.version.Info";
        let fields = ["major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate"]
            .into_iter()
            .chain(["goVersion", "compiler", "platform"]);
        let properties: Map<String, Value> = fields
            .clone()
            .map(|f| (f.to_owned(), json!({"type": "string", "default": ""})))
            .collect();
        let schema = json!({
            "type": "object", "properties": properties, "required": fields.collect::<Vec<_>>(),
            "description": "What the server is.",
        });
        self.schemas.done.insert(info.to_owned(), schema);
        let (ok, produced) = match self.dialect {
            Dialect::V2 => {
                let schema = json!({"$ref": format!("#/definitions/{info}")});
                (json!({"description": "OK", "schema": schema}), json!(["application/json"]))
            }
            Dialect::V3 => {
                let schema = json!({"$ref": format!("#/components/schemas/{info}")});
                let content = content(&["application/json"], &schema);
                (json!({"description": "OK", "content": content}), Value::Null)
            }
        };
        let mut operation = json!({
            "tags": ["version"], "description": "get the version of the server",
            "operationId": "getCodeVersion",
            "responses": {"200": ok, "401": {"description": "Unauthorized"}},
        });
        if !produced.is_null() {
            operation["produces"] = produced;
        }
        self.done.insert("/version/".to_owned(), json!({"get": operation}));
    }

    /// The paths under `/watch`, deprecated but served.
    fn add_watches(&mut self, kind: &Kind, root: &str) {
        let all = format!("{root}/watch/{}", kind.plural);
        let base = match kind.namespaced() {
            true => format!("{root}/watch/namespaces/{{namespace}}/{}", kind.plural),
            false => all.clone(),
        };
        self.add(kind, None, &all, [("get", "watchlist")].into_iter());
        self.add(kind, None, &base, [("get", "watchlist")].into_iter());
        self.add(kind, None, &format!("{base}/{{name}}"), [("get", "watch")].into_iter());
    }

    fn add<'v>(
        &mut self,
        kind: &Kind,
        sub: Option<&Subresource>,
        path: &str,
        methods: impl Iterator<Item = (&'v str, &'v str)>,
    ) {
        let mut item = Map::new();
        for (method, verb) in methods {
            let operation = self.operation(kind, sub, path, verb);
            let operation = self.write(&operation);
            item.insert(method.to_owned(), operation);
        }
        if item.is_empty() {
            return;
        }
        let mut common = Vec::new();
        if path.contains("{name}") {
            let text = format!("Name of the {}.", kind.kind);
            common.push(parameters::in_path(self.dialect, "name", &text));
        }
        if path.contains("{namespace}") {
            common.push(parameters::in_path(self.dialect, "namespace", "The object's namespace."));
        }
        common.push(parameters::pretty(self.dialect));
        item.insert("parameters".to_owned(), common.into());
        self.done.insert(path.to_owned(), Value::Object(item));
    }

    fn operation<'k>(
        &self,
        kind: &'k Kind,
        sub: Option<&'k Subresource>,
        path: &str,
        verb: &str,
    ) -> Operation<'k> {
        let (action, word) = match verb {
            "create" => ("post", "create"),
            "update" => ("put", "replace"),
            "patch" => ("patch", "patch"),
            "delete" => ("delete", "delete"),
            "deletecollection" => ("deletecollection", "deleteCollection"),
            "list" => ("list", "list"),
            "watchlist" => ("watchlist", "watch"),
            "watch" => ("watch", "watch"),
            "connect" => ("connect", "connect"),
            _ => ("get", "read"),
        };
        let own = (kind.group.as_ref(), kind.version.as_ref(), kind.kind.as_ref());
        let gvk = match sub {
            Some(sub) => (
                if sub.group.is_empty() && sub.version.is_empty() {
                    own.0
                } else {
                    sub.group.as_ref()
                },
                if sub.version.is_empty() { own.1 } else { sub.version.as_ref() },
                sub.kind.as_ref(),
            ),
            None => own,
        };
        let named = |name: &str| {
            if kind.custom.is_some() && gvk.0 == kind.group {
                return Some(custom::name(gvk.0, gvk.1, name));
            }
            let graph = self.graph;
            let id = graph.kind(gvk.0, gvk.1, name)?;
            graph.as_struct(id).map(|s| s.schema_name.to_string())
        };
        let form = named(gvk.2);
        let answer = match verb {
            "list" => named(&kind.list_kind()),
            "watch" | "watchlist" => Some(format!("{META}.WatchEvent")),
            "delete" | "deletecollection" => Some(format!("{META}.Status")),
            _ => form.clone(),
        };
        let body = match verb {
            "create" | "update" => form,
            "patch" => Some(format!("{META}.Patch")),
            "delete" | "deletecollection" => Some(format!("{META}.DeleteOptions")),
            _ => None,
        };
        let tag = tag(&kind.group, &kind.version);
        let scope = if path.contains("{namespace}") { "Namespaced" } else { "" };
        let everywhere = kind.namespaced() && scope.is_empty();
        let id = format!(
            "{word}{}{scope}{}{}{}{}",
            camel(&tag),
            kind.kind,
            if verb == "watchlist" { "List" } else { "" },
            sub.map_or_else(String::new, |s| camel(s.name)),
            if everywhere { "ForAllNamespaces" } else { "" },
        );
        let custom = kind.custom.is_some();
        Operation { action, verb: word, gvk, answer, body, id, tag, custom }
    }

    fn write(&mut self, operation: &Operation<'_>) -> Value {
        let (group, version, kind) = operation.gvk;
        let mut out = match json!({
            "tags": [operation.tag],
            "description": format!("{} {kind}", operation.verb),
            "operationId": operation.id,
            "x-kubernetes-action": operation.action,
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
        }) {
            Value::Object(out) => out,
            _ => Map::new(),
        };
        let mut query = parameters::of_action(self.dialect, operation.action);
        let answer = operation.answer.as_deref().map(|name| self.schemas.reference(name));
        let body = operation.body.as_deref().map(|name| self.schemas.reference(name));
        let consumes: &[&str] = match (operation.action, operation.custom) {
            ("patch", false) => &PATCHES,
            ("patch", true) => &PATCHES[..3],
            (_, true) => &PRODUCED,
            _ => &["*/*"],
        };
        let required = matches!(operation.action, "post" | "put" | "patch");
        let ok = match self.dialect {
            Dialect::V2 => {
                out.insert("consumes".to_owned(), json!(consumes));
                out.insert("produces".to_owned(), json!(PRODUCED));
                out.insert("schemes".to_owned(), json!(["https"]));
                if let Some(schema) = body {
                    query.push(json!({
                        "name": "body", "in": "body", "required": required, "schema": schema,
                    }));
                }
                match answer {
                    Some(schema) => json!({"description": "OK", "schema": schema}),
                    None => json!({"description": "OK"}),
                }
            }
            Dialect::V3 => {
                if let Some(schema) = body {
                    let content = content(consumes, &schema);
                    out.insert(
                        "requestBody".to_owned(),
                        json!({"content": content, "required": required}),
                    );
                }
                match answer {
                    Some(schema) => {
                        json!({"description": "OK", "content": content(&PRODUCED, &schema)})
                    }
                    None => json!({"description": "OK"}),
                }
            }
        };
        if !query.is_empty() {
            out.insert("parameters".to_owned(), query.into());
        }
        let mut responses = Map::from_iter([("200".to_owned(), ok.clone())]);
        if matches!(operation.action, "post" | "put" | "patch") {
            responses.insert("201".to_owned(), with_text(&ok, "Created"));
        }
        if matches!(operation.action, "post" | "delete") {
            responses.insert("202".to_owned(), with_text(&ok, "Accepted"));
        }
        responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
        out.insert("responses".to_owned(), responses.into());
        Value::Object(out)
    }

    /// A path of discovery.
    pub fn add_discovery(&mut self, path: &str, answer: &str, tag: &str) {
        let schema = self.schemas.reference(&format!("{META}.{answer}"));
        let ok = match self.dialect {
            Dialect::V2 => json!({"description": "OK", "schema": schema}),
            Dialect::V3 => json!({"description": "OK", "content": content(&PRODUCED, &schema)}),
        };
        let text = match answer {
            "APIResourceList" => "get available resources",
            "APIGroup" => "get information of a group",
            _ => "get available API versions",
        };
        let id = format!("get{}{answer}", camel(tag));
        let operation = json!({
            "tags": [tag], "description": text, "operationId": id,
            "responses": {"200": ok, "401": {"description": "Unauthorized"}},
        });
        self.done.insert(path.to_owned(), json!({"get": operation}));
    }
}

fn with_text(answer: &Value, text: &str) -> Value {
    let mut answer = answer.clone();
    answer["description"] = text.into();
    answer
}

fn content(types: &[&str], schema: &Value) -> Value {
    types.iter().map(|ty| ((*ty).to_owned(), json!({"schema": schema}))).collect()
}

/// `/api/v1` or `/apis/{group}/{version}`.
pub(super) fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

/// `core_v1`, `rbacAuthorization_v1`.
pub(super) fn tag(group: &str, version: &str) -> String {
    let group = group.trim_end_matches(".k8s.io");
    let mut words = group.split('.');
    let first = words.next().filter(|w| !w.is_empty()).unwrap_or("core");
    let rest: String = words.map(camel).collect();
    match version {
        "" => format!("{first}{rest}"),
        version => format!("{first}{rest}_{version}"),
    }
}

/// Upper camel case of words parted by `_`, `-` or `/`.
fn camel(text: &str) -> String {
    text.split(['_', '-', '/'])
        .map(|word| {
            let mut chars = word.chars();
            chars.next().map_or_else(String::new, |first| {
                first.to_uppercase().chain(chars).collect::<String>()
            })
        })
        .collect()
}
