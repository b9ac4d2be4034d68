//! Lists: which state is read, which page of it, and how it is written.

mod options;
mod render;
mod token;

pub use options::{Match, ReadOptions, parse_revision, parse_uint_error};
pub use render::{Rendering, Syntax};
pub use token::Token;

use crate::http::ApiBody;
use crate::object::list_item;
use crate::registry::Kind;
use bytes::{BufMut, Bytes, BytesMut};
use reddwarf_core::{Revision, StoredObject};
use serde_json::{Value, json};
use std::sync::Arc;

/// Lists up to this size are sent as one chunk with a known length; longer ones are made
/// chunk by chunk as the connection takes them.
pub const WHOLE_BYTES_MAX: usize = 512 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;

/// A list before it is written.
pub struct ListAnswer {
    /// The kind of the items.
    pub kind: Arc<Kind>,
    /// In key order.
    pub items: Vec<Arc<StoredObject>>,
    /// The state that the list shows.
    pub revision: Revision,
    /// The token of the next page.
    pub next: Option<String>,
    /// Items after this page, where that is known.
    pub remaining: Option<u64>,
    /// The items as the kind's version shows them, where a webhook had to say so.
    pub converted: Option<Vec<Bytes>>,
}

impl ListAnswer {
    /// The list's metadata.
    pub fn metadata(&self) -> Value {
        let mut meta = json!({"resourceVersion": self.revision.to_string()});
        if let Some(next) = &self.next {
            meta["continue"] = next.as_str().into();
        }
        if let Some(remaining) = self.remaining {
            meta["remainingItemCount"] = remaining.into();
        }
        meta
    }

    /// The list as stored bytes, one item after another.
    pub fn into_body(self) -> ApiBody {
        let bytes: usize = self.items.iter().map(|i| i.bytes.len() + 2).sum();
        let head = format!(
            "{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{},\"items\":[",
            self.kind.kind,
            self.kind.storage.api_version,
            self.metadata()
        );
        let whole = bytes <= WHOLE_BYTES_MAX;
        let mut chunks = Chunks {
            list: self,
            at: 0,
            head: Some(head),
            chunk_bytes: if whole { usize::MAX } else { CHUNK_BYTES },
        };
        if whole {
            ApiBody::full(chunks.next().unwrap_or_default())
        } else {
            ApiBody::stream(futures::stream::iter(chunks))
        }
    }
}

struct Chunks {
    list: ListAnswer,
    at: usize,
    head: Option<String>,
    chunk_bytes: usize,
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let head = self.head.take();
        if head.is_none() && self.at > self.list.items.len() {
            return None;
        }
        let known: usize = match self.chunk_bytes {
            usize::MAX => self.list.items.iter().map(|i| i.bytes.len() + 1).sum::<usize>() + 256,
            some => some + some / 4,
        };
        let mut out = BytesMut::with_capacity(known);
        out.put_slice(head.unwrap_or_default().as_bytes());
        let kind = &self.list.kind;
        while out.len() < self.chunk_bytes {
            let Some(item) = self.list.items.get(self.at) else {
                self.at += 1;
                out.put_slice(b"]}");
                break;
            };
            if self.at > 0 {
                out.put_u8(b',');
            }
            out.put_u8(b'{');
            out.put_slice(list_item(&kind.storage.api_version, &kind.kind, &item.bytes));
            self.at += 1;
        }
        Some(out.freeze())
    }
}
