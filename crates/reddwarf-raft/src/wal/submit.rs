//! How commands reach the writer: through a thread of its own, or in line for simulation.

use super::writer::{Command, Writer};
use parking_lot::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Which kind of writer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A thread that batches whatever waits.
    Thread,
    /// The caller's thread, one command at a time: deterministic.
    Inline,
}

/// Commands that one drain takes at most.
const DRAIN_MAX: usize = 4_096;
/// After so long without a command the writer notes what is synced.
const IDLE: Duration = Duration::from_millis(100);

/// A way to the writer.
pub trait Submit: Send + Sync {
    /// Hands over one command; the order of calls is the order of effects.
    fn submit(&self, command: Command);
}

/// Starts a writer.
pub fn start(mode: Mode, writer: Writer) -> Box<dyn Submit> {
    match mode {
        Mode::Inline => Box::new(Inline(Mutex::new(writer))),
        Mode::Thread => Box::new(Threaded::start(writer)),
    }
}

struct Inline(Mutex<Writer>);

impl Submit for Inline {
    fn submit(&self, command: Command) {
        self.0.lock().run(vec![command]);
    }
}

struct Threaded {
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Threaded {
    fn start(mut writer: Writer) -> Self {
        let (commands, queue) = mpsc::channel();
        let run = move || drain(&mut writer, &queue);
        let thread = std::thread::Builder::new()
            .name("wal".to_owned())
            .spawn(run)
            .inspect_err(|error| tracing::error!(%error, "the WAL thread did not start"))
            .ok();
        Threaded { commands: Some(commands), thread }
    }
}

fn drain(writer: &mut Writer, queue: &mpsc::Receiver<Command>) {
    let mut idle = false;
    loop {
        let first = if idle {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            queue.recv_timeout(IDLE)
        };
        match first {
            Ok(command) => {
                idle = false;
                let mut commands = vec![command];
                commands.extend(queue.try_iter().take(DRAIN_MAX));
                writer.run(commands);
            }
            Err(RecvTimeoutError::Timeout) => {
                writer.idle();
                idle = writer.may_sleep();
            }
            Err(RecvTimeoutError::Disconnected) => {
                writer.idle();
                return;
            }
        }
    }
}

impl Submit for Threaded {
    fn submit(&self, command: Command) {
        // A writer that is gone drops the command and with it its callback, which openraft
        // reports as a closed channel.
        if let Some(commands) = &self.commands {
            let _ = commands.send(command);
        }
    }
}

impl Drop for Threaded {
    fn drop(&mut self) {
        self.commands = None;
        let thread = self.thread.take().filter(|t| t.thread().id() != std::thread::current().id());
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}
