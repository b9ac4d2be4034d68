//! The kernel's requests, translated for a [`Volume`].
//!
//! The kernel caches names and attributes, since only it and [`crash`](super::FaultyDisk::crash)
//! change them, and file content while a file is open; it never holds writes back. Locks are the
//! kernel's own. Hard and symbolic links, extended attributes and devices are not there.

use super::names::{self, Entry};
use super::node::Node;
use super::volume::{Change, ROOT, Volume};
use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    KernelConfig, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite,
    ReplyXattr, Request, SessionACL, TimeOrNow, WriteFlags,
};
use parking_lot::Mutex;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What `/proc/self/mounts` shows as the source of these mounts.
pub const SOURCE: &str = "jepsen-disk";
/// How long the kernel may rely on names and attributes that it was told.
const TTL: Duration = Duration::from_secs(3600);
/// The largest write that the kernel sends at once.
const WRITE_BYTES_MAX: u32 = 1024 * 1024;
/// Requests that are answered at the same time, besides delayed syncs.
const THREADS: usize = 3;
const GENERATION: Generation = Generation(0);

/// See the module's text.
pub struct Fuse {
    volume: Arc<Volume>,
    /// What a reader of a folder gets, by its handle: a list that does not change meanwhile.
    listings: Mutex<HashMap<u64, Vec<Entry>>>,
    listings_opened: std::sync::atomic::AtomicU64,
}

/// How such a file system is mounted.
pub fn mount_config() -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(SOURCE.to_owned()),
        MountOption::DefaultPermissions,
        MountOption::NoAtime,
    ];
    config.acl = SessionACL::All;
    config.n_threads = Some(THREADS);
    config.clone_fd = true;
    config
}

impl Fuse {
    /// Serves `volume`.
    pub fn new(volume: Arc<Volume>) -> Fuse {
        Fuse { volume, listings: Mutex::default(), listings_opened: 0.into() }
    }

    fn list(&self, ino: u64) -> io::Result<Vec<Entry>> {
        names::entries(&self.volume.node(ino)?.file)
    }

    /// Syncs, on a thread of its own when that takes long: others' requests must not wait too.
    fn sync(&self, ino: INodeNo, data_only: bool, reply: ReplyEmpty) {
        let volume = Arc::clone(&self.volume);
        let delayed = volume.behavior.delays();
        let sync = move || answer_empty(volume.sync(ino.0, data_only), reply);
        if delayed {
            std::thread::spawn(sync);
        } else {
            sync();
        }
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from(error)
}

fn answer_empty(result: io::Result<()>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(error)),
    }
}

fn answer_entry(node: io::Result<Arc<Node>>, reply: ReplyEntry) {
    match node.and_then(|node| attributes(&node)) {
        Ok(attributes) => reply.entry(&TTL, &attributes, GENERATION),
        Err(error) => reply.error(errno(error)),
    }
}

fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let at = if seconds < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
    at + Duration::from_nanos(nanoseconds.unsigned_abs())
}

fn attributes(node: &Node) -> io::Result<FileAttr> {
    let metadata = node.metadata()?;
    Ok(FileAttr {
        ino: INodeNo(node.ino),
        size: metadata.len(),
        blocks: metadata.blocks(),
        atime: time(metadata.atime(), metadata.atime_nsec()),
        mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        crtime: UNIX_EPOCH,
        kind: if node.is_dir { FileType::Directory } else { FileType::RegularFile },
        perm: (metadata.mode() & 0o7777) as u16,
        nlink: metadata.nlink() as u32,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: metadata.blksize() as u32,
        flags: 0,
    })
}

fn timespec(time: Option<TimeOrNow>) -> Timespec {
    match time {
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        Some(TimeOrNow::Now) => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        Some(TimeOrNow::SpecificTime(time)) => {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            Timespec { tv_sec: since.as_secs() as i64, tv_nsec: i64::from(since.subsec_nanos()) }
        }
    }
}

impl Filesystem for Fuse {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let refused = |_| io::Error::from(io::ErrorKind::Unsupported);
        config.set_max_write(WRITE_BYTES_MAX).map_err(refused)?;
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer_entry(self.volume.look_up(parent.0, name), reply);
    }

    fn forget(&self, _: &Request, ino: INodeNo, lookups: u64) {
        self.volume.forget(ino.0, lookups);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.volume.node(ino.0).and_then(|node| attributes(&node)) {
            Ok(found) => reply.attr(&TTL, &FileAttr { ino, ..found }),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let times = (atime.is_some() || mtime.is_some()).then(|| Timestamps {
            last_access: timespec(atime),
            last_modification: timespec(mtime),
        });
        let change = Change { size, mode, uid, gid, times };
        match self.volume.set_attributes(ino.0, change).and_then(|node| attributes(&node)) {
            Ok(found) => reply.attr(&TTL, &FileAttr { ino, ..found }),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        answer_entry(self.volume.make_dir(parent.0, name, mode), reply);
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let new = flags & rustix::fs::OFlags::EXCL.bits() as i32 != 0;
        let made = self.volume.create(parent.0, name, mode, new);
        match made.and_then(|node| attributes(&node)) {
            Ok(attributes) => {
                reply.created(&TTL, &attributes, GENERATION, FileHandle(0), FopenFlags::empty())
            }
            Err(error) => reply.error(errno(error)),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer_empty(self.volume.remove(parent.0, name, false), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer_empty(self.volume.remove(parent.0, name, true), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        to_parent: INodeNo,
        to_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !RenameFlags::RENAME_NOREPLACE.contains(flags) {
            return reply.error(Errno::EINVAL);
        }
        let to = (to_parent.0, to_name);
        answer_empty(self.volume.rename((parent.0, name), to, flags.is_empty()), reply);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.volume.node(ino.0).and_then(|node| node.read(offset, size as usize)) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.volume.write(ino.0, offset, data) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        answer_empty(self.volume.allocate(ino.0, offset, length, mode), reply);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Nothing is held back; the kernel does not ask again.
        reply.error(Errno::ENOSYS);
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, data_only: bool, reply: ReplyEmpty) {
        self.sync(ino, data_only, reply);
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.sync(ino, false, reply);
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let handle = self.listings_opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut listings = self.listings.lock();
        if offset == 0 {
            match self.list(ino.0) {
                Ok(list) => drop(listings.insert(handle.0, list)),
                Err(error) => return reply.error(errno(error)),
            }
        }
        let entries = listings.get(&handle.0).map(Vec::as_slice).unwrap_or_default();
        let dots = [".", ".."].map(|name| (ino.0, true, OsStr::new(name)));
        let entries = entries.iter().map(|entry| (entry.ino, entry.is_dir, entry.name.as_os_str()));
        let all = dots.into_iter().chain(entries).enumerate().skip(offset as usize);
        for (at, (ino, is_dir, name)) in all {
            let kind = if is_dir { FileType::Directory } else { FileType::RegularFile };
            if reply.add(INodeNo(ino), at as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.listings.lock().remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match self.volume.room() {
            Ok(room) => reply.statfs(
                room.f_blocks,
                room.f_bfree,
                room.f_bavail,
                room.f_files,
                room.f_ffree,
                room.f_bsize as u32,
                room.f_namemax as u32,
                room.f_frsize as u32,
            ),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        // The kernel does not ask again, which it otherwise does before each write.
        reply.error(Errno::ENOSYS);
    }
}

const _: () = assert!(ROOT == INodeNo::ROOT.0);
