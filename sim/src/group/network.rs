//! The simulated network: turmoil's connections, which end as those of a real system do.
//!
//! turmoil never sends anything again: what a cut line swallows is missing for ever, and its connection
//! is silent from then on. Real ones catch up after a short cut, and are given up after a longer one. So
//! lines that are cut for a while hold what they are given, and all connections over them end once they
//! would have been given up.

use super::machine::{MachineId, host};
use parking_lot::Mutex;
use reddwarf_raft::peer::Protocol;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use turmoil::net::TcpStream;

/// The port of all members.
pub const PORT: u16 = 7443;
/// How long a line may swallow what is sent until its connections are given up, as members have it for
/// real ones.
pub const UNACKNOWLEDGED_MS_MAX: u64 = 1_500;

/// How long it takes to learn that a machine refuses.
const ROUND_TRIP: Duration = Duration::from_millis(1);

/// Set in a caller's number when the connection begins as builds of the first feature level have it.
const FIRST_LEVEL: u8 = 0x80;

type Pair = (MachineId, MachineId);

fn pair(a: MachineId, b: MachineId) -> Pair {
    (a.min(b), a.max(b))
}

/// The lines between all machines, as far as connections over them have to end.
#[derive(Debug, Default)]
pub struct Lines {
    ends: Mutex<BTreeMap<Pair, CancellationToken>>,
    /// Machines that are there, without a process that takes connections.
    refusing: Mutex<BTreeSet<MachineId>>,
    /// Machines whose process knows of no feature levels.
    old: Mutex<BTreeSet<MachineId>>,
}

impl Lines {
    /// Ends all connections between two machines.
    pub fn reset(&self, a: MachineId, b: MachineId) {
        if let Some(line) = self.ends.lock().remove(&pair(a, b)) {
            line.cancel();
        }
    }

    fn ended(&self, a: MachineId, b: MachineId) -> CancellationToken {
        self.ends.lock().entry(pair(a, b)).or_default().clone()
    }

    /// Notes what the process on a machine speaks.
    pub fn speaks(&self, machine: MachineId, protocol: Protocol) {
        let mut old = self.old.lock();
        match protocol {
            Protocol::FirstLevel => old.insert(machine),
            Protocol::Greeting => old.remove(&machine),
        };
    }

    /// Connects one machine to another, with the protocol that both speak. Whoever is called learns
    /// that, and who calls, as from TLS.
    ///
    /// # Errors
    /// As the system would have it.
    pub async fn connect(
        &self,
        from: MachineId,
        to: MachineId,
    ) -> io::Result<(Connection, Protocol)> {
        let ended = self.ended(from, to);
        self.knock(to).await?;
        let mut tcp = TcpStream::connect((host(to), PORT)).await?;
        let old = [from, to].iter().any(|machine| self.old.lock().contains(machine));
        let (protocol, flag) =
            if old { (Protocol::FirstLevel, FIRST_LEVEL) } else { (Protocol::Greeting, 0) };
        tcp.write_u8(from as u8 | flag).await?;
        Ok((Connection::new(tcp, ended), protocol))
    }

    /// Whether a machine has a process that takes connections. turmoil has a machine without one say
    /// nothing, where a system refuses.
    pub fn refuses(&self, machine: MachineId, refuses: bool) {
        let mut refusing = self.refusing.lock();
        match refuses {
            true => refusing.insert(machine),
            false => refusing.remove(&machine),
        };
    }

    /// Fails when a machine is there on which nothing takes connections.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`].
    pub async fn knock(&self, machine: MachineId) -> io::Result<()> {
        if self.refusing.lock().contains(&machine) {
            tokio::time::sleep(ROUND_TRIP).await;
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(())
    }

    /// Learns who calls, and how.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn identify(
        &self,
        mut tcp: TcpStream,
        at: MachineId,
    ) -> io::Result<(MachineId, Protocol, Connection)> {
        let told = tcp.read_u8().await?;
        let from = MachineId::from(told & !FIRST_LEVEL);
        let old = told & FIRST_LEVEL != 0;
        let protocol = if old { Protocol::FirstLevel } else { Protocol::Greeting };
        Ok((from, protocol, Connection::new(tcp, self.ended(from, at))))
    }
}

/// A connection between two machines.
pub struct Connection {
    tcp: TcpStream,
    /// One for who reads and one for who writes: each wakes one task only.
    ended: [Pin<Box<WaitForCancellationFutureOwned>>; 2],
}

const READ: usize = 0;
const WRITE: usize = 1;

impl Connection {
    fn new(tcp: TcpStream, ended: CancellationToken) -> Self {
        let ended = [ended.clone(), ended].map(|ended| Box::pin(ended.cancelled_owned()));
        Connection { tcp, ended }
    }

    fn check(&mut self, side: usize, cx: &mut Context<'_>) -> io::Result<()> {
        match self.ended[side].as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(READ, cx)?;
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(WRITE, cx)?;
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
