//! Frames between members: `length (u32) | kind (u8) | call id (u64) | body`, little endian; the
//! length counts what follows it.
//!
//! A connection carries calls of one side, the dialing one; answers come in any order and name
//! the call. TLS keeps the bytes whole, so that frames carry no checksum of their own; proposals
//! carry theirs from end to end.

use bytes::{Buf, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of a frame before its body.
pub const FRAME_HEADER_BYTES: usize = 13;
/// Largest body: a full append of entries and one proposal of the largest size.
pub const FRAME_BODY_BYTES_MAX: usize = 40 * 1024 * 1024;
/// Version of the frames and of the messages in them.
pub const WIRE_VERSION: u32 = 4;
/// The ALPN of connections between members, which begin with a [`super::greeting::Greeting`].
pub const ALPN: &[u8] = b"reddwarf-peer/2";
/// The ALPN of members whose builds know of no feature levels; these connections begin with a
/// [`super::message::Hello`]. Each side offers and takes both while it supports the first level.
pub const ALPN_FIRST_LEVEL: &[u8] = b"reddwarf-peer/1";

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// First frame of a connection: who calls, of which group and version.
    Hello = 1,
    /// Append entries, or a heartbeat.
    Append = 2,
    /// Request a vote.
    Vote = 3,
    /// Ask whether a vote would be granted.
    PreVote = 4,
    /// Tell a follower to take over.
    Transfer = 5,
    /// Proposals for the leader.
    Forward = 6,
    /// Ask the leader for a read index.
    ReadIndex = 7,
    /// Ask for the member's status.
    Status = 8,
    /// Begin a snapshot.
    SnapshotBegin = 9,
    /// A part of a snapshot.
    SnapshotChunk = 10,
    /// The snapshot is whole: install it.
    SnapshotEnd = 11,
    /// Ask for the roots of the member's state.
    Roots = 12,
    /// A commit index without entries, in the form of an append; it is not answered.
    Commit = 13,
    /// Ask for the member's state, whoever leads.
    FetchBegin = 14,
    /// Ask for a part of it.
    FetchPart = 15,
    /// Ask the leader to change who the members are.
    Members = 16,
    /// Ask how the member is; not of builds that know of no feature levels.
    Health = 17,
    /// The answer to a call.
    Reply = 128,
    /// The call failed; the body is a text.
    Failure = 129,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            1 => Kind::Hello,
            2 => Kind::Append,
            3 => Kind::Vote,
            4 => Kind::PreVote,
            5 => Kind::Transfer,
            6 => Kind::Forward,
            7 => Kind::ReadIndex,
            8 => Kind::Status,
            9 => Kind::SnapshotBegin,
            10 => Kind::SnapshotChunk,
            11 => Kind::SnapshotEnd,
            12 => Kind::Roots,
            13 => Kind::Commit,
            14 => Kind::FetchBegin,
            15 => Kind::FetchPart,
            16 => Kind::Members,
            17 => Kind::Health,
            128 => Kind::Reply,
            129 => Kind::Failure,
            _ => return None,
        })
    }
}

/// One frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// The call to which it belongs.
    pub call: u64,
    /// Its content.
    pub body: Bytes,
}

impl Frame {
    /// Appends the header; the body follows it.
    pub fn put_header(&self, out: &mut BytesMut) {
        let len = (FRAME_HEADER_BYTES - 4 + self.body.len()) as u32;
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&[self.kind as u8]);
        out.extend_from_slice(&self.call.to_le_bytes());
    }
}

/// Reads frames through one buffer.
pub struct FrameReader<R> {
    stream: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads from `stream`.
    pub fn new(stream: R) -> Self {
        FrameReader { stream, buffer: BytesMut::with_capacity(16 * 1024) }
    }

    /// The next frame, `None` at the end of the stream between frames. Cancel safe.
    ///
    /// # Errors
    /// Of the stream; `InvalidData` for what is no frame.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.parse()? {
                return Ok(Some(frame));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn parse(&mut self) -> io::Result<Option<Frame>> {
        let Some(len) = self.buffer.get(..4) else { return Ok(None) };
        let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
        if !(FRAME_HEADER_BYTES - 4..=FRAME_BODY_BYTES_MAX + FRAME_HEADER_BYTES).contains(&len) {
            return Err(invalid(format!("a frame of {len} bytes")));
        }
        if self.buffer.len() < 4 + len {
            self.buffer.reserve(4 + len - self.buffer.len());
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(4 + len).freeze();
        frame.advance(4);
        let kind = frame.get_u8();
        let kind =
            Kind::from_byte(kind).ok_or_else(|| invalid(format!("a frame of kind {kind}")))?;
        let call = frame.get_u64_le();
        Ok(Some(Frame { kind, call, body: frame }))
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_all(bytes: &[u8]) -> io::Result<Vec<Frame>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(async {
            let mut reader = FrameReader::new(bytes);
            let mut frames = Vec::new();
            while let Some(frame) = reader.next().await? {
                frames.push(frame);
            }
            Ok(frames)
        })
    }

    proptest! {
        #[test]
        fn round_trip(bodies: Vec<(u64, Vec<u8>)>) {
            let mut bytes = BytesMut::new();
            for (call, body) in &bodies {
                let frame = Frame { kind: Kind::Forward, call: *call, body: body.clone().into() };
                frame.put_header(&mut bytes);
                bytes.extend_from_slice(body);
            }
            let frames = read_all(&bytes).expect("reads");
            let read: Vec<_> = frames.into_iter().map(|f| (f.call, f.body.to_vec())).collect();
            prop_assert_eq!(read, bodies);
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = read_all(&bytes);
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused() {
        assert!(read_all(&[0xff; 64]).is_err());
    }
}
