//! Compressed answers.

use super::body::{ApiBody, CutShort};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY};
use http::{HeaderMap, Response};
use std::collections::VecDeque;
use std::io::{self, Write as _};

/// Answers at least this large are compressed for clients that ask for it, as upstream does.
pub const GZIP_BYTES_MIN: usize = 128 * 1024;
/// Compressed bytes that are sent together.
const SENT_BYTES: usize = 32 * 1024;
/// As upstream: what costs least.
const LEVEL: Compression = Compression::new(1);

/// Whether a client takes gzip.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let named = |list: &str| {
        list.split(',').any(|item| {
            let mut parts = item.split(';').map(str::trim);
            let refused = |p: &str| p.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
            parts.next() == Some("gzip") && !parts.any(refused)
        })
    };
    headers.get_all(ACCEPT_ENCODING).iter().any(|v| v.to_str().is_ok_and(named))
}

/// Compresses an answer that is large enough; not for watches.
pub fn compress(response: Response<ApiBody>) -> Response<ApiBody> {
    let (parts, body) = response.into_parts();
    let large = body.known_bytes().is_none_or(|bytes| bytes >= GZIP_BYTES_MIN as u64);
    if !large {
        return Response::from_parts(parts, body);
    }
    let body = match body {
        ApiBody::Chunks(chunks) => ApiBody::Stream(whole(chunks).boxed()),
        ApiBody::Stream(chunks) => ApiBody::Stream(piecewise(chunks).boxed()),
    };
    say_packed(Response::from_parts(parts, body))
}

/// An answer whose body is compressed, with the headers that say so.
pub fn say_packed<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

/// Bytes that are compressed once for many answers.
pub fn pack(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), LEVEL);
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    packed.expect("invariant: writing to memory does not fail").into()
}

/// All chunks compressed, on a thread on which no request waits.
fn whole(chunks: VecDeque<Bytes>) -> impl Stream<Item = Result<Bytes, CutShort>> + Send {
    stream::once(async move {
        let done = tokio::task::spawn_blocking(move || {
            let mut encoder = GzEncoder::new(Vec::new(), LEVEL);
            chunks.iter().try_for_each(|chunk| encoder.write_all(chunk))?;
            encoder.finish()
        });
        done.await.map_err(io::Error::other).flatten().map(Bytes::from).map_err(failed)
    })
}

/// A stream compressed as it comes, chunk by chunk, with a pause for others after each.
fn piecewise(
    chunks: BoxStream<'static, Result<Bytes, CutShort>>,
) -> impl Stream<Item = Result<Bytes, CutShort>> + Send {
    let encoder = GzEncoder::new(Vec::new(), LEVEL);
    stream::unfold(Some((chunks, encoder)), |state| async {
        let (mut chunks, mut encoder) = state?;
        loop {
            let Some(chunk) = chunks.next().await else {
                return Some((encoder.finish().map(Bytes::from).map_err(failed), None));
            };
            let written = match chunk {
                Ok(chunk) => encoder.write_all(&chunk).map_err(failed),
                Err(cut) => Err(cut),
            };
            if let Err(cut) = written {
                return Some((Err(cut), None));
            }
            tokio::task::yield_now().await;
            if encoder.get_ref().len() >= SENT_BYTES {
                let ready = std::mem::take(encoder.get_mut());
                return Some((Ok(Bytes::from(ready)), Some((chunks, encoder))));
            }
        }
    })
}

fn failed(error: io::Error) -> CutShort {
    tracing::error!(%error, "compressing an answer failed");
    CutShort::Failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use http_body_util::BodyExt;
    use std::io::Read;

    async fn unpacked(body: ApiBody) -> Vec<u8> {
        let response = compress(Response::new(body));
        assert_eq!(response.headers().get(CONTENT_ENCODING).expect("compressed"), "gzip");
        let packed = response.into_body().collect().await.expect("whole").to_bytes();
        let mut out = Vec::new();
        GzDecoder::new(&packed[..]).read_to_end(&mut out).expect("gzip");
        out
    }

    #[tokio::test]
    async fn both_ways_unpack_to_what_was_packed() {
        let text: Vec<u8> = (0..400_000_u32).flat_map(|n| n.to_string().into_bytes()).collect();
        assert_eq!(unpacked(ApiBody::full(text.clone())).await, text);
        let chunks: Vec<Bytes> = text.chunks(10_000).map(Bytes::copy_from_slice).collect();
        assert_eq!(unpacked(ApiBody::stream(stream::iter(chunks))).await, text);
    }

    #[tokio::test]
    async fn what_is_cut_short_stays_so() {
        let chunks = stream::iter([Ok(Bytes::from_static(b"a")), Err(CutShort::Time)]);
        let response = compress(Response::new(ApiBody::Stream(chunks.boxed())));
        let error = response.into_body().collect().await.expect_err("not whole");
        assert_eq!(error, CutShort::Time);
    }

    #[test]
    fn small_answers_are_left_alone() {
        let response = compress(Response::new(ApiBody::full(vec![0; GZIP_BYTES_MIN - 1])));
        assert!(response.headers().is_empty());
    }

    #[test]
    fn who_takes_gzip() {
        let takes = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("br, gzip;q=0.5") && !takes("br") && !takes("gzip;q=0"));
    }
}
