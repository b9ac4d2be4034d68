//! Bodies of answers and of requests.

use crate::errors::{bad_request, too_large};
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use reddwarf_core::Status;
use reddwarf_core::limits::BODY_BYTES_MAX;
use std::collections::VecDeque;
use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why an answer that had begun does not come whole; the connection tells the client, which must
/// not take it for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutShort {
    /// The client took it more slowly than the request's time allows.
    #[error("the answer was not taken within the time of its request")]
    Time,
    /// A defect, which the log tells.
    #[error("the answer could not be made")]
    Failed,
}

/// The body of an answer.
pub enum ApiBody {
    /// Chunks that are known; a list is the stored bytes of its items.
    Chunks(VecDeque<Bytes>),
    /// A watch or a long list; polled only when the connection can take more.
    Stream(BoxStream<'static, Result<Bytes, CutShort>>),
}

impl ApiBody {
    /// A body of one chunk.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        ApiBody::Chunks(if bytes.is_empty() { VecDeque::new() } else { VecDeque::from([bytes]) })
    }

    /// A body that is made as it is sent.
    pub fn stream(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        ApiBody::Stream(chunks.map(Ok).boxed())
    }

    /// Bytes still to be sent, when they are known.
    pub fn known_bytes(&self) -> Option<u64> {
        match self {
            ApiBody::Chunks(chunks) => Some(chunks.iter().map(|c| c.len() as u64).sum()),
            ApiBody::Stream(_) => None,
        }
    }
}

impl Body for ApiBody {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let next = match &mut *self {
            ApiBody::Chunks(chunks) => Poll::Ready(chunks.pop_front().map(Ok)),
            ApiBody::Stream(stream) => stream.poll_next_unpin(context),
        };
        next.map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ApiBody::Chunks(chunks) if chunks.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        self.known_bytes().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Beyond the limit a body is still read (and dropped) up to this size, so that the client, which
/// may not listen before it has sent everything, gets to see the refusal.
const DRAINED_BYTES_MAX: usize = 8 * BODY_BYTES_MAX;

/// Reads a request's body.
///
/// # Errors
/// 413 beyond `bytes_max`, 400 when the connection fails.
pub async fn read<B>(body: B, bytes_max: usize) -> Result<Bytes, Box<Status>>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let mut body = std::pin::pin!(body);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| bad_request(format!("unable to read the body: {e}")))?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen > DRAINED_BYTES_MAX {
            break;
        } else if seen > bytes_max {
            continue;
        } else if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    match seen {
        _ if seen > bytes_max => Err(too_large(bytes_max)),
        _ if rest.is_empty() => Ok(first),
        _ => Ok(rest.freeze()),
    }
}
