//! openraft's view of the transport.

use super::append_stream::append_stream;
use super::connection::CallError;
use super::dial::{Identity, Lane, PeerClient};
use super::frame::Kind;
use super::message::{SnapshotBegin, SnapshotChunk, decode, encode, encode_append};
use crate::snapshot::{SnapshotData, SnapshotSource};
use crate::types::{Member, TypeConfig, Vote};
use bytes::Bytes;
use futures::Stream;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::{Backoff, RPCOption, RPCTypes};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::{RaftNetworkFactory, RaftNetworkV2};
use parking_lot::Mutex;
use reddwarf_core::codec::CodecError;
use reddwarf_core::planted::{self, Bug};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// An append with entries may take so long even if openraft's own bound is shorter: liveness is
/// told by heartbeats on a lane of their own, and a large append must not be sent twice.
const APPEND_TIMEOUT_MIN: Duration = Duration::from_millis(500);
/// One part of a snapshot, or its installation.
const SNAPSHOT_STEP_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause before the next try on a member that does not answer.
const RETRY: Duration = Duration::from_millis(50);

/// One lasting way to each member, shared by everything that calls it.
pub struct PeerClients {
    identity: Option<Identity>,
    /// Where the configuration says that members are; it wins over the recorded address.
    known: BTreeMap<u64, Member>,
    clients: Mutex<HashMap<u64, Arc<PeerClient>>>,
}

impl PeerClients {
    /// Dials as `identity`; without one nobody can be called.
    pub fn new(identity: Option<Identity>, known: BTreeMap<u64, Member>) -> Self {
        PeerClients { identity, known, clients: Mutex::default() }
    }

    /// The way to `member`, a new one when its address has changed.
    pub fn get(&self, id: u64, member: &Member) -> Option<Arc<PeerClient>> {
        let identity = self.identity.as_ref()?;
        let incarnation = member.incarnation;
        let member = self.known.get(&id).unwrap_or(member);
        let mut clients = self.clients.lock();
        let same = |client: &&Arc<PeerClient>| {
            let there = client.member();
            (&there.name, &there.addr) == (&member.name, &member.addr)
        };
        if let Some(client) = clients.get(&id).filter(same) {
            client.expect(incarnation);
            return Some(Arc::clone(client));
        }
        let client = Arc::new(PeerClient::new(identity.clone(), id, member.clone()));
        client.expect(incarnation);
        clients.insert(id, Arc::clone(&client));
        Some(client)
    }
}

/// Makes openraft's clients.
#[derive(Clone)]
pub struct Network {
    /// This node.
    pub node_id: u64,
    /// Ways to the members.
    pub clients: Arc<PeerClients>,
    /// Whence a snapshot's bytes come.
    pub snapshots: Arc<SnapshotSource>,
}

impl Network {
    fn client(&self, lane: Lane, target: u64, member: &Member) -> NetworkClient {
        NetworkClient {
            node_id: self.node_id,
            target,
            lane,
            client: self.clients.get(target, member),
            snapshots: Arc::clone(&self.snapshots),
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = NetworkClient;

    async fn new_client(&mut self, target: u64, node: &Member) -> NetworkClient {
        self.client(Lane::Append, target, node)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Member) -> NetworkClient {
        self.client(Lane::Control, target, node)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &Member) -> NetworkClient {
        self.client(Lane::Snapshot, target, node)
    }
}

/// openraft's client of one member on one lane.
pub struct NetworkClient {
    node_id: u64,
    target: u64,
    lane: Lane,
    client: Option<Arc<PeerClient>>,
    snapshots: Arc<SnapshotSource>,
}

pub(super) type RpcResult<T> = Result<T, RPCError<TypeConfig>>;

fn codec_error(error: &CodecError) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::new(error))
}

/// Whether a voter whose data folder is not recorded may have forgotten what it voted: its log is
/// empty, though the group is past its founding. A group that was recovered for several members
/// begins so; the leader records their folders first of all (invariant 16).
fn has_lost_log(request: &VoteRequest<TypeConfig>, response: &VoteResponse<TypeConfig>) -> bool {
    response.last_log_id.is_none() && request.last_log_id.is_some_and(|last| last.index() > 0)
}

impl NetworkClient {
    /// The way to the member, `None` when this node can dial nobody.
    pub(super) fn peer(&self) -> Option<&PeerClient> {
        self.client.as_deref()
    }

    async fn call(
        &self,
        lane: Lane,
        kind: Kind,
        body: Bytes,
        timeout: Duration,
        action: RPCTypes,
    ) -> RpcResult<Bytes> {
        let unreachable = |text: &str| RPCError::Unreachable(Unreachable::from_string(text));
        let client = self.client.as_ref();
        let client = client.ok_or_else(|| unreachable("this node has no means to dial members"))?;
        client.call(lane, kind, body, timeout).await.map_err(|error| match error {
            CallError::Timeout => {
                let (id, target) = (self.node_id, self.target);
                RPCError::Timeout(Timeout { action, id, target, timeout })
            }
            CallError::Unreachable(text) => unreachable(&text),
            CallError::Lost(text) | CallError::Refused(text) => unreachable(&text),
        })
    }

    async fn ask<Q: serde::Serialize, A: DeserializeOwned>(
        &self,
        kind: Kind,
        request: &Q,
        option: &RPCOption,
        action: RPCTypes,
    ) -> RpcResult<A> {
        let body = encode(request).map_err(|error| codec_error(&error))?;
        let answer = self.call(Lane::Control, kind, body, option.soft_ttl(), action).await?;
        decode(&answer).map_err(|error| codec_error(&error))
    }

    async fn ask_for_vote(
        &self,
        kind: Kind,
        request: &VoteRequest<TypeConfig>,
        option: &RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        let response = self.ask(kind, request, option, RPCTypes::Vote).await?;
        let recorded = self.peer().is_some_and(PeerClient::is_recorded);
        match !recorded && has_lost_log(request, &response) {
            true => Err(RPCError::Unreachable(Unreachable::from_string(
                "its log is empty, in a data folder that the group does not know",
            ))),
            false => Ok(response),
        }
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        label: SnapshotMetaOf<TypeConfig>,
    ) -> RpcResult<SnapshotResponse<TypeConfig>> {
        let action = RPCTypes::InstallSnapshot;
        let storage = |text: String| RPCError::Unreachable(Unreachable::from_string(text));
        let mut reader = self.snapshots.open().await.map_err(storage)?;
        // Not the label that Raft was given earlier: the file may have grown since.
        let meta = match planted::is(Bug::SnapshotFromMemory) {
            true => label,
            false => reader.meta().map_err(storage)?,
        };
        let begin = SnapshotBegin { vote, meta };
        let begin = encode(&begin).map_err(|error| codec_error(&error))?;
        let step = SNAPSHOT_STEP_TIMEOUT;
        let answer = self.call(Lane::Snapshot, Kind::SnapshotBegin, begin, step, action).await?;
        let transfer: u64 = decode(&answer).map_err(|error| codec_error(&error))?;
        let mut number = 0;
        let mut next = reader.next_chunk().await.map_err(storage)?;
        while let Some(bytes) = next {
            let chunk = SnapshotChunk { transfer, number, bytes };
            let chunk = encode(&chunk).map_err(|error| codec_error(&error))?;
            let sent = self.call(Lane::Snapshot, Kind::SnapshotChunk, chunk, step, action);
            // The next part is read while the other side takes this one.
            let (sent, read) = tokio::join!(sent, reader.next_chunk());
            sent?;
            next = read.map_err(storage)?;
            number += 1;
        }
        let end = encode(&transfer).map_err(|error| codec_error(&error))?;
        let answer = self.call(Lane::Snapshot, Kind::SnapshotEnd, end, step, action).await?;
        decode(&answer).map_err(|error| codec_error(&error))
    }
}

impl RaftNetworkV2<TypeConfig> for NetworkClient {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<AppendEntriesResponse<TypeConfig>> {
        let timeout = if request.entries.is_empty() {
            option.soft_ttl()
        } else {
            option.soft_ttl().max(APPEND_TIMEOUT_MIN)
        };
        let body = encode_append(&request).map_err(|error| codec_error(&error))?;
        let action = RPCTypes::AppendEntries;
        let answer = self.call(self.lane, Kind::Append, body, timeout, action).await?;
        decode(&answer).map_err(|error| codec_error(&error))
    }

    fn stream_append<'s, S>(
        &'s mut self,
        requests: S,
        option: RPCOption,
    ) -> BoxFuture<'s, RpcResult<BoxStream<'s, RpcResult<StreamAppendResult<TypeConfig>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
    {
        let stream = append_stream(self, requests, option);
        Box::pin(std::future::ready(Ok(stream)))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.ask_for_vote(Kind::Vote, &request, &option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.ask_for_vote(Kind::PreVote, &request, &option).await
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<TransferLeaderResponse<TypeConfig>> {
        self.ask(Kind::Transfer, &request, &option, RPCTypes::TransferLeader).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let result = tokio::select! {
            closed = cancel => return Err(StreamingError::Closed(closed)),
            result = self.send_snapshot(vote, snapshot.meta) => result,
        };
        result.map_err(|error| match error {
            RPCError::Timeout(error) => StreamingError::Timeout(error),
            RPCError::Unreachable(error) => StreamingError::Unreachable(error),
            RPCError::Network(error) => StreamingError::Network(error),
            RPCError::RemoteError(error) => {
                StreamingError::Unreachable(Unreachable::from_string(error))
            }
        })
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(RETRY)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::log_id;

    #[test]
    fn a_voter_with_an_empty_log_is_suspect_once_the_group_is_founded() {
        let asked = |last| VoteRequest::new(Vote::new(3, 1), last);
        let answer = |last| VoteResponse::new(Vote::new(3, 1), last, true);
        let founding = asked(Some(log_id(0, 0)));
        assert!(!has_lost_log(&founding, &answer(None)), "nobody has more yet");
        let later = asked(Some(log_id(2, 7)));
        assert!(has_lost_log(&later, &answer(None)));
        assert!(!has_lost_log(&later, &answer(Some(log_id(2, 6)))));
    }
}
