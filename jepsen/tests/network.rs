//! Real namespaces, real packets. Skipped, aloud, where the system allows no namespaces.

use jepsen::net::{CLIENTS, Counters, Delay, Grudge, Line, NetError, Network, Reorder, Rules};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

/// Ends a wait that would otherwise be without end.
const PATIENCE: Duration = Duration::from_secs(10);

/// As many small packets as a socket's buffer surely holds.
const BATCH: usize = 100;

fn names(members: usize) -> Vec<String> {
    (1..=members).map(|member| format!("n{member}")).collect()
}

/// A network, or none where there can be none.
fn network(members: usize) -> Option<Network> {
    match Network::create(&names(members), 7) {
        Ok(network) => Some(network),
        Err(error) if is_root() => panic!("{error}: {:?}", std::error::Error::source(&error)),
        Err(error) => {
            eprintln!("SKIPPED: {error} (namespaces need root)");
            None
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn line(from: &str, to: &str) -> Line {
    Line { from: from.to_owned(), to: to.to_owned() }
}

/// A UDP socket of an end.
fn udp(network: &Network, end: &str) -> UdpSocket {
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
struct Way<'a> {
    network: &'a Network,
    from: UdpSocket,
    to: UdpSocket,
    clients: UdpSocket,
    line: Line,
}

impl<'a> Way<'a> {
    fn new(network: &'a Network, from: &str, to: &str) -> Way<'a> {
        let clients = udp(network, CLIENTS);
        let line = line(from, to);
        Way { network, from: udp(network, from), to: udp(network, to), clients, line }
    }

    fn set(&self, rules: Rules) {
        self.network.change([&self.line], |old| *old = rules).expect("a line");
    }

    fn counters(&self) -> Counters {
        self.network.counters([&self.line]).expect("a line")
    }

    fn send(&self, number: u32) {
        let to = self.to.local_addr().expect("bound");
        self.from.send_to(&number.to_be_bytes(), to).expect("a queue with room");
    }

    fn receive(&self) -> u32 {
        let mut packet = [0; 4];
        self.to.recv_exact(&mut packet);
        u32::from_be_bytes(packet)
    }

    /// Returns when the switch has decided about all that was sent: a device's packets are taken
    /// in order, and the one to the clients comes last.
    fn settle(&self) {
        self.from.send_to(b"last", self.clients.local_addr().expect("bound")).expect("room");
        self.clients.recv_exact(&mut [0; 4]);
    }

    /// Sends numbered packets; the numbers that came.
    fn exchange(&self, batches: usize) -> Vec<u32> {
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

trait Exactly {
    fn recv_exact(&self, packet: &mut [u8]);
}

impl Exactly for UdpSocket {
    fn recv_exact(&self, packet: &mut [u8]) {
        let bytes = self.recv(packet).expect("a packet in time");
        assert_eq!(bytes, packet.len());
    }
}

#[test]
fn members_and_clients_reach_each_other_both_ways() {
    let Some(network) = network(3) else { return };
    let sockets: Vec<_> =
        [CLIENTS, "n1", "n2", "n3"].into_iter().map(|end| (end, udp(&network, end))).collect();
    for (from, sender) in &sockets {
        for (to, receiver) in &sockets {
            let mut packet = [0; 4];
            let target = receiver.local_addr().expect("bound");
            sender.send_to(b"ping", target).unwrap_or_else(|e| panic!("{from}→{to}: {e}"));
            let (_, source) = receiver.recv_from(&mut packet).expect("in time");
            assert_eq!(source, sender.local_addr().expect("bound"), "{from}→{to}");
        }
    }
}

#[test]
fn a_cut_is_one_way_and_heals() {
    let Some(network) = network(2) else { return };
    let there = Way::new(&network, "n1", "n2");
    let back = Way::new(&network, "n2", "n1");
    network.cut(&Grudge::mute(&names(2), "n1")).expect("members");
    there.send(1);
    there.settle();
    assert_eq!(there.counters(), Counters { cut: 1, ..Counters::default() });
    back.send(2);
    assert_eq!(back.receive(), 2);
    network.heal();
    there.send(3);
    assert_eq!(there.receive(), 3, "1 is lost");
}

#[test]
fn a_delay_is_as_long_as_it_says() {
    let Some(network) = network(2) else { return };
    let way = Way::new(&network, "n1", "n2");
    let mean = Duration::from_millis(60);
    way.set(Rules { delay: Some(Delay { mean, jitter: Duration::ZERO }), ..Rules::default() });
    for number in 0..5 {
        let start = Instant::now();
        way.send(number);
        assert_eq!(way.receive(), number);
        let took = start.elapsed();
        assert!(took >= mean && took < 4 * mean, "{took:?}");
    }
    assert_eq!(way.counters().delayed, 5);
}

#[test]
fn what_is_lost_is_counted() {
    let Some(network) = network(2) else { return };
    let way = Way::new(&network, "n1", "n2");
    way.set(Rules { loss: 0.3, ..Rules::default() });
    let came = way.exchange(10);
    let lost = way.counters().lost;
    assert_eq!(came.len() as u64 + lost, 1000);
    assert!((200..400).contains(&lost), "{lost}");
}

#[test]
fn what_comes_twice_is_counted() {
    let Some(network) = network(2) else { return };
    let way = Way::new(&network, "n1", "n2");
    way.set(Rules { duplicate: 0.25, ..Rules::default() });
    let came = way.exchange(4);
    let twice = came.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
    assert_eq!(way.counters().duplicated, twice);
    assert!((50..150).contains(&twice), "{twice}");
}

#[test]
fn what_is_overtaken_is_counted() {
    let Some(network) = network(2) else { return };
    let way = Way::new(&network, "n1", "n2");
    let by = Duration::from_millis(2);
    way.set(Rules { reorder: Some(Reorder { probability: 0.1, by }), ..Rules::default() });
    let came = way.exchange(4);
    let mut highest = 0;
    let overtaken = came.iter().filter(|number| {
        highest = highest.max(**number);
        **number < highest
    });
    let overtaken = overtaken.count() as u64;
    assert_eq!(way.counters().reordered, overtaken);
    assert!(overtaken > 5, "{overtaken}");
}

/// Sends `bytes` over TCP from the first member to the second, which checks them; how long it took.
fn stream(network: &Network, bytes: usize) -> Duration {
    let address = network.address("n2").expect("a member");
    let listen = || Ok(TcpListener::bind((address, 0)).expect("its address"));
    let listener = within(network, "n2", listen);
    let target = listener.local_addr().expect("bound");
    let connect = || Ok(TcpStream::connect_timeout(&target, PATIENCE).expect("a connection"));
    let start = Instant::now();
    let mut sender = within(network, "n1", connect);
    let (mut receiver, _) = listener.accept().expect("a connection");
    receiver.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let pattern: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            sender.write_all(&pattern).expect("a receiver");
            drop(sender);
        });
        let mut received = Vec::with_capacity(bytes);
        receiver.read_to_end(&mut received).expect("in time");
        assert!(received == pattern, "the stream is not what was sent");
    });
    start.elapsed()
}

#[test]
fn a_stream_survives_loss_duplicates_and_reordering() {
    let Some(network) = network(2) else { return };
    let rules = Rules {
        loss: 0.02,
        duplicate: 0.1,
        reorder: Some(Reorder { probability: 0.1, by: Duration::from_millis(1) }),
        ..Rules::default()
    };
    network.change(&network.between_members(), |old| *old = rules).expect("lines");
    stream(&network, 8 << 20);
    let counters = network.counters(&network.between_members()).expect("lines");
    assert!(counters.duplicated > 0 && counters.reordered > 0, "{counters:?}");
}

#[test]
fn a_rate_holds_a_stream_back() {
    let Some(network) = network(2) else { return };
    let rate = Some(2 << 20);
    network.change([&line("n1", "n2")], |rules| rules.rate_bytes_per_s = rate).expect("a line");
    let took = stream(&network, 1 << 20);
    assert!(took > Duration::from_millis(450) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn commands_with_the_prefix_run_inside() {
    let Some(network) = network(1) else { return };
    let prefix = network.namespace("n1").expect("a member").prefix();
    let output = Command::new(&prefix[0])
        .args(&prefix[1..])
        .args(["ip", "-br", "-4", "address"])
        .output()
        .expect("nsenter, of util-linux");
    let shown = String::from_utf8_lossy(&output.stdout);
    let address = network.address("n1").expect("a member").to_string();
    assert!(shown.contains(&address) && !shown.contains("eth0"), "{shown}");
}

#[test]
fn nothing_stays() {
    let Some(network) = network(2) else { return };
    let name = network.namespace("n1").expect("a member").name().to_owned();
    let path = std::path::Path::new("/run/netns").join(name);
    assert!(path.exists());
    drop(network);
    assert!(!path.exists(), "the namespace of a network that is gone");

    let mut gone = Command::new("true").spawn().expect("a process");
    let stale = format!("jepsen-{}-0-n1", gone.id());
    gone.wait().expect("it ends");
    assert!(Command::new("ip").args(["netns", "add", &stale]).status().expect("ip").success());
    let inside = |command: &str| {
        let mut process = Command::new("ip");
        process.args(["netns", "exec", &stale]).args(command.split(' '));
        process.spawn().expect("ip")
    };
    let mut left = inside("sleep 600");
    let pids = || {
        let output = Command::new("ip").args(["netns", "pids", &stale]).output().expect("ip");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    while pids() != left.id().to_string() {
        assert!(left.try_wait().expect("a child").is_none(), "it entered the namespace");
    }
    drop(self::network(1));
    assert!(!left.wait().expect("a child").success(), "a member of a crashed run is ended");
    assert!(!std::path::Path::new("/run/netns").join(&stale).exists());
}
