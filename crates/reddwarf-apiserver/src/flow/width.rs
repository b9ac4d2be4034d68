//! How many seats a request takes.

use reddwarf_core::{Collection, View};

/// Bytes of answered objects for which a list takes one seat.
const BYTES_PER_SEAT: usize = 100_000;
/// A longer list costs no more memory than this at a time.
const BYTES_MAX: usize = 1_000_000;

/// The seats of a list of at most `limit` objects, which is not made yet.
///
/// Looks at no more objects than make up the largest width.
pub fn list_width(
    view: &View,
    collection: &Collection,
    namespace: Option<&str>,
    limit: usize,
    most: u32,
) -> u32 {
    let mut bytes = 0;
    for object in view.list(collection, namespace, None).take(limit) {
        bytes += object.bytes.len();
        if bytes >= BYTES_MAX {
            break;
        }
    }
    let seats = bytes.min(BYTES_MAX).div_ceil(BYTES_PER_SEAT);
    u32::try_from(seats).unwrap_or(most).clamp(1, most.max(1))
}
