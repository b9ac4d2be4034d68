//! The appends to one follower: one with entries is under way at a time, and a commit index that
//! comes alone needs no answer.
//!
//! While writes follow each other quickly, a lone commit index waits a moment for the next
//! entries, which carry it: that spares each member a message for every write. It does not wait
//! when somebody on the follower does, because a proposal was forwarded from there or an index to
//! read at was given (see [`super::dial::PeerClient::urge`]).

use super::message::encode_append;
use super::network::{NetworkClient, RpcResult};
use crate::types::{LogId, TypeConfig};
use futures::stream::unfold;
use futures::{Stream, StreamExt};
use openraft::RaftNetworkV2;
use openraft::base::BoxStream;
use openraft::entry::RaftEntry;
use openraft::network::RPCOption;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult};
use std::time::{Duration, Instant};

/// Entries that follow each other at less than this make a lone commit index wait.
const QUICK: Duration = Duration::from_millis(2);
/// How long it waits at most.
const HOLD: Duration = Duration::from_millis(1);

type Request = AppendEntriesRequest<TypeConfig>;
type Answer = RpcResult<StreamAppendResult<TypeConfig>>;

struct Appends<'a, S> {
    client: &'a mut NetworkClient,
    requests: S,
    option: RPCOption,
    /// The follower has been asked once where its log ends; what follows needs no answer for
    /// that.
    began: bool,
    entries_at: Option<Instant>,
    quick: bool,
}

/// Sends `requests` in order and gives the answers in that order; ends with the first failure.
pub(super) fn append_stream<'a, S>(
    client: &'a mut NetworkClient,
    requests: S,
    option: RPCOption,
) -> BoxStream<'a, Answer>
where
    S: Stream<Item = Request> + Send + Unpin + 'static,
{
    let appends =
        Appends { client, requests, option, began: false, entries_at: None, quick: false };
    Box::pin(unfold(Some(appends), |appends| async {
        let mut appends = appends?;
        let request = appends.next().await?;
        let (answer, whole) = appends.append(request).await;
        Some((answer, whole.then_some(appends)))
    }))
}

fn last_of(request: &Request) -> Option<LogId> {
    request.entries.last().map(RaftEntry::log_id).or(request.prev_log_id)
}

impl<S: Stream<Item = Request> + Send + Unpin> Appends<'_, S> {
    /// One call; also tells whether the follower has taken all of it.
    async fn append(&mut self, request: Request) -> (Answer, bool) {
        let (prev, last) = (request.prev_log_id, last_of(&request));
        match self.client.append_entries(request, self.option.clone()).await {
            Ok(answer) => {
                let part =
                    matches!(&answer, AppendEntriesResponse::PartialSuccess(to) if *to != last);
                let result = answer.into_stream_result(prev, last);
                let whole = result.is_ok() && !part;
                (Ok(result), whole)
            }
            Err(error) => (Err(error), false),
        }
    }

    /// The next request that needs an answer; lone commit indexes are sent meanwhile.
    async fn next(&mut self) -> Option<Request> {
        let mut request = self.requests.next().await?;
        while self.began && request.entries.is_empty() {
            request = match self.hold().await {
                Some(next) => next?,
                None => {
                    self.tell(&request).await;
                    self.requests.next().await?
                }
            };
        }
        self.began = true;
        let now = Instant::now();
        self.quick = self.entries_at.is_some_and(|at| now - at < QUICK);
        self.entries_at = Some(now);
        Some(request)
    }

    /// Waits for the next request, which tells at least the same commit index; `None` when a lone
    /// one must go out first.
    async fn hold(&mut self) -> Option<Option<Request>> {
        let peer = self.client.peer().filter(|peer| self.quick && !peer.awaits_commit())?;
        tokio::select! {
            biased;
            next = self.requests.next() => Some(next),
            () = peer.urged() => None,
            () = tokio::time::sleep(HOLD) => None,
        }
    }

    /// A commit index that is lost comes again with the next heartbeat.
    async fn tell(&mut self, request: &Request) {
        if let (Some(peer), Ok(body)) = (self.client.peer(), encode_append(request)) {
            let _ = peer.tell_commit(body).await;
        }
    }
}
