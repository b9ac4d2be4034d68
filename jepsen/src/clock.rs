//! Wall clocks that jump, or go at a pace of their own.
//!
//! A member started under libfaketime reads the time from the system and what to add to it from a
//! file of its own, so a change of that file changes its clock alone, while it runs. Monotonic
//! time stays true: it is what leases and elections go by, and no machine's jumps.

use crate::host::{Group, Launch};
use jiff::Timestamp;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Debian's multiarch, and other distributions, put the library.
const LIBRARIES: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
];
/// Name of the file that says what to add to the time, in a member's folder.
const FILE: &str = "clock";
/// For how long a member may go by what it read there, in seconds. To read it each time costs
/// about a fifth of a member's speed, this is not to be noticed.
const CACHE_SECONDS: &str = "1";
/// After so long, a member goes by what the file says.
pub const SETTLES: Duration = Duration::from_secs(3);

/// Why a clock cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// This machine lacks what the fault needs; the run goes on without it.
    #[error(
        "cannot change a member's clock here: there is no libfaketimeMT.so.1; install the package \
         libfaketime"
    )]
    Cannot,
    /// What to add to the time cannot be said.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// The file that says it.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What a clock shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Seconds added to the time, when the rate is 1; negative ones are taken from it.
    pub offset_seconds: f64,
    /// How fast it goes, counted from the start of the member's process.
    pub rate: f64,
}

impl Setting {
    /// The true time.
    pub const TRUE: Setting = Setting { offset_seconds: 0.0, rate: 1.0 };

    /// A clock that is wrong by so many seconds.
    pub fn jump(offset_seconds: f64) -> Setting {
        Setting { offset_seconds, rate: 1.0 }
    }

    /// A clock that from now on goes `rate` times as fast, in a process that has been running for
    /// a while. The library counts a rate from the process' start, as if the clock had been wrong
    /// all the time; the offset makes up for that.
    pub fn skew(rate: f64, running: Duration) -> Setting {
        Setting { offset_seconds: running.as_secs_f64() * (1.0 - rate), rate }
    }

    fn to_text(self) -> String {
        format!("{:+.3} x{:.3}\n", self.offset_seconds, self.rate)
    }
}

/// The clock of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    file: PathBuf,
}

impl Clock {
    /// The clock of the member whose folder this is.
    pub fn of(folder: &Path) -> Clock {
        Clock { file: folder.join(FILE) }
    }

    /// Sets it.
    ///
    /// # Errors
    /// [`ClockError::Write`]
    pub fn set(&self, setting: Setting) -> Result<(), ClockError> {
        self.write(&setting.to_text())
    }

    /// Lets it stand at `at`, until it is set. A rate of zero would not do: the library stretches
    /// what processes wait for by the rate, too.
    ///
    /// # Errors
    /// [`ClockError::Write`]
    pub fn stop(&self, at: Timestamp) -> Result<(), ClockError> {
        self.write(&format!("{}\n", at.strftime("%Y-%m-%d %H:%M:%S")))
    }

    fn write(&self, text: &str) -> Result<(), ClockError> {
        // Whole or not at all: the member may read it at any moment.
        let new = self.file.with_extension("new");
        let written = std::fs::write(&new, text);
        written
            .and_then(|()| std::fs::rename(&new, &self.file))
            .map_err(|source| ClockError::Write { path: self.file.clone(), source })
    }

    /// Makes processes that are started under `launch` go by this clock.
    ///
    /// # Errors
    /// [`ClockError`]
    pub fn govern(&self, launch: &mut Launch) -> Result<(), ClockError> {
        let library = library()?;
        self.set(Setting::TRUE)?;
        let variables: [(&str, OsString); 6] = [
            ("LD_PRELOAD", library.into()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone().into()),
            ("FAKETIME_CACHE_DURATION", CACHE_SECONDS.into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            // A time at which a clock stands is read as a local one.
            ("TZ", "UTC".into()),
            // Nothing is shared between processes, which would cost a lock each time.
            ("FAKETIME_DISABLE_SHM", "1".into()),
        ];
        let variables = variables.map(|(name, value)| (OsString::from(name), value));
        launch.environment.extend(variables);
        // The name that older versions of the library know.
        launch.environment.insert("DONT_FAKE_MONOTONIC".into(), "1".into());
        Ok(())
    }
}

/// Where libfaketime is.
///
/// # Errors
/// [`ClockError::Cannot`] names the package.
pub fn library() -> Result<&'static Path, ClockError> {
    LIBRARIES.iter().map(Path::new).find(|path| path.is_file()).ok_or(ClockError::Cannot)
}

/// Gives every member of a group that does not run yet a clock of its own.
///
/// # Errors
/// [`ClockError`]
pub fn lay(group: &Group) -> Result<(), ClockError> {
    for member in &group.all {
        let mut governed = Ok(());
        member.set_launch(|launch| governed = Clock::of(&member.folder).govern(launch));
        governed?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_written_as_the_library_reads_it() {
        assert_eq!(Setting::TRUE.to_text(), "+0.000 x1.000\n");
        assert_eq!(Setting::jump(-3600.5).to_text(), "-3600.500 x1.000\n");
        let skew = Setting::skew(1.25, Duration::from_secs(10));
        assert_eq!(skew.to_text(), "-2.500 x1.250\n");
    }

    #[test]
    fn a_date_follows_the_file() {
        let Ok(_) = library() else {
            eprintln!("skipped: {}", ClockError::Cannot);
            return;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Clock::of(folder.path());
        let mut launch = Launch::default();
        clock.govern(&mut launch).expect("governed");
        let now = || {
            let mut command = std::process::Command::new("date");
            let output = command.arg("+%s").envs(&launch.environment).output().expect("date runs");
            let seconds = String::from_utf8_lossy(&output.stdout).trim().parse::<i64>();
            let truth = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs() as i64;
            seconds.expect("a number") - truth
        };
        assert!(now().abs() <= 1);
        clock.set(Setting::jump(-7200.0)).expect("set");
        assert!((now() + 7200).abs() <= 1);
        clock.stop(Timestamp::from_second(1_000_000_000).expect("a time")).expect("stopped");
        let truth = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs() as i64;
        assert!((now() + truth - 1_000_000_000).abs() <= 1);
        clock.set(Setting::TRUE).expect("set");
        assert!(now().abs() <= 1);
    }
}
