//! How fast the switch is: run with `--ignored --nocapture`.

use crate::ends::{connect, network};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const ROUNDS: usize = 20_000;
const STREAM_BYTES: usize = 512 << 20;
const BUFFER_BYTES: usize = 256 << 10;

fn loopback() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("an address");
    let target = listener.local_addr().expect("bound");
    let client = TcpStream::connect(target).expect("a connection");
    let (server, _) = listener.accept().expect("a connection");
    client.set_nodelay(true).expect("an option");
    server.set_nodelay(true).expect("an option");
    (client, server)
}

fn round_trip((mut client, mut server): (TcpStream, TcpStream)) -> Duration {
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

/// Bytes in a second.
fn throughput((mut client, mut server): (TcpStream, TcpStream)) -> f64 {
    let sink = std::thread::spawn(move || {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut left = STREAM_BYTES;
        while left > 0 {
            left -= server.read(&mut buffer).expect("a client");
        }
    });
    let buffer = vec![7; BUFFER_BYTES];
    let start = Instant::now();
    for _ in 0..STREAM_BYTES / BUFFER_BYTES {
        client.write_all(&buffer).expect("a server");
    }
    sink.join().expect("a sink");
    STREAM_BYTES as f64 / start.elapsed().as_secs_f64()
}

#[test]
#[ignore = "a measurement"]
fn speed_against_loopback() {
    let Some(network) = network(2) else { return };
    let packets = || network.counters(&network.lines()).expect("lines").passed;
    println!("loopback: {:?} a round trip", round_trip(loopback()));
    println!("loopback: {:.0} MB/s", throughput(loopback()) / 1e6);
    println!("switch: {:?} a round trip", round_trip(connect(&network, "n1", "n2")));
    let (before, start) = (packets(), Instant::now());
    let rate = throughput(connect(&network, "n1", "n2"));
    let packets = (packets() - before) as f64 / start.elapsed().as_secs_f64();
    println!("switch: {:.0} MB/s in {packets:.0} packets/s", rate / 1e6);
}
