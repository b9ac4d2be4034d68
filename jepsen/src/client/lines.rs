//! A stream of JSON values, one a line, as a watch sends them.

use super::ClientError;
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use serde_json::Value;

/// Bytes of one line beyond which the stream is taken for broken.
const LINE_BYTES_MAX: usize = 16 << 20;

/// The lines of an answer; dropping it cuts the connection.
pub struct Lines {
    body: Incoming,
    rest: BytesMut,
    _connection: SendRequest<Full<Bytes>>,
}

impl Lines {
    pub(super) fn new(body: Incoming, connection: SendRequest<Full<Bytes>>) -> Lines {
        Lines { body, rest: BytesMut::new(), _connection: connection }
    }

    /// The next value; `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// [`ClientError::Broken`]
    pub async fn next(&mut self) -> Result<Option<Value>, ClientError> {
        loop {
            if let Some(line) = self.take_line() {
                let value = serde_json::from_slice(&line);
                return value.map(Some).map_err(|error| ClientError::Broken(error.to_string()));
            }
            if self.rest.len() > LINE_BYTES_MAX {
                return Err(ClientError::Broken("a line has no end".into()));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| ClientError::Broken(error.to_string()))?;
            if let Ok(data) = frame.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }

    fn take_line(&mut self) -> Option<BytesMut> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let line = self.rest.split_to(end);
        self.rest.advance(1);
        Some(line)
    }
}
