//! A mounted disk whose behaviour is in the hands of the nemesis.

use super::behavior::{FailingSyncs, Power, SyncDelay};
use super::counters::{DiskCounters, Lost};
use super::error::DiskError;
use super::fuse::{self, Fuse};
use super::mounts;
use super::small_volume::{Room, SmallVolume};
use super::survivors::{Survivors, seeded};
use super::volume::{Crashed, Volume};
use fuser::{BackgroundSession, INodeNo};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A mounted file system over a folder; see [the module](super) for what it does to writes.
///
/// It is unmounted when dropped. What is left of a process that could not do so is cleaned up by
/// the next [`mount`](FaultyDisk::mount) at the same place.
#[derive(Debug)]
pub struct FaultyDisk {
    volume: Arc<Volume>,
    session: Option<BackgroundSession>,
    mountpoint: PathBuf,
    random: Mutex<StdRng>,
    /// What holds the backing folder, when it is limited. Behind `session`: that ends first.
    small: Option<SmallVolume>,
}

impl FaultyDisk {
    /// Mounts at `mountpoint`, which is made when it is not there. Files are kept in
    /// `backing/data`, and what was removed in `backing/aside` until its removal is durable.
    /// `seed` decides jitter and what survives crashes.
    ///
    /// # Errors
    /// [`DiskError::Cannot`] where FUSE file systems cannot be mounted.
    pub fn mount(backing: &Path, mountpoint: &Path, seed: u64) -> Result<FaultyDisk, DiskError> {
        can_mount()?;
        sweep(mountpoint)?;
        let (data, aside) = (backing.join("data"), backing.join("aside"));
        // A run that ended meanwhile may have left something.
        match std::fs::remove_dir_all(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(DiskError::io("clear", &aside)(error));
            }
            _ => {}
        }
        for dir in [data.as_path(), aside.as_path(), mountpoint] {
            std::fs::create_dir_all(dir).map_err(DiskError::io("make", dir))?;
        }
        let volume = Volume::open(&data, &aside, seeded(seed ^ 1));
        let volume = Arc::new(volume.map_err(DiskError::io("open", backing))?);
        let served = Fuse::new(Arc::clone(&volume));
        let session = fuser::spawn_mount(served, mountpoint, &fuse::mount_config())
            .map_err(DiskError::io("mount a FUSE file system at", mountpoint))?;
        Ok(FaultyDisk {
            volume,
            session: Some(session),
            mountpoint: mountpoint.to_owned(),
            random: Mutex::new(seeded(seed)),
            small: None,
        })
    }

    /// The same with room for `bytes`, so that it can be [filled](FaultyDisk::fill); whatever it
    /// needs lies in `folder`.
    ///
    /// # Errors
    /// [`DiskError::Cannot`] where file systems cannot be made and mounted.
    pub fn mount_small(
        folder: &Path,
        mountpoint: &Path,
        bytes: u64,
        seed: u64,
    ) -> Result<FaultyDisk, DiskError> {
        can_mount()?;
        // Before the volume that it stands on.
        sweep(mountpoint)?;
        std::fs::create_dir_all(folder).map_err(DiskError::io("make", folder))?;
        let small = SmallVolume::mount(&folder.join("image"), &folder.join("volume"), bytes)?;
        let mut disk = FaultyDisk::mount(small.root(), mountpoint, seed)?;
        disk.small = Some(small);
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn mountpoint(&self) -> &Path {
        &self.mountpoint
    }

    /// What it did so far.
    pub fn counters(&self) -> DiskCounters {
        self.volume.counters.read()
    }

    /// Makes syncs wait. Those that wait already go on when this changes.
    pub fn delay_syncs(&self, delay: SyncDelay) {
        self.volume.behavior.set_delay(delay);
    }

    /// Makes syncs fail.
    pub fn fail_syncs(&self, failing: FailingSyncs) {
        self.volume.behavior.set_failing(failing);
    }

    /// Makes durable what was written so far, as time does: what is not the member's to sync.
    ///
    /// # Errors
    /// The system refused.
    pub fn settle(&self) -> Result<(), DiskError> {
        self.volume.settle().map_err(DiskError::io("settle", &self.mountpoint))
    }

    /// The power fails: from now on nothing becomes durable, and syncs get no answer. To be
    /// followed by SIGKILL for the process that wrote, [`FaultyDisk::power_off`], and
    /// [`FaultyDisk::crash`] once that process is gone.
    pub fn fail_power(&self) {
        self.volume.behavior.set_power(Power::Failing);
    }

    /// Ends the syncs that wait, as nothing: the kernel keeps a killed process until then.
    pub fn power_off(&self) {
        self.volume.behavior.set_power(Power::Off);
    }

    /// Syncs neither wait nor fail any more.
    pub fn heal(&self) {
        self.volume.behavior.set_power(Power::On);
        self.delay_syncs(SyncDelay::default());
        self.fail_syncs(FailingSyncs::None);
    }

    /// Takes back what no sync made durable, but for `survivors`. The process that wrote must be
    /// gone; one that still has a file open sees it change. Syncs are as they were before
    /// [`FaultyDisk::fail_power`].
    ///
    /// # Errors
    /// The backing files could not be restored: the disk is of no more use.
    pub fn crash(&self, survivors: Survivors) -> Result<Lost, DiskError> {
        let crashed = self
            .volume
            .crash(survivors, &mut self.random.lock())
            .map_err(DiskError::io("take back unsynced writes of", &self.mountpoint))?;
        self.tell_kernel(&crashed);
        self.volume.behavior.set_power(Power::On);
        Ok(crashed.lost)
    }

    /// Empties the kernel's caches of what a crash changed. An error says that nothing was cached.
    fn tell_kernel(&self, crashed: &Crashed) {
        let Some(notifier) = self.session.as_ref().map(BackgroundSession::notifier) else { return };
        for ino in &crashed.files {
            let _ = notifier.inval_inode(INodeNo(*ino), 0, 0);
        }
        for place in &crashed.names.places {
            let dir = INodeNo(self.volume.number_of(&place.dir));
            let _ = notifier.inval_entry(dir, &place.name);
            let _ = notifier.inval_inode(dir, 0, 0);
        }
    }

    /// Takes all the room, also what became free since the last time.
    ///
    /// # Errors
    /// [`DiskError::Cannot`] when it was not mounted with limited room.
    pub fn fill(&self) -> Result<Room, DiskError> {
        self.small()?.fill()
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// As of [`FaultyDisk::fill`].
    pub fn free(&self) -> Result<Room, DiskError> {
        self.small()?.free()
    }

    fn small(&self) -> Result<&SmallVolume, DiskError> {
        let need = || "it was not mounted with limited room".to_owned();
        self.small
            .as_ref()
            .ok_or_else(|| DiskError::Cannot { attempt: "fill a disk", need: need() })
    }

    /// Unmounts. Files that are still open then fail.
    ///
    /// # Errors
    /// The system refused.
    pub fn unmount(mut self) -> Result<(), DiskError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), DiskError> {
        self.heal();
        let Some(session) = self.session.take() else { return Ok(()) };
        // Detached first: a busy one could not be unmounted at all.
        mounts::detach(&self.mountpoint)?;
        drop(session);
        Ok(())
    }
}

impl Drop for FaultyDisk {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!(%error, "a disk stays mounted");
        }
    }
}

/// Detaches what stands at `mountpoint`, and what dead processes left anywhere.
fn sweep(mountpoint: &Path) -> Result<(), DiskError> {
    mounts::clear(mountpoint, |source| source == fuse::SOURCE)?;
    mounts::clear_dead(fuse::SOURCE)?;
    SmallVolume::clear_dead()
}

/// Whether FUSE file systems can be mounted here.
///
/// # Errors
/// [`DiskError::Cannot`] says what is missing.
pub fn can_mount() -> Result<(), DiskError> {
    let cannot = |need: &str| DiskError::Cannot { attempt: "mount a disk", need: need.into() };
    if !rustix::process::geteuid().is_root() {
        return Err(cannot("only root may mount it"));
    }
    let device = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
    device.map(drop).map_err(|error| cannot(&format!("/dev/fuse: {error}")))
}
