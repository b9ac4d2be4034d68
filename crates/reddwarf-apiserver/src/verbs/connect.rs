//! Requests that ask to be connected to a node.

use super::Exchange;
use super::read::not_older;
use crate::http::Answer;
use crate::http::answer::Content;
use crate::representation::shown;
use crate::subresource::{self, Connect, proxied_name};
use http::StatusCode;
use reddwarf_core::Status;

/// Any method on `log`, `exec`, `attach`, `portforward` or `proxy`.
pub async fn connect(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let view = not_older(x, None).await?;
    let name = match x.subresource() {
        "proxy" => proxied_name(x.name()),
        _ => x.name(),
    };
    let current = view.get(&x.key(name)).map(|stored| shown(x.kind, &stored.bytes));
    subresource::connect(&Connect {
        kind: x.kind,
        subresource: x.subresource(),
        namespace: x.namespace(),
        name: x.name(),
        query: x.query,
        current: current.as_ref(),
        view: &view,
    })?;
    Ok(Answer::ok(Content::Empty).code(StatusCode::NO_CONTENT))
}
