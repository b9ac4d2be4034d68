//! Hands applied commits to readers, waiters and watchers.
//!
//! Nothing is queued for a watcher: it is a cursor into the one shared [`ChangeWindow`], and is
//! woken only when its own collection has changed. A thousand watchers therefore cost a
//! publisher one flag for each changed collection, and a slow one costs nothing at all: when
//! the window has moved past its cursor it is closed.

use crate::inspect::AppliedCommit;
use crate::recent_commits::RecentCommits;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use reddwarf_core::planted::{self, Bug};
use reddwarf_core::{
    BranchId, ChangeEvent, Collection, Commit, CommitStream, ReadError, Revision, View, WatchBatch,
    WatchClosed, WatchStream,
};
use reddwarf_versioning::{ChangeWindow, LandedCommit, WindowLimits};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Changes that one [`WatchStream::next`] answers with, give or take the end of a commit.
pub const WATCH_BATCH_EVENTS: usize = 1_024;

/// See the module's text. Shared by `Arc`; published to by the one task that applies.
#[derive(Debug)]
pub struct Fanout {
    view: ArcSwap<View>,
    window: RwLock<ChangeWindow>,
    /// The changes of all branches, so that none of them shortens what watches of main can resume
    /// from. It begins anew with each start.
    branches: RwLock<ChangeWindow>,
    /// The commits themselves, of main and of all branches.
    commits: RwLock<RecentCommits>,
    /// One flag for each collection that is or was watched; it counts publications.
    flags: Mutex<HashMap<Collection, watch::Sender<u64>>>,
    revision: watch::Sender<Revision>,
    stopping: AtomicBool,
    watchers: AtomicUsize,
}

impl Fanout {
    /// Begins at `view`, with a window that is empty or holds the changes up to it.
    pub fn new(view: View, window: ChangeWindow) -> Arc<Self> {
        let (revision, _) = watch::channel(view.revision);
        Arc::new(Fanout {
            branches: RwLock::new(branch_window(view.revision)),
            commits: RwLock::new(RecentCommits::after(view.revision)),
            view: ArcSwap::from_pointee(view),
            window: RwLock::new(window),
            flags: Mutex::default(),
            revision,
            stopping: AtomicBool::new(false),
            watchers: AtomicUsize::new(0),
        })
    }

    /// Begins at `view` without recent changes.
    pub fn at(view: View, limits: WindowLimits) -> Arc<Self> {
        let window = ChangeWindow::new(view.revision, limits);
        Fanout::new(view, window)
    }

    /// The newest published state; O(1).
    pub fn view(&self) -> View {
        View::clone(&self.view.load())
    }

    /// The commits of all branches after `from`; `None` when not all of them are remembered.
    pub(crate) fn commits_after(&self, from: Revision) -> Option<Vec<AppliedCommit>> {
        self.commits.read().all_after(from)
    }

    /// How many watches are open.
    pub fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    /// Bytes held by the window of recent changes.
    pub fn window_bytes(&self) -> usize {
        self.window.read().bytes() + self.branches.read().bytes() + self.commits.read().bytes()
    }

    /// Publishes commits applied one after the other, and the state after the last of them.
    ///
    /// With no commits (a tick) only the view changes. Call it once for a batch of entries.
    pub fn publish<'a>(&self, view: View, commits: impl IntoIterator<Item = &'a LandedCommit>) {
        let mut touched: Vec<Collection> = Vec::new();
        let revision = view.revision;
        let moved = {
            let (mut window, mut recent) = (self.window.write(), self.commits.write());
            for commit in commits {
                recent.push(commit);
                let touch = |collection: &Collection| {
                    if !touched.contains(collection) {
                        touched.push(collection.clone());
                    }
                };
                match commit.branch {
                    BranchId::MAIN => window.push(commit.branch, &commit.events, touch),
                    branch => self.branches.write().push(branch, &commit.events, touch),
                }
            }
            let before = self.view.swap(Arc::new(view));
            before.revision != revision
        };
        if moved {
            self.revision.send_replace(revision);
            self.wake(&touched);
        }
    }

    /// Replaces everything, after a snapshot was installed. Watchers older than the window's
    /// base are closed, the others go on.
    pub fn reset(&self, view: View, window: ChangeWindow) {
        let revision = view.revision;
        {
            let mut current = self.window.write();
            *current = window;
            *self.branches.write() = branch_window(revision);
            *self.commits.write() = RecentCommits::after(revision);
            self.view.store(Arc::new(view));
        }
        self.revision.send_replace(revision);
        self.wake_all();
    }

    /// Closes every watch with [`WatchClosed::Stopping`], and every new one at once.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.revision.send_modify(|_| {});
        self.wake_all();
    }

    /// Takes new watches again; those that were closed stay closed.
    pub fn resume(&self) {
        self.stopping.store(false, Ordering::SeqCst);
    }

    fn wake(&self, collections: &[Collection]) {
        let flags = self.flags.lock();
        for collection in collections {
            if let Some(flag) = flags.get(collection) {
                flag.send_modify(|count| *count += 1);
            }
        }
    }

    fn wake_all(&self) {
        self.flags.lock().values().for_each(|flag| flag.send_modify(|count| *count += 1));
    }

    /// Waits until `revision` is published; `false` when `timeout` passed first.
    pub async fn wait_for(&self, revision: Revision, timeout: Duration) -> bool {
        if self.view.load().revision >= revision {
            return true;
        }
        let mut published = self.revision.subscribe();
        let reached = published.wait_for(|newest| *newest >= revision);
        matches!(tokio::time::timeout(timeout, reached).await, Ok(Ok(_)))
    }

    /// One collection as it was at `revision`.
    ///
    /// # Errors
    /// See [`ChangeWindow::undo`].
    pub fn view_at(&self, collection: &Collection, revision: Revision) -> Result<View, ReadError> {
        let undo = {
            let window = self.window.read();
            window.undo(self.view(), collection, revision)?
        };
        Ok(undo.view())
    }

    /// One collection of a branch as it was at `revision`, where `newest` is the branch as it is
    /// and `base` its base.
    ///
    /// # Errors
    /// See [`ChangeWindow::undo`].
    pub fn branch_view_at(
        &self,
        branch: BranchId,
        collection: &Collection,
        revision: Revision,
        newest: View,
        base: &View,
    ) -> Result<View, ReadError> {
        let collection = collection.clone().on(branch);
        let undo = self.branches.read().undo(newest, &collection, revision)?;
        Ok(undo.view_over(base))
    }

    /// The changes of `collection` after `from` on a branch, as a stream.
    ///
    /// # Errors
    /// [`ReadError::Gone`] below the collection's floor.
    pub fn watch(
        self: &Arc<Self>,
        branch: BranchId,
        collection: &Collection,
        from: Revision,
    ) -> Result<Box<dyn WatchStream>, ReadError> {
        let collection = collection.clone().on(branch);
        let floor = self.window_of(branch).read().floor(&collection);
        if from < floor {
            return Err(ReadError::Gone { asked: from, floor });
        }
        let flag = self
            .flags
            .lock()
            .entry(collection.clone())
            .or_insert_with(|| watch::channel(0).0)
            .subscribe();
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Cursor { fanout: self.clone(), branch, collection, reached: from, flag }))
    }

    /// The commits of a branch after `from`, as a stream.
    ///
    /// # Errors
    /// [`ReadError::Gone`] below those that are remembered.
    pub fn watch_commits(
        self: &Arc<Self>,
        branch: BranchId,
        from: Revision,
    ) -> Result<Box<dyn CommitStream>, ReadError> {
        let floor = self.commits.read().floor();
        if from < floor {
            return Err(ReadError::Gone { asked: from, floor });
        }
        let published = self.revision.subscribe();
        Ok(Box::new(CommitCursor { fanout: self.clone(), branch, reached: from, published }))
    }

    fn window_of(&self, branch: BranchId) -> &RwLock<ChangeWindow> {
        if branch == BranchId::MAIN { &self.window } else { &self.branches }
    }
}

/// How much is held of the changes of all branches together.
fn branch_window(base: Revision) -> ChangeWindow {
    const LIMITS: WindowLimits =
        WindowLimits { collection_events_max: 4_096, bytes_max: 16 * 1024 * 1024 };
    ChangeWindow::new(base, LIMITS)
}

/// One watch: everything up to `reached` was delivered.
struct Cursor {
    fanout: Arc<Fanout>,
    branch: BranchId,
    collection: Collection,
    reached: Revision,
    flag: watch::Receiver<u64>,
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.fanout.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Cursor {
    /// The changes that are there now, perhaps none.
    fn drain(&mut self) -> Result<Vec<Arc<ChangeEvent>>, WatchClosed> {
        if self.fanout.stopping.load(Ordering::SeqCst) {
            return Err(WatchClosed::Stopping);
        }
        let window = self.fanout.window_of(self.branch).read();
        let (events, reached) = window
            .changes(&self.collection, self.reached, WATCH_BATCH_EVENTS)
            .map_err(|_| WatchClosed::TooSlow)?;
        self.reached = reached;
        Ok(mistaken(events))
    }
}

/// What [`planted`] bugs make of the changes that a watch is told.
fn mistaken(mut events: Vec<Arc<ChangeEvent>>) -> Vec<Arc<ChangeEvent>> {
    /// About every so manieth change is told wrongly.
    const EVERY: u64 = 50;
    let chosen = |event: &Arc<ChangeEvent>| event.revision.0.is_multiple_of(EVERY);
    if planted::is(Bug::DroppedEvent) {
        events.retain(|event| !chosen(event));
    }
    if planted::is(Bug::DoubledEvent) {
        let twice = |event: Arc<ChangeEvent>| {
            let copies = if chosen(&event) { 2 } else { 1 };
            std::iter::repeat_n(event, copies)
        };
        events = events.into_iter().flat_map(twice).collect();
    }
    if planted::is(Bug::ReorderedEvent) {
        events.reverse();
    }
    events
}

#[async_trait]
impl WatchStream for Cursor {
    async fn next(&mut self) -> Result<WatchBatch, WatchClosed> {
        loop {
            // Seen before the changes are read, so that none can slip in between unnoticed.
            self.flag.borrow_and_update();
            let events = self.drain()?;
            if !events.is_empty() {
                return Ok(WatchBatch { events, through: self.reached });
            }
            self.flag.changed().await.map_err(|_| WatchClosed::Stopping)?;
        }
    }

    fn progress(&mut self) -> Revision {
        let window = self.fanout.window_of(self.branch).read();
        let floor = window.floor(&self.collection);
        if self.reached >= floor && !window.changed_after(&self.collection, self.reached) {
            self.reached = self.reached.max(window.end());
        }
        self.reached
    }
}

/// One watch of commits: everything up to `reached` was delivered.
struct CommitCursor {
    fanout: Arc<Fanout>,
    branch: BranchId,
    reached: Revision,
    published: watch::Receiver<Revision>,
}

impl CommitCursor {
    fn drain(&mut self) -> Result<Vec<Commit>, WatchClosed> {
        if self.fanout.stopping.load(Ordering::SeqCst) {
            return Err(WatchClosed::Stopping);
        }
        let next = self.fanout.commits.read().next(self.branch, self.reached);
        let (commits, reached) = next.ok_or(WatchClosed::TooSlow)?;
        self.reached = reached;
        Ok(commits)
    }
}

#[async_trait]
impl CommitStream for CommitCursor {
    async fn next(&mut self) -> Result<Vec<Commit>, WatchClosed> {
        loop {
            // Seen before the commits are read, so that none can slip in between unnoticed.
            self.published.borrow_and_update();
            let commits = self.drain()?;
            if !commits.is_empty() {
                return Ok(commits);
            }
            self.published.changed().await.map_err(|_| WatchClosed::Stopping)?;
        }
    }

    fn progress(&mut self) -> Revision {
        self.reached = self.fanout.commits.read().reached(self.branch, self.reached);
        self.reached
    }
}
