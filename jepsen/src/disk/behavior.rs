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

/// Whether what is synced becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    /// Yes.
    On,
    /// Not any more: syncs get no answer.
    Failing,
    /// Nor will it: whoever waits for a sync is dead, and gets an answer that nobody sees.
    Off,
}

/// How a sync has to end.
#[derive(Debug)]
pub(super) enum Verdict {
    /// As the backing file has it.
    Done,
    /// With an error that gives the bytes up.
    Fails(io::Error),
    /// With an error that nobody sees: the power failed before it was done.
    Cut(io::Error),
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
    power: Power,
    random: StdRng,
}

impl Behavior {
    pub(super) fn new(random: StdRng) -> Behavior {
        let settings = Settings {
            delay: SyncDelay::default(),
            failing: FailingSyncs::None,
            power: Power::On,
            random,
        };
        Behavior { settings: Mutex::new(settings), changed: Condvar::new() }
    }

    pub(super) fn set_delay(&self, delay: SyncDelay) {
        self.settings.lock().delay = delay;
        self.changed.notify_all();
    }

    pub(super) fn set_failing(&self, failing: FailingSyncs) {
        self.settings.lock().failing = failing;
    }

    pub(super) fn set_power(&self, power: Power) {
        self.settings.lock().power = power;
        self.changed.notify_all();
    }

    /// Whether a sync waits now; one that does not is answered without a thread of its own.
    pub(super) fn delays(&self) -> bool {
        let settings = self.settings.lock();
        settings.delay != SyncDelay::default() || settings.power != Power::On
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
        while settings.delay == delay && settings.power == Power::On {
            if self.changed.wait_until(&mut settings, until).timed_out() {
                break;
            }
        }
        started.elapsed()
    }

    /// How the sync at hand has to end; waits while the power fails.
    pub(super) fn verdict(&self) -> Verdict {
        let mut settings = self.settings.lock();
        while settings.power == Power::Failing {
            self.changed.wait(&mut settings);
        }
        let error = || io::Error::from(rustix::io::Errno::IO);
        match (settings.power, settings.failing) {
            (Power::Off, _) => return Verdict::Cut(error()),
            (_, FailingSyncs::None) => return Verdict::Done,
            (_, FailingSyncs::Next) => settings.failing = FailingSyncs::None,
            (_, FailingSyncs::All) => {}
        }
        Verdict::Fails(error())
    }

    /// The error of a sync during which the power failed.
    pub(super) fn cut(&self) -> Option<io::Error> {
        let mut settings = self.settings.lock();
        while settings.power == Power::Failing {
            self.changed.wait(&mut settings);
        }
        (settings.power == Power::Off).then(|| rustix::io::Errno::IO.into())
    }
}
