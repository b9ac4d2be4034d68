//! Objects of the request's kind in its version and in the stored one.
//!
//! For most kinds that is a matter of code that never waits. Only where a definition names a
//! webhook it is asked: before an object is computed with, before one is stored, and before the
//! answer is written, so that a webhook that fails still makes the answer a failure.

use super::Exchange;
use crate::custom::conversion::Converter;
use crate::errors::conversion_failed;
use crate::http::Answer;
use crate::http::answer::Content;
use crate::list::ListAnswer;
use crate::object::{Encoded, index, put_stored, to_change};
use crate::representation::{parse, shown};
use crate::selection::Selection;
use bytes::Bytes;
use reddwarf_core::{Change, ObjectKey, Status, StoredObject, View};
use serde_json::Value;
use std::sync::Arc;

/// Objects that are converted at a time while a page is filled with those that are selected.
const CANDIDATES: usize = 256;

impl Exchange<'_> {
    /// What asks the webhook of the kind; `None` for kinds without one.
    pub fn converter(&self) -> Option<Converter<'_>> {
        Converter::of(self.server.webhooks(), self.kind)
    }

    /// A stored object in the version of the request.
    ///
    /// # Errors
    /// 500 when the webhook fails.
    pub async fn shown(&self, stored: &Bytes) -> Result<Value, Box<Status>> {
        match self.converter() {
            None => Ok(shown(self.kind, stored)),
            Some(converter) => converter.show(stored.clone()).await.map_err(conversion_failed),
        }
    }

    /// The change that stores an object of the request's kind, and its encoded form.
    ///
    /// # Errors
    /// 500 when the webhook fails.
    pub async fn to_change(
        &self,
        key: ObjectKey,
        object: &Value,
    ) -> Result<(Change, Encoded), Box<Status>> {
        let Some(converter) = self.converter() else {
            return Ok(to_change(self.kind, key, object));
        };
        let stored = converter.store(object).await.map_err(conversion_failed)?;
        Ok(put_stored(self.kind, key, index(self.kind, &stored), &stored))
    }

    /// The stored form of an object as it would be, without a version.
    ///
    /// # Errors
    /// 500 when the webhook fails.
    pub async fn unversioned(&self, mut object: Value) -> Result<Bytes, Box<Status>> {
        match self.converter() {
            None => self.kind.store(&mut object),
            Some(converter) => {
                object = converter.store(&object).await.map_err(conversion_failed)?;
            }
        }
        Ok(object.to_string().into())
    }

    /// The answer with its objects in the version of the request.
    ///
    /// # Errors
    /// 500 when the webhook fails.
    pub async fn converted(&self, mut answer: Answer) -> Result<Answer, Box<Status>> {
        let Some(converter) = self.converter() else { return Ok(answer) };
        answer.content = match answer.content {
            Content::Object(kind, bytes) if is_other(self, &bytes) => {
                let object = converter.show(bytes).await.map_err(conversion_failed)?;
                Content::Shown(kind, object)
            }
            Content::List(list) => Content::List(converted_list(&converter, list).await?),
            other => other,
        };
        Ok(answer)
    }
}

/// Whether an object, stored or as it would be, is in another version than the request's.
fn is_other(x: &Exchange<'_>, bytes: &[u8]) -> bool {
    parse(bytes)["apiVersion"] != *x.kind.api_version()
}

async fn converted_list(
    converter: &Converter<'_>,
    mut list: ListAnswer,
) -> Result<ListAnswer, Box<Status>> {
    let done = list.converted.is_some();
    if done || !list.items.iter().any(|item| converter.converts(&item.bytes)) {
        return Ok(list);
    }
    let mut converted = Vec::with_capacity(list.items.len());
    for items in list.items.chunks(CANDIDATES) {
        let objects = all_shown(converter, items).await?;
        converted.extend(objects.iter().map(|object| Bytes::from(object.to_string())));
    }
    list.converted = Some(converted);
    Ok(list)
}

async fn all_shown(
    converter: &Converter<'_>,
    items: &[Arc<StoredObject>],
) -> Result<Vec<Value>, Box<Status>> {
    let stored = items.iter().map(|item| item.bytes.clone()).collect();
    converter.show_all(stored).await.map_err(conversion_failed)
}

/// Objects of a list, as they are stored and as the request's version shows them.
#[derive(Default)]
pub struct Page {
    /// As they are stored.
    pub items: Vec<Arc<StoredObject>>,
    /// As they are shown, in the same order.
    pub converted: Vec<Bytes>,
    /// Whether others come after them.
    pub more: bool,
}

/// The first objects behind `after`, `limit` at most, that the selection means by what the
/// request's version shows of them.
///
/// # Errors
/// 500 when the webhook fails.
pub async fn page_of_shown(
    x: &Exchange<'_>,
    converter: &Converter<'_>,
    view: &View,
    selection: &Selection,
    (after, limit): (Option<ObjectKey>, usize),
) -> Result<Page, Box<Status>> {
    let namespace = selection.namespace.as_deref();
    let all = view.list(&x.kind.storage.collection, namespace, after.as_ref());
    let candidates: Vec<_> = all.filter(|o| selection.matches_key(&o.key)).cloned().collect();
    let mut page = Page::default();
    for some in candidates.chunks(CANDIDATES) {
        let shown = all_shown(converter, some).await?;
        for (stored, object) in some.iter().zip(shown) {
            if !selection.matches_shown(&stored.key, &object) {
                continue;
            }
            if page.items.len() == limit {
                page.more = true;
                return Ok(page);
            }
            page.items.push(stored.clone());
            page.converted.push(object.to_string().into());
        }
    }
    Ok(page)
}
