//! The dialing side of one connection: calls out, answers back, many at a time.

use super::frame::{Frame, FrameReader, Kind};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Frames that may wait to be written.
pub const FRAMES_WAITING_MAX: usize = 1_024;

/// Call id of a frame that is not answered.
const NO_CALL: u64 = 0;

/// Why a call has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// No connection could be made: the call was not sent.
    #[error("{0}")]
    Unreachable(String),
    /// The connection was lost: the call may have been answered.
    #[error("{0}")]
    Lost(String),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The other side answered with a failure.
    #[error("refused: {0}")]
    Refused(String),
}

type Waiting = Mutex<Option<HashMap<u64, oneshot::Sender<Result<Bytes, CallError>>>>>;

/// An open connection; dropping it closes it.
pub struct Connection {
    frames: mpsc::Sender<Frame>,
    waiting: Arc<Waiting>,
    next_call: AtomicU64,
    closed: CancellationToken,
    tasks: [JoinHandle<()>; 2],
}

impl Connection {
    /// Takes over a stream.
    pub fn new<S>(stream: S) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (read, write) = tokio::io::split(stream);
        let (frames, queue) = mpsc::channel(FRAMES_WAITING_MAX);
        let waiting: Arc<Waiting> = Arc::new(Mutex::new(Some(HashMap::new())));
        let closed = CancellationToken::new();
        let end = |waiting: Arc<Waiting>, closed: CancellationToken| {
            move |result| {
                fail_all(&waiting, &end_text(result));
                closed.cancel();
            }
        };
        let writer = tokio::spawn({
            let end = end(Arc::clone(&waiting), closed.clone());
            async move { end(write_frames(write, queue).await) }
        });
        let reader = tokio::spawn({
            let (end, waiting) = (end(Arc::clone(&waiting), closed.clone()), Arc::clone(&waiting));
            async move { end(read_answers(FrameReader::new(read), &waiting).await) }
        });
        let next_call = AtomicU64::new(NO_CALL + 1);
        Connection { frames, waiting, next_call, closed, tasks: [writer, reader] }
    }

    /// Whether calls have no chance any more.
    pub fn is_closed(&self) -> bool {
        self.waiting.lock().is_none()
    }

    /// Waits until calls have no chance any more.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// One call.
    ///
    /// # Errors
    /// See [`CallError`]; the caller bounds the time.
    pub async fn call(&self, kind: Kind, body: Bytes) -> Result<Bytes, CallError> {
        let lost = || CallError::Lost("connection lost".to_owned());
        let call = self.next_call.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().as_mut().ok_or_else(lost)?.insert(call, answer);
        let forget = Forget { waiting: &self.waiting, call };
        self.frames.send(Frame { kind, call, body }).await.map_err(|_| lost())?;
        let result = answered.await.map_err(|_| lost())?;
        drop(forget);
        result
    }
}

impl Connection {
    /// Sends what nobody answers.
    ///
    /// # Errors
    /// [`CallError::Lost`]
    pub async fn tell(&self, kind: Kind, body: Bytes) -> Result<(), CallError> {
        let frame = Frame { kind, call: NO_CALL, body };
        let lost = |_| CallError::Lost("connection lost".to_owned());
        self.frames.send(frame).await.map_err(lost)
    }
}

/// Removes a call that nobody waits for any more.
struct Forget<'a> {
    waiting: &'a Waiting,
    call: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.lock().as_mut() {
            waiting.remove(&self.call);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn end_text(result: io::Result<()>) -> String {
    match result {
        Ok(()) => "connection closed".to_owned(),
        Err(error) => format!("connection lost: {error}"),
    }
}

fn fail_all(waiting: &Waiting, text: &str) {
    for (_, answer) in waiting.lock().take().into_iter().flatten() {
        let _ = answer.send(Err(CallError::Lost(text.to_owned())));
    }
}

async fn read_answers<R>(mut frames: FrameReader<R>, waiting: &Waiting) -> io::Result<()>
where
    R: AsyncRead + Unpin,
{
    while let Some(frame) = frames.next().await? {
        let answer = waiting.lock().as_mut().and_then(|waiting| waiting.remove(&frame.call));
        let Some(answer) = answer else { continue };
        let result = match frame.kind {
            Kind::Reply => Ok(frame.body),
            _ => Err(CallError::Refused(String::from_utf8_lossy(&frame.body).into_owned())),
        };
        let _ = answer.send(result);
    }
    Ok(())
}

/// Writes frames until the channel closes; everything that waits goes out with one flush.
pub async fn write_frames<W>(mut out: W, mut queue: mpsc::Receiver<Frame>) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    /// Bodies up to this size are copied behind their header, larger ones written on their own.
    const COPY_BYTES_MAX: usize = 64 * 1024;
    let mut buffer = BytesMut::new();
    while let Some(first) = queue.recv().await {
        let mut next = Some(first);
        while let Some(frame) = next {
            frame.put_header(&mut buffer);
            if frame.body.len() <= COPY_BYTES_MAX {
                buffer.extend_from_slice(&frame.body);
            } else {
                out.write_all(&buffer).await?;
                buffer.clear();
                out.write_all(&frame.body).await?;
            }
            if buffer.len() > 4 * COPY_BYTES_MAX {
                out.write_all(&buffer).await?;
                buffer.clear();
            }
            next = queue.try_recv().ok();
        }
        out.write_all(&buffer).await?;
        buffer.clear();
        out.flush().await?;
    }
    out.shutdown().await
}
