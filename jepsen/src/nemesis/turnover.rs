//! What shows that members came and went, and what is done about those that did not arrive.

use crate::history::{Edn, value};
use crate::host::{Group, Member};

/// A machine that joined and votes.
pub fn joined(name: &str, id: u64) -> Edn {
    value::map([("node", value::text(name)), ("voter", value::number(id))])
}

/// A member that was let go and has ended.
pub fn removed(name: &str, exit: i32) -> Edn {
    value::map([("node", value::text(name)), ("exit", Edn::Int(exit.into()))])
}

/// Ends a machine that was about to join, so that neither it nor a trace of it is left.
pub async fn abandon(group: &Group, member: &Member) {
    if member.pid().is_some()
        && let Err(error) = member.kill().await
    {
        tracing::warn!(%error, member = member.name, "did not end");
    }
    // It may have come so far that the group knows it, or not.
    if let Err(error) = group.operate(&["member", "remove", &member.name]).await {
        tracing::info!(%error, member = member.name, "was not to be removed");
    }
}
