//! `changesets` of `history.reddwarf.dev`: many objects as one commit or not at all, by server-side
//! apply or brought to what a branch, or the past, has of them.
//!
//! Each object goes through the very pipeline of a single apply, in a [`Staging`] where it sees
//! those before it. What comes of it is proposed as one write with everything that it relied on;
//! when something else moved meanwhile, the whole set is computed anew. With `dryRun=All` the
//! answer is a plan: what would be done, and what that is based on.
//!
//! [`Staging`]: crate::staged::Staging

mod answer;
mod basis;
mod follow_up;
mod lines;
mod managed;
mod merging;
mod prune;
mod refusal;
mod rewind;
mod session;
mod spec;
mod wish;

pub(crate) use follow_up::Names;
pub(crate) use managed::merged as merged_managers;
pub(crate) use merging::{keep_identity, without_own};
pub(crate) use wish::is_kept;

use crate::commits::GROUP;
use crate::custom::own;
use crate::errors::{method_not_allowed, no_such_resource, propose_error};
use crate::http::{Answer, Place};
use crate::options::WriteOptions;
use crate::registry::{Kind, Registry};
use crate::verbs::{ATTEMPTS_MAX, Exchange, Verb, shortened};
use futures::FutureExt;
use futures::future::BoxFuture;
use reddwarf_core::limits::{BODY_BYTES_MAX, PROPOSAL_BYTES_MAX};
use reddwarf_core::{BranchProblem, Committed, ProposeError, Rejection, Status, Write};
use serde_json::Value;
use session::Computed;
use spec::ChangeSet;

const PLURAL: &str = "changesets";
const DEFINITION: &[u8] = include_bytes!("definition.json");

/// Adds the kind.
pub(crate) fn add(registry: &mut Registry) {
    own::serve_verbs(registry, DEFINITION, &["create"]);
}

/// Whether requests for a kind are answered here.
pub(crate) fn is_change_set(kind: &Kind) -> bool {
    kind.group == GROUP && kind.plural == PLURAL
}

/// How large the body of a request may be: that of a set holds as much as a commit.
pub(crate) fn body_bytes_max(place: &Place) -> usize {
    match place {
        Place::Resource(info) if info.group == GROUP && info.resource == PLURAL => {
            PROPOSAL_BYTES_MAX
        }
        _ => BODY_BYTES_MAX,
    }
}

/// Answers a request for change sets.
///
/// A set is applied by requests within this one, whose futures would otherwise hold themselves.
///
/// # Errors
/// The failure to be answered, which names the object that it is about.
pub(crate) fn serve<'a>(x: &'a Exchange<'_>) -> BoxFuture<'a, Result<Answer, Box<Status>>> {
    async move {
        if x.verb != Verb::Create || !x.subresource().is_empty() {
            return Err(method_not_allowed());
        }
        let options = WriteOptions::read(x.query, "CreateOptions")?;
        let decoded = x.decode(options.validation)?;
        answer_to(x, &decoded.object, decoded.warnings, options).await
    }
    .boxed()
}

/// Merges the branch that the path names, or main, into the line that is asked.
///
/// # Errors
/// The failure to be answered: 409 with every conflict as a cause.
pub(crate) fn merge<'a>(x: &'a Exchange<'_>) -> BoxFuture<'a, Result<Answer, Box<Status>>> {
    async move {
        let options = WriteOptions::read(x.query, "CreateOptions")?;
        let kind = x.registry.resource(GROUP, &x.kind.version, PLURAL);
        let decoded = x.decode_of(kind.ok_or_else(no_such_resource)?, options.validation)?;
        let mut set = decoded.object;
        set["spec"]["merge"] = serde_json::json!({"branch": x.name()});
        answer_to(x, &set, decoded.warnings, options).await
    }
    .boxed()
}

async fn answer_to(
    x: &Exchange<'_>,
    object: &Value,
    warnings: Vec<String>,
    options: WriteOptions,
) -> Result<Answer, Box<Status>> {
    let set = ChangeSet::read(x, object)?;
    let (computed, committed) = apply(x, &set, options.dry_run).await?;
    let mut answer = answer::of(object, &computed, committed, options.dry_run);
    answer.warnings = warnings;
    answer.warnings.extend(computed.warnings);
    Ok(answer)
}

/// Computes a set and proposes it, again while the state moves underneath.
async fn apply<'s>(
    x: &'s Exchange<'s>,
    set: &'s ChangeSet,
    dry_run: bool,
) -> Result<(Computed, Option<Committed>), Box<Status>> {
    let mut attempts = 0;
    loop {
        let computed = session::compute(x, set).await?;
        if dry_run || computed.staged.changes.is_empty() {
            return Ok((computed, None));
        }
        attempts += 1;
        match x.server.store().propose(write(x, set, &computed)).await {
            Ok(committed) => {
                // Whoever defined a kind sees it served, without waiting.
                x.server.refresh_kinds();
                return Ok((computed, Some(committed)));
            }
            Err(ProposeError::Rejected(
                Rejection::Precondition { .. } | Rejection::Branch(BranchProblem::Moved(_)),
            )) if attempts < ATTEMPTS_MAX => {}
            Err(error) => return Err(propose_error(error)),
        }
    }
}

fn write(x: &Exchange<'_>, set: &ChangeSet, computed: &Computed) -> Write {
    let staged = computed.staged.clone();
    let mut write = x.write(set.source.verb(), staged.preconditions, staged.changes);
    write.author.field_manager.clone_from(&set.manager);
    write.links = computed.links.clone().map(Box::new);
    if let Some(message) = &set.message {
        write.message = shortened(message.clone());
    } else if write.message.is_none() && !computed.message.is_empty() {
        write.message = shortened(computed.message.clone());
    }
    write
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_only_created() {
        let mut registry = Registry::builtin();
        add(&mut registry);
        let kind = registry.resource(GROUP, "v1alpha1", PLURAL).expect("it is served");
        assert!(is_change_set(kind) && kind.verbs.has("create") && !kind.stored());
        assert!(!kind.verbs.has("get") && !kind.namespaced());
        let custom = kind.custom.as_ref().expect("it is described like a custom kind");
        assert!(custom.version.schema().is_some());
    }

    #[test]
    fn a_set_may_be_as_large_as_a_commit() {
        let max = |path: &str| body_bytes_max(&Place::parse(path));
        assert_eq!(max("/apis/history.reddwarf.dev/v1alpha1/changesets"), PROPOSAL_BYTES_MAX);
        assert_eq!(max("/api/v1/namespaces/shop/pods"), BODY_BYTES_MAX);
    }
}
