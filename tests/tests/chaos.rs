//! Members are killed, paused and stopped at random during writes. The seed is printed;
//! `REDDWARF_SEED` repeats its choices and `REDDWARF_CHAOS_SECONDS` lengthens the run.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use reddwarf_tests::trial::Trial;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// How long faults are done.
const LENGTH: Duration = Duration::from_secs(40);

/// What is done to members.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// SIGKILL to so many at once; they are started again.
    Kill(usize),
    /// SIGSTOP, and SIGCONT after some time.
    Pause,
    /// SIGTERM; it is started again.
    Stop,
}

/// One is drawn at a time.
const FAULTS: [Fault; 7] = [
    Fault::Kill(1),
    Fault::Kill(1),
    Fault::Kill(2),
    Fault::Kill(3),
    Fault::Pause,
    Fault::Pause,
    Fault::Stop,
];

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_no_change_is_missed() {
    let seed = number("REDDWARF_SEED").unwrap_or_else(rand::random);
    let length = number("REDDWARF_CHAOS_SECONDS").map_or(LENGTH, Duration::from_secs);
    println!("REDDWARF_SEED={seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let trial = Trial::start().await;
    let end = Instant::now() + length;
    while Instant::now() < end {
        let fault = *FAULTS.choose(&mut random).expect("faults");
        inflict(&trial, fault, &mut random).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..1_500))).await;
    }
    trial.check().await;
}

/// Does one fault to members drawn at random, and undoes it.
async fn inflict(trial: &Trial, fault: Fault, random: &mut SmallRng) {
    let count = if let Fault::Kill(count) = fault { count } else { 1 };
    let victims: Vec<u16> = [1, 2, 3].choose_multiple(random, count).copied().collect();
    let meanwhile = Duration::from_millis(random.random_range(0..2_500));
    println!("{fault:?} {victims:?} for {meanwhile:?}");
    let cluster = &trial.cluster;
    let signal = match fault {
        Fault::Kill(_) => Signal::KILL,
        Fault::Pause => Signal::STOP,
        Fault::Stop => Signal::TERM,
    };
    for victim in &victims {
        cluster.signal(*victim, signal);
    }
    if matches!(fault, Fault::Pause) {
        tokio::time::sleep(meanwhile).await;
        cluster.signal(victims[0], Signal::CONT);
        return;
    }
    for victim in &victims {
        cluster.wait_gone(*victim).await;
    }
    tokio::time::sleep(meanwhile).await;
    cluster.start_missing().await;
}
