//! A file system of limited size, and the ballast that fills it.
//!
//! It is a real one (ext4 in a sparse file, through a loop device), since only that answers as a
//! full disk does: what was reserved can still be written, and `statfs` tells the truth.

use super::error::DiskError;
use super::mounts;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Name of the file that takes the room, in the volume's root.
const BALLAST: &str = "ballast";
/// What is taken at first, and at last, at a time.
const BALLAST_STEPS: [u64; 3] = [64 * 1024 * 1024, 1024 * 1024, 4096];
/// No blocks kept for root, and the least to write: the image stays sparse.
const MKFS_OPTIONS: [&str; 10] =
    ["-q", "-F", "-m", "0", "-b", "4096", "-J", "size=16", "-E", "nodiscard,lazy_itable_init=1"];
/// How the table of mounts calls loop devices.
const SOURCE: &str = "/dev/loop";
/// What is appended to a mount's path for the file that holds its process' id.
const OWNER: &str = "owner";
const ATTEMPT: &str = "mount a small file system";

/// Whether small file systems can be made here.
///
/// # Errors
/// [`DiskError::Cannot`] says what is missing.
pub fn can_be_small() -> Result<(), DiskError> {
    run(Command::new("mkfs.ext4").arg("-V"), "e2fsprogs")?;
    run(Command::new("mount").arg("-V"), "mount")?;
    let loops = OpenOptions::new().read(true).write(true).open("/dev/loop-control");
    let need = |error| format!("/dev/loop-control: {error}");
    loops.map(drop).map_err(|error| DiskError::Cannot { attempt: ATTEMPT, need: need(error) })
}

/// A mounted file system of limited size; unmounted when dropped.
#[derive(Debug)]
pub struct SmallVolume {
    at: PathBuf,
}

/// Room on a volume, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Free before.
    pub before_bytes: u64,
    /// Free now.
    pub after_bytes: u64,
}

impl SmallVolume {
    /// Mounts the file system in the file `image`, made with `bytes` when it is not there, at
    /// `at`.
    ///
    /// # Errors
    /// [`DiskError::Cannot`] without `mkfs.ext4`, `mount` or the right to mount.
    pub fn mount(image: &Path, at: &Path, bytes: u64) -> Result<SmallVolume, DiskError> {
        mounts::clear(at, |source| source.starts_with(SOURCE))?;
        std::fs::create_dir_all(at).map_err(DiskError::io("make", at))?;
        if !image.exists() {
            let made = File::create(image).and_then(|file| file.set_len(bytes));
            made.map_err(DiskError::io("make", image))?;
            let mut command = Command::new("mkfs.ext4");
            run(command.args(MKFS_OPTIONS).arg(image), "e2fsprogs")?;
        }
        let owner = at.with_extension(OWNER);
        let told = std::fs::write(&owner, std::process::id().to_string());
        told.map_err(DiskError::io("write", &owner))?;
        let mut command = Command::new("mount");
        run(command.args(["-t", "ext4", "-o", "loop,noatime"]).arg(image).arg(at), "mount")?;
        Ok(SmallVolume { at: at.to_owned() })
    }

    /// Detaches those whose process is gone.
    ///
    /// # Errors
    /// The system refused.
    pub fn clear_dead() -> Result<(), DiskError> {
        for mounted in mounts::all()?.into_iter().filter(|m| m.source.starts_with(SOURCE)) {
            let owner = std::fs::read_to_string(mounted.at.with_extension(OWNER));
            let owner = owner.ok().and_then(|owner| owner.trim().parse::<u32>().ok());
            if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
                mounts::detach(&mounted.at)?;
            }
        }
        Ok(())
    }

    /// Its root.
    pub fn root(&self) -> &Path {
        &self.at
    }

    /// Takes all the room there is. Doing it again takes what became free meanwhile.
    ///
    /// # Errors
    /// Those other than the one that is wanted.
    pub fn fill(&self) -> Result<Room, DiskError> {
        let path = self.at.join(BALLAST);
        let ballast = OpenOptions::new().create(true).append(true).open(&path);
        let before_bytes = self.free_bytes()?;
        ballast.and_then(|ballast| take_all(&ballast)).map_err(DiskError::io("grow", &path))?;
        Ok(Room { before_bytes, after_bytes: self.free_bytes()? })
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// As the system has it.
    pub fn free(&self) -> Result<Room, DiskError> {
        let path = self.at.join(BALLAST);
        let before_bytes = self.free_bytes()?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(DiskError::io("remove", &path)(error));
            }
            _ => {}
        }
        Ok(Room { before_bytes, after_bytes: self.free_bytes()? })
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        let room = rustix::fs::statvfs(&self.at)
            .map_err(|error| DiskError::io("look for room on", &self.at)(error.into()))?;
        Ok(room.f_bavail * room.f_frsize)
    }
}

impl Drop for SmallVolume {
    fn drop(&mut self) {
        if let Err(error) = mounts::detach(&self.at) {
            tracing::warn!(%error, "a small file system stays mounted");
        }
    }
}

fn take_all(ballast: &File) -> io::Result<()> {
    let mut len = ballast.metadata()?.len();
    for step in BALLAST_STEPS {
        loop {
            match rustix::fs::fallocate(ballast, FallocateFlags::empty(), len, step) {
                Ok(()) => len += step,
                Err(Errno::NOSPC) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    // A reservation that failed may have taken a part.
    ballast.set_len(len)
}

fn run(command: &mut Command, package: &str) -> Result<(), DiskError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let cannot = |need| DiskError::Cannot { attempt: ATTEMPT, need };
    let output = command.output().map_err(|error| {
        cannot(format!("{program} of the package {package} does not start ({error})"))
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(cannot(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}
