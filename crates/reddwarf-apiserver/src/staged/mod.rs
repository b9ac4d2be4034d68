//! A state that is not there yet: many writes computed one upon the other, proposed as one.
//!
//! A [`Staging`] is a server over a store that starts from the present state and whose writes
//! reach nobody. So the verbs, admission, validation and server-side apply need nothing of their
//! own to work on many objects at once, and custom kinds that are defined among them are served
//! to those that follow. At its end stand the [`Staged`] changes, one a key, and what they rely
//! on in the present state.

mod overlay;
mod store;

pub(crate) use overlay::{Overlay, Staged, holds};

use crate::server::ApiServer;
use parking_lot::{Mutex, MutexGuard};
use reddwarf_core::ReadError;
use std::sync::Arc;
use store::StagedStore;

/// A server whose writes are collected.
pub(crate) struct Staging {
    /// Answers requests; what they write is seen by those that follow, and by nobody else.
    pub(crate) server: ApiServer,
    overlay: Arc<Mutex<Overlay>>,
}

impl Staging {
    /// Begins with the state of the whole group.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when it is not confirmed.
    pub(crate) async fn begin(server: &ApiServer) -> Result<Staging, ReadError> {
        let present = server.store();
        // Before the state is taken, for definitions only go forward.
        let registry = server.config().registry.fork();
        present.read_barrier().await?;
        let overlay = Arc::new(Mutex::new(Overlay::new(present.view())));
        let store = StagedStore { overlay: overlay.clone(), present: present.clone() };
        registry.refresh(&store);
        let server = server.over(Arc::new(store), Arc::new(registry));
        Ok(Staging { server, overlay })
    }

    /// What was written so far.
    pub(crate) fn overlay(&self) -> MutexGuard<'_, Overlay> {
        self.overlay.lock()
    }
}
