//! How commands reach the writer: through a thread of its own, through a task, or in line.

use super::writer::{Command, FULL_RETRY, Progress, Writer};
use crate::environment::Pace;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc as tasks;
use tokio::task::AbortHandle;

/// Which kind of writer runs.
#[derive(Clone)]
pub enum Mode {
    /// A thread that batches whatever waits.
    Thread,
    /// A task of the runtime in which the log is opened. It batches as the thread does, waits as long
    /// as it is told before each batch, and is gone with the log, without writing what waits.
    Task(Arc<dyn Pace>),
    /// The caller's thread, one command at a time, which waits for room on a full disk.
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
        Mode::Task(pace) => Box::new(Tasked::start(writer, pace)),
    }
}

/// Runs commands on this thread, which sleeps while there is no room for them.
fn run(writer: &mut Writer, commands: Vec<Command>) {
    let mut progress = writer.run(commands);
    while progress == Progress::NoRoom {
        std::thread::sleep(FULL_RETRY);
        progress = writer.resume();
    }
}

struct Inline(Mutex<Writer>);

impl Submit for Inline {
    fn submit(&self, command: Command) {
        run(&mut self.0.lock(), vec![command]);
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
                run(writer, commands);
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

struct Tasked {
    commands: tasks::UnboundedSender<Command>,
    task: AbortHandle,
}

impl Tasked {
    fn start(writer: Writer, pace: Arc<dyn Pace>) -> Self {
        let (commands, queue) = tasks::unbounded_channel();
        let task = tokio::spawn(drain_paced(writer, queue, pace)).abort_handle();
        Tasked { commands, task }
    }
}

async fn drain_paced(
    mut writer: Writer,
    mut queue: tasks::UnboundedReceiver<Command>,
    pace: Arc<dyn Pace>,
) {
    let mut idle = false;
    loop {
        let next = queue.recv();
        let next = if idle { Ok(next.await) } else { tokio::time::timeout(IDLE, next).await };
        let Ok(next) = next else {
            writer.idle();
            idle = writer.may_sleep();
            continue;
        };
        let Some(first) = next else { return };
        idle = false;
        let mut commands = vec![first];
        while commands.len() <= DRAIN_MAX
            && let Ok(command) = queue.try_recv()
        {
            commands.push(command);
        }
        tokio::time::sleep(pace.log()).await;
        let mut progress = writer.run(commands);
        while progress == Progress::NoRoom {
            tokio::time::sleep(FULL_RETRY).await;
            progress = writer.resume();
        }
    }
}

impl Submit for Tasked {
    fn submit(&self, command: Command) {
        // As with a thread that is gone.
        let _ = self.commands.send(command);
    }
}

impl Drop for Tasked {
    fn drop(&mut self) {
        self.task.abort();
    }
}
