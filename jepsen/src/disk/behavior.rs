//! How a disk behaves at the moment.

use parking_lot::{Condvar, Mutex};
use rand::Rng;
use rand::rngs::StdRng;
use std::io;
use std::time::{Duration, Instant};

/// How long a sync takes beyond the time that the backing file needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncDelay {
    /// At least.
    pub fixed: Duration,
    /// Up to so much more.
    pub jitter: Duration,
}

/// Which syncs fail with `EIO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailingSyncs {
    /// None.
    #[default]
    None,
    /// The next one.
    Next,
    /// All from now on.
    All,
}

/// How a disk behaves, changed at any moment.
#[derive(Debug)]
pub(super) struct Behavior {
    settings: Mutex<Settings>,
    changed: Condvar,
}

#[derive(Debug)]
struct Settings {
    delay: SyncDelay,
    failing: FailingSyncs,
    random: StdRng,
}

impl Behavior {
    pub(super) fn new(random: StdRng) -> Behavior {
        let settings =
            Settings { delay: SyncDelay::default(), failing: FailingSyncs::None, random };
        Behavior { settings: Mutex::new(settings), changed: Condvar::new() }
    }

    pub(super) fn set_delay(&self, delay: SyncDelay) {
        self.settings.lock().delay = delay;
        self.changed.notify_all();
    }

    pub(super) fn set_failing(&self, failing: FailingSyncs) {
        self.settings.lock().failing = failing;
    }

    /// Whether a sync waits now; one that does not is answered without a thread of its own.
    pub(super) fn delays(&self) -> bool {
        self.settings.lock().delay != SyncDelay::default()
    }

    /// Waits as long as a sync has to, or until the delay is changed; gives the time waited.
    pub(super) fn wait(&self) -> Duration {
        let started = Instant::now();
        let mut settings = self.settings.lock();
        let delay = settings.delay;
        if delay == SyncDelay::default() {
            return Duration::ZERO;
        }
        let jitter = settings.random.random_range(Duration::ZERO..=delay.jitter);
        let until = started + delay.fixed + jitter;
        while settings.delay == delay && !self.changed.wait_until(&mut settings, until).timed_out()
        {
        }
        started.elapsed()
    }

    /// The error that the sync at hand has to end in.
    pub(super) fn sync_error(&self) -> Option<io::Error> {
        let mut settings = self.settings.lock();
        match settings.failing {
            FailingSyncs::None => return None,
            FailingSyncs::Next => settings.failing = FailingSyncs::None,
            FailingSyncs::All => {}
        }
        Some(rustix::io::Errno::IO.into())
    }
}
