//! redb panics over some damaged pages; whoever reads what may be damaged says so in words of its own.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::thread;

/// Part of the path of redb's sources, wherever they were built.
const SOURCES: &str = "/redb-";

thread_local! {
    /// Whether this thread reads what may be damaged.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// [`catch_unwind`] that does not print what redb panics with; panics of all others are printed.
///
/// # Errors
/// What it panicked with.
pub fn catch_redb_panic<T>(read: impl FnOnce() -> T) -> thread::Result<T> {
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            let of_redb = panic.location().is_some_and(|place| place.file().contains(SOURCES));
            if !(of_redb && EXPECTED.get()) {
                print(panic);
            }
        }));
    });
    let before = EXPECTED.replace(true);
    let caught = catch_unwind(AssertUnwindSafe(read));
    EXPECTED.set(before);
    caught
}
