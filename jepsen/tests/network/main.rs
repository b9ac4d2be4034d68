//! Real namespaces, real packets. Skipped, aloud, where the system allows no namespaces.

mod ends;
mod reddwarf;
mod speed;

use ends::{Way, line, names, network, udp};
use jepsen::net::{CLIENTS, Counters, Delay, Grudge, Network, Reorder, Rules};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    let start = Instant::now();
    let (mut sender, mut receiver) = ends::connect(network, "n1", "n2");
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
fn nothing_stays_of_a_network_that_is_gone() {
    let Some(network) = network(2) else { return };
    let name = network.namespace("n1").expect("a member").name().to_owned();
    assert!(names_of_namespaces().contains(&name));
    drop(network);
    assert!(!names_of_namespaces().contains(&name));
}

#[test]
fn what_a_killed_run_leaves_is_removed_with_its_processes() {
    if network(1).is_none() {
        return;
    }
    let mut run = Command::new("sleep").arg("60").spawn().expect("a process");
    let stale = format!("jepsen-{}-0-n1", run.id());
    assert!(Command::new("ip").args(["netns", "add", &stale]).status().expect("ip").success());
    let mut member = Command::new("nsenter")
        .args([&format!("--net=/run/netns/{stale}"), "sh", "-c", "echo inside; exec sleep 60"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("nsenter");
    let mut inside = [0; 7];
    member.stdout.take().expect("a pipe").read_exact(&mut inside).expect("it enters");

    drop(network(1));
    assert!(names_of_namespaces().contains(&stale), "its run lives");
    run.kill().expect("a child");
    run.wait().expect("a child");
    drop(network(1));
    assert!(!names_of_namespaces().contains(&stale), "its run is gone");
    assert_eq!(member.wait().expect("a child").signal(), Some(9));
}

fn names_of_namespaces() -> Vec<String> {
    let names = std::fs::read_dir("/run/netns").expect("namespaces with names").flatten();
    names.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
