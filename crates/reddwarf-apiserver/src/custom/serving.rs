//! Until when a custom kind is served as a request found it.

use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Ends when the definition goes, or serves the version in another way from then on; whoever
/// watches objects of the kind must then begin anew. Clones are the same.
///
/// Upstream tears the storage of a definition down with all its watches whenever its spec
/// changes. Here a change ends only the watches that would tell something else after it.
#[derive(Clone, Debug, Default)]
pub struct Serving(Arc<CancellationToken>);

impl Serving {
    /// Whether the two are the same.
    pub fn is_same(&self, other: &Serving) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Ends it.
    pub(crate) fn end(&self) {
        self.0.cancel();
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns once it has ended. Cancel safe.
    pub async fn ended(&self) {
        self.0.cancelled().await;
    }
}
