//! Sockets of the network's ends. They stay in the namespace in which they were opened, so one
//! thread can hold those of all ends.

use jepsen::net::{CLIENTS, Counters, Line, NetError, Network, Rules};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// Ends a wait that would otherwise be without end.
const PATIENCE: Duration = Duration::from_secs(10);

/// As many small packets as a socket's buffer surely holds.
const BATCH: usize = 100;

pub fn names(members: usize) -> Vec<String> {
    (1..=members).map(|member| format!("n{member}")).collect()
}

/// A network, or none where there can be none.
pub fn network(members: usize) -> Option<Network> {
    match Network::create(&names(members), 7) {
        Ok(network) => Some(network),
        Err(error) if is_root() => panic!("{error}: {:?}", std::error::Error::source(&error)),
        Err(error) => {
            eprintln!("SKIPPED: {error} (namespaces need root)");
            None
        }
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn line(from: &str, to: &str) -> Line {
    Line { from: from.to_owned(), to: to.to_owned() }
}

/// A UDP socket of an end.
pub fn udp(network: &Network, end: &str) -> UdpSocket {
    let address = network.address(end).expect("an end");
    let bind = || {
        let socket = UdpSocket::bind((address, 0)).expect("the end's own address");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Ok(socket)
    };
    within(network, end, bind)
}

fn within<T: Send>(
    network: &Network,
    end: &str,
    inside: impl FnOnce() -> Result<T, NetError> + Send,
) -> T {
    match end {
        CLIENTS => inside(),
        member => network.namespace(member).expect("a member").within(inside),
    }
    .expect("a namespace that can be entered")
}

/// A way from a member to another, watched by the clients' end.
pub struct Way<'a> {
    network: &'a Network,
    from: UdpSocket,
    to: UdpSocket,
    clients: UdpSocket,
    line: Line,
}

impl<'a> Way<'a> {
    pub fn new(network: &'a Network, from: &str, to: &str) -> Way<'a> {
        let clients = udp(network, CLIENTS);
        let line = line(from, to);
        Way { network, from: udp(network, from), to: udp(network, to), clients, line }
    }

    pub fn set(&self, rules: Rules) {
        self.network.change([&self.line], |old| *old = rules).expect("a line");
    }

    pub fn counters(&self) -> Counters {
        self.network.counters([&self.line]).expect("a line")
    }

    pub fn send(&self, number: u32) {
        let to = self.to.local_addr().expect("bound");
        self.from.send_to(&number.to_be_bytes(), to).expect("a queue with room");
    }

    pub fn receive(&self) -> u32 {
        let mut packet = [0; 4];
        self.to.recv_exact(&mut packet);
        u32::from_be_bytes(packet)
    }

    /// Returns when the switch has decided about all that was sent: a device's packets are taken
    /// in order, and the one to the clients comes last.
    pub fn settle(&self) {
        self.from.send_to(b"last", self.clients.local_addr().expect("bound")).expect("room");
        self.clients.recv_exact(&mut [0; 4]);
    }

    /// Sends numbered packets; the numbers that came.
    pub fn exchange(&self, batches: usize) -> Vec<u32> {
        let mut came = Vec::new();
        for batch in 0..batches {
            let first = (batch * BATCH) as u32;
            (first..first + BATCH as u32).for_each(|number| self.send(number));
            self.settle();
            let sent = |counters: Counters| counters.passed + counters.duplicated;
            let all = |counters: Counters| counters.passed + counters.lost;
            while all(self.counters()) < ((batch + 1) * BATCH) as u64
                || came.len() < sent(self.counters()) as usize
            {
                came.push(self.receive());
            }
        }
        came
    }
}

pub trait Exactly {
    fn recv_exact(&self, packet: &mut [u8]);
}

impl Exactly for UdpSocket {
    fn recv_exact(&self, packet: &mut [u8]) {
        let bytes = self.recv(packet).expect("a packet in time");
        assert_eq!(bytes, packet.len());
    }
}

/// A TCP connection between two ends: the ends of it.
pub fn connect(network: &Network, from: &str, to: &str) -> (TcpStream, TcpStream) {
    let address = network.address(to).expect("an end");
    let listen = || Ok(TcpListener::bind((address, 0)).expect("its address"));
    let listener = within(network, to, listen);
    let target = listener.local_addr().expect("bound");
    let connect = || Ok(TcpStream::connect_timeout(&target, PATIENCE).expect("a connection"));
    let sender = within(network, from, connect);
    let (receiver, _) = listener.accept().expect("a connection");
    for stream in [&sender, &receiver] {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
    }
    (sender, receiver)
}
