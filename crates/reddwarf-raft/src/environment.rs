//! What a node takes from the machine that it runs on.
//!
//! The default is the real machine. A simulation gives a node a disk, a network, clocks and
//! durations of its own, and has it run without threads, in a runtime whose time it turns on.

use crate::peer::Dial;
use crate::wal::{Disk, FileDisk};
use reddwarf_storage::{DataFiles, FileSystem};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::task::{JoinHandle, spawn_blocking};

/// What a node takes from the machine that it runs on.
#[derive(Clone)]
pub struct Environment {
    /// Where the log and the small files beside it are written.
    pub disk: Arc<dyn Disk>,
    /// Where the state's file is.
    pub files: Arc<dyn DataFiles>,
    /// What runs that which blocks.
    pub work: Work,
    /// How other members are dialed. Only a group of one needs no way.
    pub dial: Option<Arc<dyn Dial>>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
}

impl Default for Environment {
    fn default() -> Self {
        Environment {
            disk: Arc::new(FileDisk),
            files: Arc::new(FileSystem),
            work: Work::Threads,
            dial: None,
            clock: Arc::new(SystemClock::default()),
        }
    }
}

impl Environment {
    /// The real machine, from which other members are dialed so.
    pub fn dialing(dial: Arc<dyn Dial>) -> Self {
        Environment { dial: Some(dial), ..Environment::default() }
    }
}

/// What runs that which blocks.
#[derive(Clone, Default)]
pub enum Work {
    /// Threads that may block; the log's writer and the persister have one each.
    #[default]
    Threads,
    /// Tasks of the runtime in which the node was started, which wait as long as they are told before
    /// they do what would block.
    Tasks(Arc<dyn Pace>),
}

/// How long it takes what would block on a thread. Units are as in [`Duration`]; zero is allowed.
pub trait Pace: Send + Sync + 'static {
    /// Before what waits for the log is written and synced.
    fn log(&self) -> Duration;

    /// Before a transaction of the persister.
    fn state(&self) -> Duration;

    /// Before any other piece of work, as a page read from the state's file.
    fn other(&self) -> Duration;
}

impl Work {
    /// Runs `work` to its end, also when nobody waits for it any more.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        match self {
            Work::Threads => spawn_blocking(work),
            Work::Tasks(pace) => {
                let takes = pace.other();
                tokio::spawn(async move {
                    tokio::time::sleep(takes).await;
                    work()
                })
            }
        }
    }

    /// Within [`Work::spawn`], lets others get at the disk. A task has nobody to let.
    pub fn pause(&self, duration: Duration) {
        if matches!(self, Work::Threads) {
            std::thread::sleep(duration);
        }
    }
}

/// A machine's clocks. Timeouts do not go by them, but by the runtime's time.
pub trait Clock: Send + Sync + 'static {
    /// What the wall clock shows, in milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// How long the machine has run since some moment. It never goes back, and may stand while the
    /// machine is suspended.
    fn monotonic(&self) -> Duration;
}

/// The clocks of the machine that this program runs on.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    began: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock { began: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        // Before 1970 it is wrong whatever it shows.
        SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64)
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    struct Slow;

    impl Pace for Slow {
        fn log(&self) -> Duration {
            Duration::ZERO
        }

        fn state(&self) -> Duration {
            Duration::ZERO
        }

        fn other(&self) -> Duration {
            Duration::from_secs(3)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_takes_as_long_as_it_is_told_and_stays_on_its_thread() {
        let work = Work::Tasks(Arc::new(Slow));
        let (began, here) = (Instant::now(), std::thread::current().id());
        let there = work.spawn(|| std::thread::current().id()).await.expect("runs");
        assert_eq!((there, began.elapsed()), (here, Duration::from_secs(3)));
    }

    #[tokio::test]
    async fn by_default_a_thread_that_may_block_runs_it() {
        let here = std::thread::current().id();
        let there = Work::default().spawn(|| std::thread::current().id()).await.expect("runs");
        assert_ne!(there, here);
    }
}
