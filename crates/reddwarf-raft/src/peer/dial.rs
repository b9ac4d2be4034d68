//! A lasting way to one member: connections made on demand, kept, and made again.

use super::connection::{CallError, Connection};
use super::dialer::{Dial, Dialed};
use super::frame::{Kind, WIRE_VERSION};
use super::greeting::{Greeting, GreetingReply, PeerBuild, WireVersions, from_json, to_json};
use super::message::{Hello, HelloReply, decode, encode};
use super::serve::Protocol;
use crate::types::Member;
use bytes::Bytes;
use reddwarf_core::planted::{self, Bug};
use reddwarf_core::{Build, FeatureLevel};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify, watch};

/// How long a connection may take to be made.
const DIAL_TIMEOUT: Duration = Duration::from_secs(2);
/// After a failed attempt, calls fail at once for so long.
const DIAL_PAUSE: Duration = Duration::from_millis(50);

/// Why a member is refused by another one, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The group knows it by another data folder.
    Replaced,
    /// The group has no such member.
    Removed,
}

/// Who dials.
#[derive(Clone)]
pub struct Identity {
    /// The group.
    pub cluster_id: String,
    /// This node.
    pub node_id: u64,
    /// Its name.
    pub name: String,
    /// Its data folder.
    pub incarnation: u64,
    /// Log index of the newest membership that names this node, as far as it knows.
    pub member_since: Arc<AtomicU64>,
    /// Set once a member has refused this node.
    pub refused: Arc<watch::Sender<Option<Refused>>>,
    /// What it runs.
    pub build: PeerBuild,
    /// The group's feature level as far as this node knows.
    pub level: watch::Receiver<FeatureLevel>,
    dial: Arc<dyn Dial>,
}

impl Identity {
    /// Of a member that dials in this way.
    pub fn new(
        cluster_id: &str,
        node_id: u64,
        name: &str,
        incarnation: u64,
        dial: Arc<dyn Dial>,
    ) -> Self {
        let (cluster_id, name) = (cluster_id.to_owned(), name.to_owned());
        let (member_since, refused) = (Arc::default(), Arc::new(watch::channel(None).0));
        Identity {
            cluster_id,
            node_id,
            name,
            incarnation,
            member_since,
            refused,
            build: Build::THIS.into(),
            level: watch::channel(FeatureLevel::FIRST).1,
            dial,
        }
    }

    /// The same, of another build than this source's, in a group whose level is known.
    #[must_use]
    pub fn of_build(self, build: PeerBuild, level: watch::Receiver<FeatureLevel>) -> Self {
        Identity { build, level, ..self }
    }

    /// Takes note of a membership that names this node.
    pub fn is_member_since(&self, index: u64) {
        self.member_since.fetch_max(index, Ordering::AcqRel);
    }
}

/// Traffic that must not wait for other traffic has a connection of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Entries.
    Append = 0,
    /// Heartbeats, votes, read indexes, status: small and urgent.
    Control = 1,
    /// Proposals for the leader.
    Forward = 2,
    /// Snapshots.
    Snapshot = 3,
}

#[derive(Default)]
struct LaneState {
    connection: Option<Arc<Connection>>,
    failed: Option<(Instant, String)>,
}

/// A way to one member.
pub struct PeerClient {
    identity: Identity,
    id: u64,
    member: Member,
    /// The member's data folder as the group knows it, and as it has shown it here.
    recorded: AtomicU64,
    seen: AtomicU64,
    /// What the member ran when it was dialed last.
    build: parking_lot::Mutex<Option<PeerBuild>>,
    lanes: [Mutex<LaneState>; 4],
    /// Answers that wait on the member until it knows what is committed.
    awaiting: AtomicUsize,
    urge: Notify,
}

/// While it lives, a commit index for the member is not held back.
pub struct AwaitsCommit(Arc<PeerClient>);

impl Drop for AwaitsCommit {
    fn drop(&mut self) {
        self.0.awaiting.fetch_sub(1, Ordering::AcqRel);
        self.0.urge();
    }
}

impl PeerClient {
    /// To `member`, without connecting yet.
    pub fn new(identity: Identity, id: u64, member: Member) -> Self {
        let recorded = AtomicU64::new(member.incarnation);
        PeerClient {
            identity,
            id,
            member,
            recorded,
            seen: 0.into(),
            build: parking_lot::Mutex::default(),
            lanes: Default::default(),
            awaiting: 0.into(),
            urge: Notify::new(),
        }
    }

    /// Somebody on the member waits until it knows of the next commits.
    pub fn await_commit(self: &Arc<Self>) -> AwaitsCommit {
        self.awaiting.fetch_add(1, Ordering::AcqRel);
        AwaitsCommit(Arc::clone(self))
    }

    /// Whether a commit index must go to the member at once.
    pub fn awaits_commit(&self) -> bool {
        self.awaiting.load(Ordering::Acquire) > 0
    }

    /// Sends the commit index that is held back, or else the next one, at once.
    pub fn urge(&self) {
        self.urge.notify_one();
    }

    /// Waits for [`PeerClient::urge`].
    pub async fn urged(&self) {
        self.urge.notified().await;
    }

    /// Sends an append that is not answered.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn tell_commit(&self, body: Bytes) -> Result<(), CallError> {
        let tell = async { self.connection(Lane::Append).await?.tell(Kind::Commit, body).await };
        tokio::time::timeout(DIAL_TIMEOUT, tell).await.unwrap_or(Err(CallError::Timeout))
    }

    /// Waits until there is no connection on `lane`; makes one first when there is none.
    pub async fn disconnected(&self, lane: Lane) {
        if let Ok(connection) = self.connection(lane).await {
            connection.closed().await;
        }
    }

    /// Whether something takes connections at the member's address; see [`Dial::knock`].
    ///
    /// # Errors
    /// As the network has it.
    pub async fn knock(&self) -> io::Result<()> {
        self.identity.dial.knock(&self.member.addr).await
    }

    /// Tells which data folder the group knows the member by; zero tells nothing.
    pub fn expect(&self, incarnation: u64) {
        if incarnation != 0 {
            self.recorded.store(incarnation, Ordering::Release);
        }
    }

    /// Whether it is told which data folder the group knows the member by.
    pub fn is_recorded(&self) -> bool {
        self.recorded.load(Ordering::Acquire) != 0
    }

    /// Makes the connections that a change of leadership needs, so that nobody waits for a
    /// handshake then.
    pub async fn warm(&self) {
        for lane in [Lane::Control, Lane::Append, Lane::Forward] {
            // A member that does not answer is tried again with the next call.
            let _ = self.connection(lane).await;
        }
    }

    /// The data folder that the member has shown, zero before.
    pub fn incarnation_seen(&self) -> u64 {
        self.seen.load(Ordering::Acquire)
    }

    /// What the member ran when it was dialed last; `None` before.
    pub fn build(&self) -> Option<PeerBuild> {
        self.build.lock().clone()
    }

    /// The member.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// One call within `timeout`, making a connection when there is none.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(
        &self,
        lane: Lane,
        kind: Kind,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let call = async { self.connection(lane).await?.call(kind, body).await };
        tokio::time::timeout(timeout, call).await.unwrap_or(Err(CallError::Timeout))
    }

    async fn connection(&self, lane: Lane) -> Result<Arc<Connection>, CallError> {
        let mut state = self.lanes[lane as usize].lock().await;
        if let Some(open) = state.connection.as_ref().filter(|open| !open.is_closed()) {
            return Ok(Arc::clone(open));
        }
        if let Some((at, text)) = &state.failed
            && at.elapsed() < DIAL_PAUSE
        {
            return Err(CallError::Unreachable(text.clone()));
        }
        // Until the dial has succeeded it counts as failed, also when the caller gives up.
        state.connection = None;
        state.failed = Some((Instant::now(), format!("{} does not answer", self.member)));
        let dialed = tokio::time::timeout(DIAL_TIMEOUT, self.dial()).await;
        let dialed = dialed.unwrap_or_else(|_| Err("timeout".to_owned()));
        match dialed {
            Ok(connection) => {
                let connection = Arc::new(connection);
                *state = LaneState { connection: Some(Arc::clone(&connection)), failed: None };
                Ok(connection)
            }
            Err(text) => {
                let text = format!("{}: {text}", self.member);
                tracing::debug!(peer = self.id, %text, "dialing failed");
                state.failed = Some((Instant::now(), text.clone()));
                Err(CallError::Unreachable(text))
            }
        }
    }

    async fn dial(&self) -> Result<Connection, String> {
        let dialed = self.identity.dial.dial(&self.member.addr).await;
        let Dialed { stream, protocol } = dialed.map_err(|error| error.to_string())?;
        let connection = Connection::new(stream);
        let hello = Hello {
            wire_version: WIRE_VERSION,
            cluster_id: self.identity.cluster_id.clone(),
            from: self.identity.node_id,
            from_name: self.identity.name.clone(),
            to: self.id,
            incarnation: self.identity.incarnation,
            member_since: self.identity.member_since.load(Ordering::Acquire),
        };
        let (build, reply) = match protocol {
            Protocol::FirstLevel => {
                let hello = encode(&hello).map_err(|error| error.to_string())?;
                let reply = self.introduce(&connection, hello).await?;
                let reply: HelloReply = decode(&reply).map_err(|error| error.to_string())?;
                (PeerBuild::first_level(), reply)
            }
            Protocol::Greeting => {
                let build = self.identity.build.clone();
                let greeting = to_json(&Greeting { wire: WireVersions::OWN, build, hello })?;
                let reply = self.introduce(&connection, greeting).await?;
                let GreetingReply { build, reply, .. } = from_json(&reply)?;
                (build, reply)
            }
        };
        self.judge(build)?;
        self.recognize(reply)?;
        Ok(connection)
    }

    async fn introduce(&self, connection: &Connection, body: Bytes) -> Result<Bytes, String> {
        connection.call(Kind::Hello, body).await.map_err(|error| {
            if let CallError::Refused(text) = &error {
                tracing::warn!(peer = self.id, %text, "a member refuses this node");
            }
            error.to_string()
        })
    }

    /// Whether the member's build can take part in this group.
    fn judge(&self, build: PeerBuild) -> Result<(), String> {
        let level = *self.identity.level.borrow();
        let short = build.falls_short(&self.member.name, level);
        let before = self.build.lock().replace(build.clone());
        let Some(why) = short else { return Ok(()) };
        // It is dialed again and again.
        if before != Some(build) {
            tracing::warn!(peer = self.id, why, "a member is not spoken to");
        }
        Err(why)
    }

    /// Whether both sides run in the data folders that they are known by (invariant 16).
    fn recognize(&self, reply: HelloReply) -> Result<(), String> {
        if let Some(index) = reply.removed_at {
            // A newer membership may have come to be known here since the question.
            if index >= self.identity.member_since.load(Ordering::Acquire) {
                self.identity.refused.send_replace(Some(Refused::Removed));
            }
            return Err(format!("{} is no member of this group", self.identity.name));
        }
        if !reply.admits(self.identity.incarnation) {
            self.identity.refused.send_replace(Some(Refused::Replaced));
            return Err("it knows this node by another data folder".to_owned());
        }
        let shown = reply.incarnation;
        let known = [&self.recorded, &self.seen].map(|known| known.load(Ordering::Acquire));
        let other = known.iter().any(|known| *known != 0 && *known != shown);
        if other && !planted::is(Bug::WipedVoter) {
            let text = format!("its data folder is {shown:016x}, another one than before");
            tracing::warn!(peer = %self.member, text, "a member is not trusted");
            return Err(text);
        }
        self.seen.store(shown, Ordering::Release);
        Ok(())
    }
}
