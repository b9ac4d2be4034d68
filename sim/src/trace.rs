//! What happens, as it is told to who looks on, and a digest of it.

use parking_lot::Mutex;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Takes what happens; clones share it.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    shown: bool,
    digest: DefaultHasher,
}

impl Trace {
    /// Prints what it is told, if it is to be `shown`.
    #[must_use]
    pub fn new(shown: bool) -> Self {
        Trace(Arc::new(Mutex::new(Inner { shown, digest: DefaultHasher::new() })))
    }

    /// Something happens.
    pub fn tell(&self, now_ms: u64, what: impl FnOnce() -> String) {
        let what = what();
        let mut inner = self.0.lock();
        (now_ms, &what).hash(&mut inner.digest);
        if inner.shown {
            eprintln!("{now_ms:>6} {what}");
        }
    }

    /// The digest of all that was told.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.0.lock().digest.finish()
    }
}
