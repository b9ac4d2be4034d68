//! How fast the switch is. Not a test of correctness: run with `--ignored --nocapture`.

use jepsen::net::{NetError, Network};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const ROUNDS: usize = 20_000;
const STREAM_BYTES: usize = 512 << 20;

type Within<'a> = &'a dyn Fn(&mut (dyn FnMut() + Send));

/// A connection whose ends are where `client` and `server` lead.
fn connect(address: IpAddr, client: Within<'_>, server: Within<'_>) -> (TcpStream, TcpStream) {
    let mut listener = None;
    server(&mut || listener = Some(TcpListener::bind((address, 0)).expect("an address")));
    let listener = listener.expect("bound");
    let target = listener.local_addr().expect("bound");
    let mut stream = None;
    client(&mut || stream = Some(TcpStream::connect(target).expect("a connection")));
    let stream = stream.expect("connected");
    stream.set_nodelay(true).expect("an option");
    let (accepted, _) = listener.accept().expect("a connection");
    accepted.set_nodelay(true).expect("an option");
    (stream, accepted)
}

fn round_trips(mut client: TcpStream, mut server: TcpStream) -> Duration {
    let echo = std::thread::spawn(move || {
        let mut packet = [0; 64];
        while server.read_exact(&mut packet).is_ok() {
            server.write_all(&packet).expect("a client");
        }
    });
    let mut packet = [7; 64];
    let start = Instant::now();
    for _ in 0..ROUNDS {
        client.write_all(&packet).expect("a server");
        client.read_exact(&mut packet).expect("an answer");
    }
    let took = start.elapsed();
    drop(client);
    echo.join().expect("an echo");
    took / ROUNDS as u32
}

fn throughput(mut client: TcpStream, mut server: TcpStream) -> f64 {
    let sink = std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 18];
        let mut left = STREAM_BYTES;
        while left > 0 {
            left -= server.read(&mut buffer).expect("a client");
        }
    });
    let buffer = vec![7; 1 << 18];
    let start = Instant::now();
    for _ in 0..STREAM_BYTES / buffer.len() {
        client.write_all(&buffer).expect("a server");
    }
    sink.join().expect("a sink");
    STREAM_BYTES as f64 / start.elapsed().as_secs_f64() / 1e6
}

#[test]
#[ignore = "a measurement"]
fn against_loopback() {
    let here = |inside: &mut (dyn FnMut() + Send)| inside();
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let (client, server) = connect(loopback, &here, &here);
    println!("loopback: {:?} a round trip", round_trips(client, server));
    let (client, server) = connect(loopback, &here, &here);
    println!("loopback: {:.0} MB/s", throughput(client, server));

    let names = ["n1".to_owned(), "n2".to_owned()];
    let network = match Network::create(&names, 1) {
        Ok(network) => network,
        Err(error) => return println!("SKIPPED: {error}"),
    };
    let inside = |member: &str, inside: &mut (dyn FnMut() + Send)| {
        let namespace = network.namespace(member).expect("a member");
        namespace.within(|| Ok::<_, NetError>(inside())).expect("entered");
    };
    let (n1, n2) = (|f: &mut _| inside("n1", f), |f: &mut _| inside("n2", f));
    let address = IpAddr::from(network.address("n2").expect("a member"));
    let (client, server) = connect(address, &n1, &n2);
    println!("switch, member to member: {:?} a round trip", round_trips(client, server));
    let before = network.counters(&network.lines()).expect("lines");
    let (client, server) = connect(address, &here, &n2);
    println!("switch, client to member: {:?} a round trip", round_trips(client, server));
    let (client, server) = connect(address, &n1, &n2);
    let start = Instant::now();
    let rate = throughput(client, server);
    let packets = (network.counters(&network.lines()).expect("lines") - before).passed;
    let packets = packets.saturating_sub(2 * ROUNDS as u64);
    println!(
        "switch, member to member: {rate:.0} MB/s, {:.0} packets/s",
        packets as f64 / start.elapsed().as_secs_f64()
    );
}
