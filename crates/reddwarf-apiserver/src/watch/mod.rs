//! Open watches: from changes of a collection to the frames of one watcher.
//!
//! The body pulls: nothing is taken from the window of recent changes before the connection can
//! send it, so a watcher that does not read holds only its cursor, and is told to list again
//! once the window has moved past it.
//!
//! A watch of a custom kind ends with its [`Serving`]: what it would tell after that is of another
//! schema, or of no kind any more. What was told of before comes first, such as that the objects
//! of a definition went with it.

mod converting;
mod framing;

pub use framing::Framing;

use crate::custom::Serving;
use crate::list::ReadOptions;
use crate::metrics::GaugeGuard;
use crate::registry::Kind;
use crate::selection::Selection;
use crate::server::ApiServer;
use crate::verbs::Exchange;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use rand::Rng;
use reddwarf_core::{
    ChangeEvent, Revision, Status, StoredObject, View, WatchBatch, WatchClosed, WatchStream,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Frames that are ready together are sent as one piece up to this size.
const COALESCED_BYTES: usize = 64 * 1024;
/// The usual time between two bookmarks, before jitter.
const BOOKMARK_SECONDS: u64 = 60;
/// A last bookmark goes out so long before a watch times out.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// How long a watch goes on telling what is ready when its kind is served no more.
const LAST_CHUNKS: Duration = Duration::from_secs(5);

/// What a watch begins with.
pub enum Start {
    /// The objects that there are, then changes; `marked` ends the former with a bookmark.
    State {
        /// That state.
        view: View,
        /// Changes after it.
        stream: Box<dyn WatchStream>,
        /// Whether a bookmark says that the state is complete.
        marked: bool,
    },
    /// Changes only.
    Changes {
        /// The changes.
        stream: Box<dyn WatchStream>,
    },
    /// An `ERROR` event, then the end.
    Failed(Box<Status>),
    /// The timeout passed before the version was reached.
    Ended,
}

/// One open watch.
pub struct Watcher {
    server: ApiServer,
    kind: Arc<Kind>,
    selection: Selection,
    framing: Framing,
    stream: Option<Box<dyn WatchStream>>,
    /// What there was when the watch began, encoded when it is sent.
    existing: std::vec::IntoIter<Arc<StoredObject>>,
    /// The revision of the bookmark that ends those.
    complete_at: Option<Revision>,
    /// The frame of a watch that failed to begin.
    failed: Option<Bytes>,
    bookmarks: bool,
    next_bookmark: Instant,
    deadline: Instant,
    stopping: watch::Receiver<bool>,
    /// Until when the kind is what it was; `None` for a built-in one, which stays so.
    serving: Option<Serving>,
    _counted: GaugeGuard,
}

impl Watcher {
    /// Opens a watch.
    pub fn new(
        x: &Exchange<'_>,
        selection: Selection,
        framing: Framing,
        options: &ReadOptions,
        start: Start,
        deadline: Instant,
    ) -> Self {
        let mut watcher = Watcher {
            server: x.server.clone(),
            kind: x.kind.clone(),
            selection,
            framing,
            stream: None,
            existing: Vec::new().into_iter(),
            complete_at: None,
            failed: None,
            bookmarks: options.bookmarks,
            next_bookmark: next_bookmark(deadline),
            deadline,
            stopping: x.server.stopping(),
            serving: x.kind.custom.as_ref().map(|custom| custom.serving.clone()),
            _counted: x.server.metrics().watcher(&x.kind.group, &x.kind.plural),
        };
        watcher.begin(x, start);
        watcher
    }

    fn begin(&mut self, x: &Exchange<'_>, start: Start) {
        match start {
            Start::Ended => {}
            Start::Failed(status) => self.failed = Some(framing::error(&status)),
            Start::Changes { stream } => self.stream = Some(stream),
            Start::State { view, stream, marked } => {
                let namespace = self.selection.namespace.clone();
                let objects = view.list(&x.kind.storage.collection, namespace.as_deref(), None);
                let converts = self.may_convert();
                let meant = |o: &&Arc<StoredObject>| match converts {
                    true => self.selection.matches_key(&o.key),
                    false => self.selection.matches(o),
                };
                let objects: Vec<_> = objects.filter(meant).cloned().collect();
                self.existing = objects.into_iter();
                if marked && self.bookmarks {
                    self.complete_at = Some(view.revision);
                }
                self.stream = Some(stream);
            }
        }
    }

    /// The frames as a body.
    pub fn into_stream(self) -> BoxStream<'static, Bytes> {
        futures::stream::unfold(self, |mut watcher| async move {
            let chunk = watcher.next_chunk().await?;
            Some((chunk, watcher))
        })
        .boxed()
    }

    async fn next_chunk(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.first_chunk().await {
                return Some(chunk);
            }
            if self.serving.as_ref().is_some_and(Serving::has_ended) {
                return self.last_chunk().await;
            }
            let stream = self.stream.as_mut()?;
            let alarm = match self.bookmarks {
                true => self.next_bookmark.min(self.deadline),
                false => self.deadline,
            };
            let batch = tokio::select! {
                biased;
                batch = stream.next() => Some(batch),
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                () = ended(self.serving.as_ref()) => continue,
                () = tokio::time::sleep_until(alarm) => None,
            };
            let chunk = match batch {
                Some(Ok(batch)) => self.frames(batch).await,
                Some(Err(closed)) => return self.closed(closed),
                None if Instant::now() >= self.deadline => return None,
                None => Some(self.timely_bookmark()?),
            };
            if chunk.is_some() {
                return chunk;
            }
            if Instant::now() >= self.deadline {
                return None;
            }
        }
    }

    /// What is ready to be told of a kind that is not served like this any more; its objects may
    /// go on changing, so only for a while.
    async fn last_chunk(&mut self) -> Option<Bytes> {
        self.deadline = self.deadline.min(Instant::now() + LAST_CHUNKS);
        while Instant::now() < self.deadline
            && let Some(Ok(batch)) = self.stream.as_mut()?.next().now_or_never()
        {
            if let Some(chunk) = self.frames(batch).await {
                return Some(chunk);
            }
        }
        self.stream = None;
        None
    }

    /// What comes before all changes, and what a watch ends with that failed.
    async fn first_chunk(&mut self) -> Option<Bytes> {
        let mut out = Joined::default();
        while out.bytes < COALESCED_BYTES {
            if self.existing.len() > 0 && self.may_convert() {
                self.push_existing(&mut out).await;
            } else if let Some(object) = self.existing.next() {
                out.push(self.framing.existing(&object));
            } else if let Some(revision) = self.complete() {
                out.push(self.framing.bookmark(revision, true));
            } else if let Some(failed) = self.failed.take() {
                out.push(failed);
            } else {
                break;
            }
        }
        out.finish()
    }

    /// The revision of the bookmark that ends what there is, as soon as all of that is told: a
    /// stream may have some of it.
    fn complete(&mut self) -> Option<Revision> {
        let wanted = self.complete_at?;
        let reached = self.stream.as_mut()?.progress();
        self.complete_at = self.complete_at.filter(|_| reached < wanted);
        (reached >= wanted).then_some(reached)
    }

    /// The frames of a batch and of those that are ready behind it.
    async fn frames(&mut self, batch: WatchBatch) -> Option<Bytes> {
        self.follow_definition();
        let mut out = Joined::default();
        let mut batch = batch;
        loop {
            match self.may_convert() {
                true => self.push_converted(&batch, &mut out).await,
                false => batch.events.iter().for_each(|event| out.extend(self.frame(event))),
            }
            if out.bytes == 0 || out.bytes >= COALESCED_BYTES {
                return out.finish();
            }
            // Converting what is ready may have ended the watch.
            let Some(stream) = self.stream.as_mut() else { return out.finish() };
            match stream.next().now_or_never() {
                Some(Ok(next)) => batch = next,
                // A closed stream says so again when it is next asked.
                Some(Err(_)) | None => return out.finish(),
            }
        }
    }

    /// Goes on with what the definition of a custom kind says by now: another webhook may convert
    /// its objects, or one where there was none.
    fn follow_definition(&mut self) {
        if self.kind.custom.is_none() {
            return;
        }
        let (registry, kind) = (self.server.registry(), &self.kind);
        match registry.resource(&kind.group, &kind.version, &kind.plural) {
            Some(now) if !Arc::ptr_eq(now, kind) => {
                self.framing.follow(now.clone());
                self.kind = now.clone();
            }
            _ => {}
        }
    }

    fn frame(&mut self, event: &ChangeEvent) -> Option<Bytes> {
        let inside =
            |o: &Option<Arc<StoredObject>>| o.as_ref().is_some_and(|o| self.selection.matches(o));
        let seen = event.event_type(inside(&event.before), inside(&event.after))?;
        Some(self.framing.change(event, seen))
    }

    fn timely_bookmark(&mut self) -> Option<Bytes> {
        self.next_bookmark = next_bookmark(self.deadline);
        let revision = self.stream.as_mut()?.progress();
        Some(self.framing.bookmark(revision, false))
    }

    fn closed(&mut self, closed: WatchClosed) -> Option<Bytes> {
        let mut stream = self.stream.take()?;
        match closed {
            WatchClosed::Stopping => None,
            WatchClosed::TooSlow => {
                let reached = stream.progress();
                Some(framing::error(&crate::errors::watch_too_old(reached.0, reached)))
            }
        }
    }
}

/// Returns when a kind is served no more as it was.
async fn ended(serving: Option<&Serving>) {
    match serving {
        Some(serving) => serving.ended().await,
        None => std::future::pending().await,
    }
}

fn next_bookmark(deadline: Instant) -> Instant {
    let seconds = rand::rng().random_range(BOOKMARK_SECONDS * 3 / 4..BOOKMARK_SECONDS * 5 / 4);
    let now = Instant::now();
    let usual = now + Duration::from_secs(seconds);
    let last = deadline.checked_sub(BOOKMARK_BEFORE_END).filter(|last| *last > now);
    last.map_or(usual, |last| usual.min(last))
}

/// Frames sent together: a single one is shared, several are copied behind one another.
#[derive(Default)]
struct Joined {
    frames: Vec<Bytes>,
    bytes: usize,
}

impl Joined {
    fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push(frame);
    }

    fn extend(&mut self, frame: Option<Bytes>) {
        if let Some(frame) = frame {
            self.push(frame);
        }
    }

    fn finish(mut self) -> Option<Bytes> {
        match self.frames.len() {
            0 | 1 => self.frames.pop(),
            _ => {
                let mut out = BytesMut::with_capacity(self.bytes);
                self.frames.iter().for_each(|f| out.extend_from_slice(f));
                Some(out.freeze())
            }
        }
    }
}
