//! Answers to the calls of other members.

use crate::core::Core;
use crate::health;
use crate::members::{self, standing};
use crate::outgoing::Outgoing;
use crate::peer::{
    Hello, HelloReply, Kind, PeerBuild, PeerHandler, SnapshotBegin, SnapshotChunk, decode,
    decode_append, decode_forward, encode,
};
use crate::proposer;
use crate::read_index::ReadIndex;
use crate::roots;
use crate::snapshot::{ReceivedSnapshot, SnapshotData, SnapshotFile};
use crate::status;
use crate::types::TypeConfig;
use async_trait::async_trait;
use bytes::Bytes;
use openraft::raft::{TransferLeaderRequest, VoteRequest};
use openraft::type_config::alias::SnapshotOf;
use parking_lot::Mutex;
use reddwarf_storage::SnapshotWriter;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// Answers to the calls of other members.
pub struct Handler {
    pub(crate) core: Arc<Core>,
    pub(crate) reads: Arc<ReadIndex>,
    pub(crate) identity: HandlerIdentity,
    pub(crate) receiving: Mutex<Receiving>,
    pub(crate) outgoing: Outgoing,
}

/// Who answers.
pub struct HandlerIdentity {
    /// The group.
    pub cluster_id: String,
    /// This node's name.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Name of the voter whose place this node takes.
    pub replaces: Option<String>,
}

/// The snapshot being received; a new one replaces it.
#[derive(Default)]
pub struct Receiving {
    /// The transfer that began last.
    newest: u64,
    /// `None` also while a part is written.
    incoming: Option<Incoming>,
}

/// What is received of a snapshot.
struct Incoming {
    transfer: u64,
    begin: SnapshotBegin,
    next: u64,
    writer: SnapshotWriter,
    file: SnapshotFile,
}

/// How long a new snapshot waits until the one before it is in its place. The leader that is refused
/// then reads its state anew for the next try.
const FILE_WAIT: Duration = Duration::from_secs(5);

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    decode(body).map_err(|error| error.to_string())
}

fn answer<T: Serialize>(value: &T) -> Result<Bytes, String> {
    encode(value).map_err(|error| error.to_string())
}

fn superseded() -> String {
    "another snapshot has begun".to_owned()
}

/// Whether Raft itself judges a call. It may come from a node that became a member later than this
/// one knows; the others are for those that this one knows to be members.
fn is_raft(kind: Kind) -> bool {
    use Kind::{Append, Commit, PreVote, SnapshotBegin, SnapshotChunk, SnapshotEnd};
    matches!(
        kind,
        Append
            | Commit
            | PreVote
            | SnapshotBegin
            | SnapshotChunk
            | SnapshotEnd
            | Kind::Vote
            | Kind::Transfer
            | Kind::Status
            | Kind::Health
    )
}

impl Handler {
    async fn begin_snapshot(&self, body: &[u8]) -> Result<Bytes, String> {
        let begin: SnapshotBegin = read(body)?;
        let store = Arc::clone(&self.core.machine.store);
        let work = &self.core.environment.work;
        let transfer = rand::random();
        let earlier = {
            let mut receiving = self.receiving.lock();
            receiving.newest = transfer;
            receiving.incoming.take()
        };
        // The file of an earlier transfer must be closed before it is made anew.
        work.spawn(|| drop(earlier)).await.map_err(|error| error.to_string())?;
        let file = tokio::time::timeout(FILE_WAIT, self.core.machine.snapshot_file()).await;
        let file = file.map_err(|_| "an earlier snapshot is still being installed".to_owned())?;
        let create = move || {
            let writer = SnapshotWriter::create(store.path(), store.options().clone());
            writer.map(|writer| (writer, file))
        };
        let created = work.spawn(create).await.map_err(|error| error.to_string())?;
        let (writer, file) = created.map_err(|error| error.to_string())?;
        self.keep_incoming(Incoming { transfer, begin, next: 0, writer, file })?;
        answer(&transfer)
    }

    fn take_incoming(&self, transfer: u64) -> Result<Incoming, String> {
        let mut receiving = self.receiving.lock();
        let found = receiving.incoming.take_if(|incoming| incoming.transfer == transfer);
        found.ok_or_else(superseded)
    }

    /// Awaits the next part, unless another transfer has begun, which waits for the file.
    fn keep_incoming(&self, incoming: Incoming) -> Result<(), String> {
        let mut receiving = self.receiving.lock();
        if receiving.newest != incoming.transfer {
            return Err(superseded());
        }
        receiving.incoming = Some(incoming);
        Ok(())
    }

    async fn take_chunk(&self, body: &[u8]) -> Result<Bytes, String> {
        let chunk: SnapshotChunk = read(body)?;
        let mut incoming = self.take_incoming(chunk.transfer)?;
        if chunk.number != incoming.next {
            return Err(format!("part {} came, {} was due", chunk.number, incoming.next));
        }
        let feed = move || {
            incoming.writer.feed(&chunk.bytes).map_err(|error| error.to_string())?;
            incoming.next += 1;
            Ok::<_, String>(incoming)
        };
        let fed =
            self.core.environment.work.spawn(feed).await.map_err(|error| error.to_string())??;
        self.keep_incoming(fed)?;
        Ok(Bytes::new())
    }

    async fn end_snapshot(&self, body: &[u8]) -> Result<Bytes, String> {
        let incoming = self.take_incoming(read(body)?)?;
        let Incoming { begin: SnapshotBegin { vote, meta }, writer, file, .. } = incoming;
        let finish = move || writer.finish().map(|received| ReceivedSnapshot { received, file });
        let received = self.core.environment.work.spawn(finish).await;
        let received = received.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        let snapshot = SnapshotData::Received(Box::new(received));
        let snapshot = SnapshotOf::<TypeConfig, _> { meta, snapshot };
        let installed = self.core.raft.install_full_snapshot(vote, snapshot).await;
        answer(&installed.map_err(|error| error.to_string())?)
    }
}

#[async_trait]
impl PeerHandler for Handler {
    fn build(&self) -> PeerBuild {
        self.core.build.clone()
    }

    fn admit(&self, hello: &Hello, build: &PeerBuild) -> Result<HelloReply, String> {
        let (who, me) = (&hello.from_name, &self.identity.name);
        if hello.cluster_id != self.identity.cluster_id {
            let (theirs, ours) = (&hello.cluster_id, &self.identity.cluster_id);
            return Err(format!("{who} belongs to cluster {theirs}, {me} to {ours}"));
        }
        if hello.to != self.core.node_id {
            let (to, id) = (hello.to, self.core.node_id);
            return Err(format!("{who} calls node {to}, but {me} is node {id}"));
        }
        if let Some(why) = build.falls_short(who, *self.core.machine.level.borrow()) {
            return Err(why);
        }
        // A caller that is not named may be newer than what this member knows; then, as before
        // the first entry, Raft itself decides. A leader knows the newest.
        let known = self.core.members().remove(&hello.from);
        let removed_at = standing::removed_at(&self.core, hello);
        if known.is_none() && removed_at.is_none() && standing::is_newest(&self.core) {
            return Err(format!("{who} (node {}) is no member of the group", hello.from));
        }
        match known {
            Some(member) if member.name != *who => {
                Err(format!("node {} is {}, not {who}", hello.from, member.name))
            }
            known => Ok(HelloReply {
                incarnation: self.core.incarnation,
                expected: known.map_or(0, |member| member.incarnation),
                removed_at,
            }),
        }
    }

    async fn dismissed(&self, hello: &Hello) {
        standing::removed(&self.core, hello).await;
    }

    async fn call(&self, from: u64, kind: Kind, body: Bytes) -> Result<Bytes, String> {
        let raft = &self.core.raft;
        if !is_raft(kind) && !standing::names(&self.core, from) {
            return Err(format!("node {from} is no member that {} knows", self.identity.name));
        }
        match kind {
            Kind::Append | Kind::Commit => {
                let request = decode_append(body).map_err(|error| error.to_string())?;
                if request.vote >= self.core.vote() {
                    self.core.contact.heard();
                }
                answer(&raft.append_entries(request).await.map_err(|error| error.to_string())?)
            }
            Kind::Vote => {
                let request: VoteRequest<TypeConfig> = read(&body)?;
                answer(&raft.vote(request).await.map_err(|error| error.to_string())?)
            }
            Kind::PreVote => {
                let request: VoteRequest<TypeConfig> = read(&body)?;
                answer(&raft.pre_vote(request).await.map_err(|error| error.to_string())?)
            }
            Kind::Transfer => {
                let request: TransferLeaderRequest<TypeConfig> = read(&body)?;
                let wrong = self.core.quarantine().diverged_at().is_some();
                if wrong && *request.to_node_id() == self.core.node_id {
                    return Err("a member whose state is wrong does not lead".to_owned());
                }
                let taken = raft.handle_transfer_leader(request).await;
                answer(&taken.map_err(|error| error.to_string())?)
            }
            Kind::Forward => {
                let proposals = decode_forward(body).map_err(|error| error.to_string())?;
                // They are answered over there once they are applied there.
                let _awaits = self.core.client(from).map(|client| client.await_commit());
                answer(&proposer::accept(&self.core, proposals).await)
            }
            Kind::ReadIndex => {
                let index = self.reads.answer().await;
                self.core.client(from).iter().for_each(|client| client.urge());
                answer(&index)
            }
            Kind::Status => answer(&status::own(&self.core, &self.identity)),
            Kind::Health => health::answer(&self.core),
            Kind::Roots => answer(&roots::answer(&self.core, &read(&body)?)),
            Kind::SnapshotBegin => self.begin_snapshot(&body).await,
            Kind::SnapshotChunk => self.take_chunk(&body).await,
            Kind::SnapshotEnd => self.end_snapshot(&body).await,
            Kind::Members => answer(&members::carry_out(&self.core, &read(&body)?).await),
            Kind::FetchBegin => answer(&self.outgoing.begin(&self.core, from).await?),
            Kind::FetchPart => self.outgoing.part(from, read(&body)?).await,
            Kind::Hello | Kind::Reply | Kind::Failure => Err("not a call".to_owned()),
        }
    }
}
