//! Room for work on deeply nested expressions.
//!
//! Nodes are gone through by recursion. How deep they are nested is limited, but a thread's stack
//! may be too small for the deepest; such work gets a thread with more of it.

use std::thread;

/// Enough for the deepest expression, in bytes; what is not used takes no memory.
const STACK_BYTES: usize = 32 << 20;
/// Expressions up to this depth are worked on where one is.
const SHALLOW_MAX: usize = 60;

/// Whether an expression can be nested deeply: each level takes a sign at least.
pub(crate) fn may_be_deep(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_punctuation).nth(SHALLOW_MAX).is_some()
}

/// Whether nodes are nested deeply.
pub(crate) fn is_deep(depth: u16) -> bool {
    usize::from(depth) > SHALLOW_MAX
}

/// Does work, with room for recursion if it is deep. Nothing comes of it if there is no room.
pub(crate) fn with_room<T: Send>(deep: bool, work: impl FnOnce() -> T + Send) -> Option<T> {
    if !deep {
        return Some(work());
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, work).ok()?.join().ok()
    })
}
