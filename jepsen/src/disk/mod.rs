//! Disks and what they do to writes.
//!
//! A [`FaultyDisk`] is a file system of this process (FUSE) over an ordinary folder, mounted as a
//! member's data folder. Without a fault it passes everything through. Its syncs can be made to
//! wait and to fail, and it can *crash*, once the member was killed, as if the power had failed.
//!
//! # What a crash takes back
//! - *Bytes and lengths.* A successful `fsync` or `fdatasync` of a file makes durable what was
//!   written to it, truncated or reserved when the sync began; a crash takes back everything
//!   later, block by block of 4 KiB, to the durable content. Which unsynced writes survive anyway
//!   is chosen by [`Survivors`].
//! - *Names.* Creations, removals and renames are one list in order, as in ext4's journal. A sync
//!   of a file or folder makes durable the list up to the last change that concerns it (the file
//!   created or renamed; any change in that folder). A crash takes back the others, the last
//!   first. A change becomes durable by itself after five seconds, with the next one, or when
//!   there is no room.
//! - *A failed sync* gives up the bytes it was to make durable, as Linux does: they read as
//!   written, the next sync succeeds without them, and a crash takes them back.
//! - Permissions, owners and times are durable at once. A file of which 64 MiB are unsynced
//!   counts as written back, as a kernel under pressure would do.
//!
//! # Damage
//! [`Damage`] flips bits in the files of a member that does not run. One flipped in what the log
//! is known to have had on disk must keep the member from serving; with a damaged state it may
//! only serve what it has made anew from its log. The others go on without it. A damaged member
//! cannot rejoin the group yet, so its file is put back before the member is started again for
//! good. What is *above* the last sync mark is not fair game: the product notes a sync only with
//! the next write, so such bytes may have been acknowledged. A write that was really under way is
//! made by [`tear_log`], behind the log's end, and by a crash with [`Survivors::Torn`].
//!
//! # Cost
//! Each write and each sync is a round trip to this process; names, attributes and what was read
//! are in the kernel's caches.

mod behavior;
mod counters;
mod damage;
mod error;
mod faulty_disk;
mod fuse;
mod log_file;
mod mounts;
mod names;
mod node;
mod small_volume;
mod survivors;
mod unsynced;
mod volume;

pub use behavior::{FailingSyncs, SyncDelay};
pub use counters::{DiskCounters, Lost};
pub use damage::{Damage, tear_log};
pub use error::DiskError;
pub use faulty_disk::{FaultyDisk, can_mount};
pub use log_file::LogFile;
pub use small_volume::{Room, can_be_small};
pub use survivors::Survivors;

use crate::host::Group;
use std::sync::Arc;

/// Room on the small file system of a member: more than an hour fills. It is a sparse file.
const SMALL_BYTES: u64 = 8 * 1024 * 1024 * 1024;

/// Puts a disk below the data of every member of a group that does not run yet, on a `small` file
/// system if it is to be filled.
///
/// # Errors
/// [`DiskError`]
pub fn lay(group: &mut Group, seed: u64, small: bool) -> Result<(), DiskError> {
    for (at, member) in group.all.iter_mut().enumerate() {
        let (below, seed) = (member.folder.join("disk"), seed ^ (at as u64) << 32);
        let disk = if small {
            FaultyDisk::mount_small(&below, &member.data, SMALL_BYTES, seed)?
        } else {
            FaultyDisk::mount(&below, &member.data, seed)?
        };
        member.disk = Some(Arc::new(disk));
    }
    Ok(())
}
