//! Deletion of the objects of a collection.

use super::Exchange;
use super::delete::{delete_named, read_options};
use super::list::page;
use crate::http::Answer;
use crate::http::answer::Content;
use crate::list::ReadOptions;
use crate::selection::Selection;
use futures::StreamExt;
use reddwarf_core::{Reason, Status};

/// Deletions of one request under way at a time; they share log entries and flushes.
const CONCURRENT_MAX: usize = 16;

/// DELETE of a collection: each object is deleted as if by itself; answers those that were
/// there.
pub async fn delete_collection(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let options = read_options(x)?;
    let read = ReadOptions::read(x.query, false)?;
    let selection = Selection::read(x)?;
    let list = page(x, &read, &selection).await?;
    let names: Vec<String> = list.items.iter().map(|i| i.key.name().to_owned()).collect();
    let also = Vec::new;
    let deletions = names.iter().map(|name| delete_named(x, name, &options, &also));
    let mut outcomes = futures::stream::iter(deletions).buffer_unordered(CONCURRENT_MAX).boxed();
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Err(status) if !status.is(Reason::NotFound) => return Err(status),
            _ => {}
        }
    }
    drop(outcomes);
    Ok(Answer::ok(Content::List(list)))
}
