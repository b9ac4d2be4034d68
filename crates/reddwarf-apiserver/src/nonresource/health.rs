//! `/healthz`, `/livez` and `/readyz`, each check on its own path and all together.

use crate::http::Query;
use crate::http::answer::{Answer, Content};
use crate::server::ApiServer;
use futures::future::BoxFuture;
use http::StatusCode;
use std::fmt::Write as _;
use std::sync::Arc;

type Run = dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// One named check.
#[derive(Clone)]
pub struct Check {
    name: String,
    ready_only: bool,
    run: Arc<Run>,
}

impl Check {
    /// A check of all three endpoints.
    pub fn live<F>(name: &str, run: F) -> Self
    where
        F: Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    {
        Check { name: name.to_owned(), ready_only: false, run: Arc::new(run) }
    }

    /// A check of `/readyz` only.
    pub fn ready<F>(name: &str, run: F) -> Self
    where
        F: Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    {
        Check { ready_only: true, ..Check::live(name, run) }
    }
}

const ENDPOINTS: [&str; 3] = ["/healthz", "/livez", "/readyz"];
/// Always there, always passes.
const PING: &str = "ping";

/// The endpoint and the single check that a path names.
pub fn endpoint(path: &str) -> Option<(&'static str, Option<&str>)> {
    ENDPOINTS.iter().find_map(|endpoint| {
        let rest = path.strip_prefix(endpoint)?;
        match rest.strip_prefix('/') {
            None => rest.is_empty().then_some((*endpoint, None)),
            Some(check) => Some((*endpoint, Some(check))),
        }
    })
}

fn checks<'a>(server: &'a ApiServer, endpoint: &'a str) -> impl Iterator<Item = &'a Check> {
    let all = server.config().checks.iter();
    all.filter(move |c| !c.ready_only || endpoint == "/readyz")
}

/// The names of an endpoint's checks.
pub fn names<'a>(server: &'a ApiServer, endpoint: &'a str) -> impl Iterator<Item = &'a str> {
    std::iter::once(PING).chain(checks(server, endpoint).map(|c| c.name.as_str()))
}

/// Runs an endpoint's checks.
pub async fn serve(
    server: &ApiServer,
    endpoint: &str,
    single: Option<&str>,
    query: &Query,
) -> Answer {
    let name = endpoint.trim_start_matches('/');
    if let Some(single) = single {
        return match checks(server, endpoint).find(|c| c.name == single) {
            _ if single == PING => text("ok".into(), StatusCode::OK),
            None => text("404 page not found\n".into(), StatusCode::NOT_FOUND),
            Some(check) => match (check.run)().await {
                Ok(()) => text("ok".into(), StatusCode::OK),
                Err(why) => {
                    let report = format!("internal server error: {why}\n");
                    text(report, StatusCode::INTERNAL_SERVER_ERROR)
                }
            },
        };
    }
    let mut report = format!("[+]{PING} ok\n");
    let mut failed = false;
    for check in checks(server, endpoint) {
        if query.all("exclude").any(|e| e == check.name) {
            let _ = writeln!(report, "[+]{} excluded: ok", check.name);
            continue;
        }
        match (check.run)().await {
            Ok(()) => {
                let _ = writeln!(report, "[+]{} ok", check.name);
            }
            Err(why) => {
                failed = true;
                tracing::info!(check = check.name, why, "{name} check failed");
                let _ = writeln!(report, "[-]{} failed: reason withheld", check.name);
            }
        }
    }
    let _ = match failed {
        true => writeln!(report, "{name} check failed"),
        false => writeln!(report, "{name} check passed"),
    };
    match (failed, query.first("verbose").is_some()) {
        (true, _) => text(report, StatusCode::INTERNAL_SERVER_ERROR),
        (false, true) => text(report, StatusCode::OK),
        (false, false) => text("ok".into(), StatusCode::OK),
    }
}

fn text(text: String, code: StatusCode) -> Answer {
    Answer::ok(Content::Text(text)).code(code)
}
