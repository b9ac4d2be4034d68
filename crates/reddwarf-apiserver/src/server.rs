//! The server: one request in, one answer out.

use crate::admission::Chain;
use crate::authz;
use crate::branches::{self, BranchStore, Branches};
use crate::caller::Caller;
use crate::changesets;
use crate::errors::{no_such_resource, unavailable};
use crate::gate::{self, Asked, Gate, Limits};
use crate::http::accept::{Offer, negotiate};
use crate::http::answer::{Answer, Content, Form, render, render_aside, wants_pretty};
use crate::http::gzip::takes_gzip;
use crate::http::prefix::{self, Prefix};
use crate::http::warning::warn;
use crate::http::{Accept, ApiBody, Place, Query, RequestInfo, body};
use crate::metrics::{Counted, Metrics};
use crate::nonresource::{self, Check, Route};
use crate::past::{self, Past};
use crate::registry::{Kind, LiveRegistry, Registry};
use crate::representation::TableOptions;
use crate::request::UserInfo;
use crate::stale::Budget;
use crate::token::Keyring;
use crate::verbs::{self, Exchange, NoVerb, Verb};
use crate::webhook::Webhooks;
use bytes::Bytes;
use futures::FutureExt;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use reddwarf_core::{Status, Store};
use serde_json::Value;
use std::any::Any;
use std::borrow::Cow;
use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What a server is made of.
#[derive(Clone)]
pub struct ApiConfig {
    /// The state.
    pub store: Arc<dyn Store>,
    /// The kinds.
    pub registry: Arc<LiveRegistry>,
    /// The admission plugins.
    pub chain: Arc<Chain>,
    /// What `/healthz`, `/livez` and `/readyz` ask.
    pub checks: Vec<Check>,
    /// The answer of `/version`.
    pub version: Value,
    /// `host:port` of this member, for `/api`.
    pub server_address: String,
    /// Paths served by others, such as `/metrics`.
    pub routes: Vec<Route>,
}

/// The API of one member; clones are the same server.
#[derive(Clone)]
pub struct ApiServer(Arc<Inner>);

struct Inner {
    config: ApiConfig,
    shared: Arc<Shared>,
    /// The branch that it answers for.
    branch: Option<Arc<BranchStore>>,
}

/// What a server has in common with those that show the past of its state.
struct Shared {
    metrics: Metrics,
    gate: Gate,
    tokens: Keyring,
    webhooks: Webhooks,
    stopping: watch::Sender<bool>,
    past: Past,
    branches: Branches,
    conflicts_told: Budget,
}

impl ApiServer {
    /// A server over `config`.
    pub fn new(config: ApiConfig) -> Self {
        ApiServer::with_limits(config, Limits::default())
    }

    /// A server over `config` that takes on no more than `limits` say.
    pub fn with_limits(config: ApiConfig, limits: Limits) -> Self {
        let metrics = Metrics::default();
        let gate = Gate::new(limits, &config.store.view(), metrics.flow.clone());
        let stopping = watch::Sender::new(false);
        let (tokens, past, branches, conflicts_told) = Default::default();
        let webhooks = Webhooks::new(config.store.clone());
        let shared = Arc::new(Shared {
            metrics,
            gate,
            tokens,
            webhooks,
            stopping,
            past,
            branches,
            conflicts_told,
        });
        ApiServer(Arc::new(Inner { config, shared, branch: None }))
    }

    /// The same server over another state and its kinds.
    pub(crate) fn over(&self, store: Arc<dyn Store>, registry: Arc<LiveRegistry>) -> ApiServer {
        let config = ApiConfig { store, registry, ..self.config().clone() };
        ApiServer(Arc::new(Inner { config, shared: self.0.shared.clone(), branch: None }))
    }

    /// The same server over a branch and its kinds.
    pub(crate) fn on_branch(
        &self,
        branch: Arc<BranchStore>,
        registry: Arc<LiveRegistry>,
    ) -> ApiServer {
        let config = ApiConfig { store: branch.clone(), registry, ..self.config().clone() };
        let (shared, branch) = (self.0.shared.clone(), Some(branch));
        ApiServer(Arc::new(Inner { config, shared, branch }))
    }

    /// The branch that it answers for; `None` for main and for the past.
    pub(crate) fn branch(&self) -> Option<&Arc<BranchStore>> {
        self.0.branch.as_ref()
    }

    /// Main's state.
    pub(crate) fn main(&self) -> &Arc<dyn Store> {
        self.branch().map_or(self.store(), |branch| &branch.present)
    }

    /// The state.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.config.store
    }

    /// The kinds that are served now.
    pub fn registry(&self) -> Arc<Registry> {
        self.0.config.registry.current()
    }

    /// Takes in what this member's state says of custom kinds.
    pub fn refresh_kinds(&self) {
        self.0.config.registry.refresh(&**self.store());
    }

    /// The kinds, custom ones as the whole group knows them by now. A client that saw a kind on
    /// another member finds it here too.
    async fn newest_kinds(&self) -> Arc<Registry> {
        if let Err(error) = self.store().read_barrier().await {
            tracing::debug!(%error, "the newest kinds are not confirmed");
        }
        self.refresh_kinds();
        self.registry()
    }

    /// The admission plugins.
    pub fn chain(&self) -> &Chain {
        &self.0.config.chain
    }

    /// What it is made of.
    pub fn config(&self) -> &ApiConfig {
        &self.0.config
    }

    /// The server's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.0.shared.metrics
    }

    /// The states of the past that were read lately.
    pub(crate) fn past(&self) -> &Past {
        &self.0.shared.past
    }

    /// The branches that were read lately.
    pub(crate) fn branches(&self) -> &Branches {
        &self.0.shared.branches
    }

    /// How many conflicts were explained lately.
    pub(crate) fn conflicts_told(&self) -> &Budget {
        &self.0.shared.conflicts_told
    }

    /// What issues and checks the tokens of service accounts.
    pub fn tokens(&self) -> &Keyring {
        &self.0.shared.tokens
    }

    /// What calls webhooks.
    pub fn webhooks(&self) -> &Webhooks {
        &self.0.shared.webhooks
    }

    /// Ends all watches cleanly, and every one that is opened from now on; other requests from
    /// outside are sent to other members.
    pub fn stop(&self) {
        self.0.shared.stopping.send_replace(true);
    }

    /// Becomes true when the server stops.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.0.shared.stopping.subscribe()
    }

    /// Brings `status` back to that of an object without content.
    pub fn clear_status(&self, kind: &Kind, object: &mut Value) {
        let Some(map) = object.as_object_mut() else { return };
        match kind.empty().get("status") {
            Some(status) => {
                map.insert("status".to_owned(), status.clone());
            }
            None => {
                map.shift_remove("status");
            }
        }
    }

    /// Serves a request; who sends it stands in its extensions as
    /// [`PeerIdentity`](crate::authn::PeerIdentity) or in its headers.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<ApiBody>
    where
        B: Body<Data = Bytes>,
        B::Error: Display,
    {
        let (parts, body) = request.into_parts();
        let caller = self.caller(&parts).await;
        let split = prefix::split(&parts.uri);
        let (prefixes, uri) = match &split {
            Some((prefixes, uri)) => (&prefixes[..], uri),
            None => (&[][..], &parts.uri),
        };
        let (method, headers) = (&parts.method, &parts.headers);
        let (place, query) = (Place::parse(uri.path()), Query::parse(uri.query()));
        let user = caller.user.as_deref();
        let asked = Asked { method, path: uri.path(), place: &place, query: &query, user };
        let served = async {
            let admitted = self.admit(&asked).await?;
            let work = async {
                let body = match *method {
                    Method::GET | Method::HEAD => Ok(Bytes::new()),
                    _ => body::read(body, changesets::body_bytes_max(&place)).await,
                };
                let (caller, query) = (&caller, &query);
                let incoming =
                    Incoming { server: self, prefixes, method, uri, headers, body, caller, query };
                incoming.answer(&place).await
            };
            Ok::<_, Answer>(admitted.serve(work).await?)
        };
        let mut response = served.await.unwrap_or_else(|refusal| {
            self.0.shared.metrics.end(
                &counted(&place, "".into()),
                refusal.code.as_u16(),
                Duration::ZERO,
            );
            let pretty = wants_pretty(query.flag("pretty"), headers);
            render(refusal, Form { pretty, ..Form::default() })
        });
        if let Some(id) = audit_id(headers) {
            response.headers_mut().insert(AUDIT_ID.clone(), id);
        }
        response
    }

    async fn admit(&self, asked: &Asked<'_>) -> Result<gate::Admitted, Answer> {
        let stops = *self.0.shared.stopping.borrow();
        if let Some(refusal) = stops.then(|| gate::stopping(asked.path)).flatten() {
            return Err(refusal);
        }
        if let Some(why) = self.store().refusal().filter(|_| !gate::answers_to_the_end(asked.path))
        {
            return Err(unavailable(&why).into());
        }
        self.0.shared.gate.admit(asked, &self.registry(), || self.store().view()).await
    }

    /// Serves a request whose body was read, or could not be.
    pub async fn serve(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Result<Bytes, Box<Status>>,
        caller: &Caller,
    ) -> Response<ApiBody> {
        let split = prefix::split(uri);
        let (prefixes, uri) = match &split {
            Some((prefixes, uri)) => (&prefixes[..], uri),
            None => (&[][..], uri),
        };
        let query = &Query::parse(uri.query());
        let incoming =
            Incoming { server: self, prefixes, method, uri, headers, body, caller, query };
        incoming.answer(&Place::parse(uri.path())).await
    }
}

/// Names a request in the logs of both sides: the client's name for it, or a new one.
static AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

fn audit_id(headers: &HeaderMap) -> Option<HeaderValue> {
    if let Some(given) = headers.get(&AUDIT_ID).filter(|id| !id.is_empty()) {
        return Some(given.clone());
    }
    let mut buffer = uuid::Uuid::encode_buffer();
    let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid().hyphenated();
    HeaderValue::from_str(id.encode_lower(&mut buffer)).ok()
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// 500 for a request that hit a defect.
fn panicked() -> Box<Status> {
    crate::errors::internal("this request caused the server to panic; look in its log for details")
}

/// Names that clients made up are not counted apart.
fn counted<'a>(place: &'a Place, verb: Cow<'static, str>) -> Counted<'a> {
    match place {
        Place::Resource(info) if !verb.is_empty() => Counted {
            verb,
            group: &info.group,
            resource: &info.resource,
            subresource: info.subresource.as_deref().unwrap_or_default(),
        },
        _ => Counted { verb, group: "", resource: "", subresource: "" },
    }
}

/// What every answer about a kind that is on its way out warns of.
fn deprecation(kind: &Kind) -> Option<&str> {
    if let Some(custom) = &kind.custom {
        return custom.version.deprecation.as_deref();
    }
    match (kind.group.as_ref(), kind.kind.as_ref()) {
        ("", "Endpoints") => {
            Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
        }
        ("", "ComponentStatus") => Some("v1 ComponentStatus is deprecated in v1.19+"),
        _ => None,
    }
}

/// Says how old a state is, to programs in seconds.
static AGE_SECONDS: HeaderName = HeaderName::from_static("reddwarf-age-seconds");

/// Labels an answer of a member that has no majority.
fn stale(mut answer: Answer, age: Duration) -> Answer {
    let seconds = format!("{:.3}", age.as_secs_f64());
    answer.warnings.push(format!(
        "this member has had no majority for {seconds} s: what it shows may be out of date"
    ));
    answer.header(AGE_SECONDS.clone(), &seconds)
}

/// A request before it is known what it asks for.
struct Incoming<'a> {
    server: &'a ApiServer,
    /// Which other state is meant than the live one.
    prefixes: &'a [Prefix],
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    body: Result<Bytes, Box<Status>>,
    caller: &'a Caller,
    query: &'a Query,
}

impl Incoming<'_> {
    /// Answers; a defect that shows in a panic is answered, too.
    async fn answer(&self, place: &Place) -> Response<ApiBody> {
        let began = Instant::now();
        let metrics = self.server.metrics();
        let _in_flight = metrics.begin();
        let serving = async {
            if let Some(refusal) = &self.caller.refusal {
                let verb = Cow::Borrowed("");
                return (self.fail(refusal.clone(), Accept::default()), verb);
            }
            self.below(place).await
        };
        // One request's defect must cost neither its connection nor the others on it. Nothing
        // is half-written by then: what is stored changes in the store's own tasks only.
        let (response, verb) = match AssertUnwindSafe(serving).catch_unwind().await {
            Ok(answered) => answered,
            Err(panic) => {
                metrics.panicked();
                let why = panic_text(panic.as_ref());
                let (method, path) = (self.method, self.uri.path());
                tracing::error!(%method, path, why, "a request panicked");
                (self.fail(panicked(), Accept::default()), Cow::Borrowed(""))
            }
        };
        let counted = counted(place, verb);
        metrics.end(&counted, response.status().as_u16(), began.elapsed());
        response
    }

    async fn present(&self, place: &Place) -> (Response<ApiBody>, Cow<'static, str>) {
        match place {
            Place::Other(path) => {
                (self.other(path).await, Cow::Owned(self.method.as_str().to_owned()))
            }
            Place::Resource(info) => {
                let (response, verb) = self.resource(info).await;
                (response, Cow::Borrowed(verb.map_or("", Verb::as_str)))
            }
        }
    }

    /// Answers from the state that is meant.
    async fn below(&self, place: &Place) -> (Response<ApiBody>, Cow<'static, str>) {
        let Some((prefix, rest)) = self.prefixes.split_first() else {
            return self.present(place).await;
        };
        let nothing = Cow::Borrowed("");
        let user = self.caller.user();
        if !authz::allowed(&user) || self.caller.forbidden_verb("get").is_some() {
            let path = format!("{}{}", prefix.path(), self.uri.path());
            let status = authz::forbidden_path(&user, self.method.as_str(), &path);
            return (self.fail(status, Accept::default()), nothing);
        }
        let opened = match prefix {
            Prefix::Past(moment) => {
                past::open(self.server, moment, self.method, place, self.query).await
            }
            Prefix::Branch(name) => branches::open(self.server, name).await,
        };
        match opened {
            Err(status) => (self.fail(status, Accept::default()), nothing),
            Ok(server) => {
                let body = self.body.clone();
                let then = Incoming { server: &server, prefixes: rest, body, ..*self };
                let answered = Box::pin(then.below(place)).await;
                if let (Prefix::Branch(name), [], true) =
                    (prefix, rest, answered.0.status().is_success())
                {
                    branches::follow(self.server, &server, name, self.method, place).await;
                }
                answered
            }
        }
    }

    fn form(&self, accept: Accept, table: TableOptions) -> Form {
        let pretty = wants_pretty(self.query.flag("pretty"), self.headers);
        Form { accept, pretty, table, gzip: takes_gzip(self.headers) }
    }

    fn fail(&self, status: Box<Status>, accept: Accept) -> Response<ApiBody> {
        render(Answer::from(status), self.form(accept, TableOptions::default()))
    }

    async fn other(&self, path: &str) -> Response<ApiBody> {
        let user = self.caller.user();
        if let Some((sender, verb)) =
            self.caller.forbidden_verb(&self.method.as_str().to_lowercase())
        {
            return self.fail(authz::forbidden_path(sender, &verb, path), Accept::default());
        }
        if !authz::may_use(&user, self.method.as_str(), path) {
            let status = authz::forbidden_path(&user, self.method.as_str(), path);
            return self.fail(status, Accept::default());
        }
        if let Some(route) = self.server.config().routes.iter().find(|r| r.serves(path)) {
            let body = match &self.body {
                Ok(body) => body.clone(),
                Err(status) => return self.fail(status.clone(), Accept::default()),
            };
            return route.call(self.method, self.uri, self.headers, body).await;
        }
        match nonresource::serve(self.server, self.method, path, self.query, self.headers).await {
            Ok((answer, accept)) => render(answer, self.form(accept, TableOptions::default())),
            Err(status) => self.fail(status, Accept::default()),
        }
    }

    async fn resource(&self, info: &RequestInfo) -> (Response<ApiBody>, Option<Verb>) {
        let user = &*self.caller.user();
        let mut registry = self.server.registry();
        let find = |registry: &Registry| {
            registry.resource(&info.group, &info.version, &info.resource).cloned()
        };
        let mut kind = find(&registry);
        if kind.is_none() && !info.group.is_empty() {
            registry = self.server.newest_kinds().await;
            kind = find(&registry);
        }
        let Some(kind) = kind else { return (self.unknown(&registry, info), None) };
        let kind = &kind;
        let watch = self.query.flag("watch").unwrap_or(false);
        let verb = match Verb::of(self.method, info, kind, watch) {
            Ok(verb) => verb,
            Err(NoVerb::Nowhere) => return (self.not_found(), None),
            Err(NoVerb::Refused(status)) => return (self.fail(status, Accept::default()), None),
        };
        let refused = |user: &UserInfo, word: &str| {
            let (sub, ns) = (info.subresource.as_deref(), info.namespace.as_deref());
            let status = authz::forbidden(user, word, kind, sub, ns, info.name.as_deref());
            (self.fail(status, Accept::default()), Some(verb))
        };
        if let Some((sender, word)) = self.caller.forbidden_verb(verb.as_str()) {
            return refused(sender, &word);
        }
        if !authz::allowed(user) && !authz::may_ask(user, verb.as_str(), &kind.group, &kind.plural)
        {
            return refused(user, verb.as_str());
        }
        let offer = match verb {
            Verb::List | Verb::Watch | Verb::DeleteCollection => Offer::List,
            _ => Offer::Object,
        };
        let accept = match negotiate(self.headers, offer) {
            Ok(accept) => accept,
            Err(status) => return (self.fail(status, Accept::default()), Some(verb)),
        };
        let deprecated = deprecation(kind);
        let response = match self.exchange(&registry, info, kind, verb, accept, user).await {
            Ok((mut answer, table)) => {
                answer.warnings.splice(0..0, deprecated.map(str::to_owned));
                if let Some(age) = self.age(verb) {
                    answer = stale(answer, age);
                }
                render_aside(answer, self.form(accept, table)).await
            }
            Err(status) => {
                let mut response = self.fail(status, accept);
                warn(response.headers_mut(), deprecated);
                response
            }
        };
        (response, Some(verb))
    }

    /// How old the state is that a reader is shown, where that is not as good as new.
    fn age(&self, verb: Verb) -> Option<Duration> {
        let reads = matches!(verb, Verb::Get | Verb::List | Verb::Watch);
        self.server.store().unconfirmed_for().filter(|_| reads)
    }

    async fn exchange(
        &self,
        registry: &Registry,
        info: &RequestInfo,
        kind: &Arc<Kind>,
        verb: Verb,
        accept: Accept,
        user: &UserInfo,
    ) -> Result<(Answer, TableOptions), Box<Status>> {
        let body = self.body.as_ref().map_err(Clone::clone)?;
        let table = match accept.representation {
            crate::http::Representation::Table(_) => {
                TableOptions::read(self.query.first("includeObject"))?
            }
            _ => TableOptions::default(),
        };
        let exchange = Exchange {
            server: self.server,
            registry,
            verb,
            kind,
            info,
            query: self.query,
            headers: self.headers,
            accept,
            body,
            user,
            fence: self.caller.fence,
        };
        let answer = verbs::serve(&exchange).await?;
        Ok((exchange.converted(answer).await?, table))
    }

    /// A resource that is not served: 404, as text where even the group is unknown.
    fn unknown(&self, registry: &Registry, info: &RequestInfo) -> Response<ApiBody> {
        match info.group.is_empty() || registry.has_builtin_group(&info.group) {
            true => self.fail(no_such_resource(), Accept::default()),
            false => self.not_found(),
        }
    }

    fn not_found(&self) -> Response<ApiBody> {
        let answer = Answer::ok(Content::Text("404 page not found\n".into()));
        let form = self.form(Accept::default(), TableOptions::default());
        render(answer.code(StatusCode::NOT_FOUND), form)
    }
}
