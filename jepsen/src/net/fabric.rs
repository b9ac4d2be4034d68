//! All links, and the packets that wait on them. No I/O, no clock.

use super::link::Link;
use super::{Counters, Rules};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// An end's number: 0 is the clients', members follow.
pub type End = usize;

/// All links between `ends` ends, and the packets that wait on them.
#[derive(Debug)]
pub struct Fabric {
    ends: usize,
    links: Vec<Link>,
    held: BinaryHeap<Reverse<Held>>,
    next_number: u64,
}

/// A packet that waits. The first fields are its order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    due: Instant,
    number: u64,
    from: End,
    to: End,
    place: u64,
    again: bool,
    packet: Box<[u8]>,
}

impl Fabric {
    /// Links between `ends` ends, which pass everything on. Each has random choices of its own, so
    /// that what one link does depends only on what is sent over it.
    pub fn new(ends: usize, seed: u64) -> Fabric {
        let links = (0..ends * ends).map(|link| Link::new(seed ^ ((link as u64) << 32))).collect();
        Fabric { ends, links, held: BinaryHeap::new(), next_number: 0 }
    }

    /// What a link does.
    pub fn rules(&self, from: End, to: End) -> Rules {
        self.links[from * self.ends + to].rules()
    }

    /// What a link has done.
    pub fn counters(&self, from: End, to: End) -> Counters {
        self.links[from * self.ends + to].counters()
    }

    /// Lets a link do something else. What waits on it is due at once, lest what a healed link
    /// carries stays behind what a broken one held.
    pub fn set_rules(&mut self, from: End, to: End, rules: Rules, now: Instant) {
        self.link(from, to).set_rules(rules);
        let mut held = std::mem::take(&mut self.held).into_vec();
        for Reverse(packet) in &mut held {
            if (packet.from, packet.to) == (from, to) {
                packet.due = packet.due.min(now);
            }
        }
        self.held = held.into();
    }

    /// Takes a packet. How often it is to be handed over at once; 0 when it waits or is dropped.
    pub fn offer(&mut self, now: Instant, from: End, to: End, packet: &[u8]) -> usize {
        let link = self.link(from, to);
        let Some(fate) = link.offer(now, packet.len()) else { return 0 };
        let copies = [Some(false), fate.twice.then_some(true)].into_iter().flatten();
        let Some(due) = fate.due else {
            return copies.map(|again| link.hand_over(fate.place, again)).count();
        };
        for again in copies {
            let number = self.next_number;
            self.next_number += 1;
            let packet = packet.into();
            let held = Held { due, number, from, to, place: fate.place, again, packet };
            self.held.push(Reverse(held));
        }
        0
    }

    /// When the next waiting packet is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.held.peek().map(|Reverse(held)| held.due)
    }

    /// A packet that has waited long enough, and where it goes.
    pub fn take_due(&mut self, now: Instant) -> Option<(End, Box<[u8]>)> {
        while self.next_due()? <= now {
            let Reverse(held) = self.held.pop()?;
            if self.link(held.from, held.to).release(held.packet.len(), held.place, held.again) {
                return Some((held.to, held.packet));
            }
        }
        None
    }

    fn link(&mut self, from: End, to: End) -> &mut Link {
        &mut self.links[from * self.ends + to]
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::HELD_BYTES_MAX;
    use super::super::{Delay, Reorder};
    use super::*;
    use std::time::Duration;

    const A: End = 0;
    const B: End = 1;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn fabric(rules: Rules) -> (Fabric, Instant) {
        let now = Instant::now();
        let mut fabric = Fabric::new(2, 7);
        fabric.set_rules(A, B, rules, now);
        (fabric, now)
    }

    /// Sends numbered packets from A to B, one a millisecond; when each came, and its number.
    fn send(fabric: &mut Fabric, start: Instant, packets: u8) -> Vec<(Duration, u8)> {
        let mut came = Vec::new();
        let mut now = start;
        for tick in 0..1000 {
            now = start + ms(tick);
            while let Some((to, packet)) = fabric.take_due(now) {
                assert_eq!(to, B);
                came.push((now - start, packet[0]));
            }
            if tick < packets.into() {
                let at_once = fabric.offer(now, A, B, &[tick as u8]);
                came.extend(std::iter::repeat_n((now - start, tick as u8), at_once));
            }
        }
        assert_eq!(fabric.next_due(), None, "nothing is left at {now:?}");
        came
    }

    fn numbers(came: &[(Duration, u8)]) -> Vec<u8> {
        came.iter().map(|(_, number)| *number).collect()
    }

    #[test]
    fn passes_everything_at_once_by_default() {
        let (mut fabric, now) = fabric(Rules::default());
        let came = send(&mut fabric, now, 100);
        assert!(came.iter().all(|(at, number)| *at == ms((*number).into())));
        assert_eq!(numbers(&came), (0..100).collect::<Vec<_>>());
        let counters = fabric.counters(A, B);
        assert_eq!(counters, Counters { passed: 100, ..Counters::default() });
    }

    #[test]
    fn cuts_one_way_only() {
        let (mut fabric, now) = fabric(Rules { cut: true, ..Rules::default() });
        assert_eq!(fabric.offer(now, A, B, b"x"), 0);
        assert_eq!(fabric.offer(now, B, A, b"x"), 1);
        assert_eq!(fabric.counters(A, B), Counters { cut: 1, ..Counters::default() });
    }

    #[test]
    fn delays_in_order_within_the_jitter() {
        let delay = Some(Delay { mean: ms(50), jitter: ms(20) });
        let (mut fabric, now) = fabric(Rules { delay, ..Rules::default() });
        let came = send(&mut fabric, now, 100);
        assert_eq!(numbers(&came), (0..100).collect::<Vec<_>>());
        for (at, number) in &came {
            let late = *at - ms((*number).into());
            assert!(late >= ms(30) && late <= ms(71), "{number} came {late:?} late");
        }
        assert_eq!(fabric.counters(A, B).delayed, 100);
        assert_eq!(fabric.counters(A, B).reordered, 0);
    }

    #[test]
    fn loses_and_repeats_as_counted() {
        let (mut fabric, now) = fabric(Rules { loss: 0.3, duplicate: 0.2, ..Rules::default() });
        let came = send(&mut fabric, now, 200);
        let counters = fabric.counters(A, B);
        assert_eq!(counters.passed + counters.lost, 200);
        assert_eq!(came.len() as u64, counters.passed + counters.duplicated);
        assert!((40..80).contains(&counters.lost), "{counters:?}");
        assert!((15..45).contains(&counters.duplicated), "{counters:?}");
    }

    #[test]
    fn counts_what_was_overtaken() {
        let reorder = Some(Reorder { probability: 0.1, by: ms(3) });
        let (mut fabric, now) = fabric(Rules { reorder, duplicate: 0.5, ..Rules::default() });
        let came = send(&mut fabric, now, 200);
        let mut first_copies = numbers(&came);
        let mut seen = [false; 200];
        first_copies.retain(|number| !std::mem::replace(&mut seen[usize::from(*number)], true));
        let late = first_copies.iter().scan(0, |highest, number| {
            let late = number < highest;
            *highest = (*highest).max(*number);
            Some(late)
        });
        let late = late.filter(|late| *late).count() as u64;
        assert!(late > 5, "{first_copies:?}");
        assert_eq!(fabric.counters(A, B).reordered, late);
    }

    #[test]
    fn the_same_seed_does_the_same() {
        let rules = Rules { loss: 0.5, ..Rules::default() };
        let run = || {
            let (mut fabric, now) = fabric(rules);
            numbers(&send(&mut fabric, now, 200))
        };
        assert_eq!(run(), run());
        let (mut other, now) = (Fabric::new(2, 8), Instant::now());
        other.set_rules(A, B, rules, now);
        assert_ne!(run(), numbers(&send(&mut other, now, 200)));
    }

    #[test]
    fn a_rate_spreads_packets_out_and_a_full_queue_drops() {
        let (mut fabric, now) =
            fabric(Rules { rate_bytes_per_s: Some(1 << 20), ..Rules::default() });
        let packet = vec![0; 1 << 16];
        for _ in 0..(2 * HELD_BYTES_MAX) >> 16 {
            assert_eq!(fabric.offer(now, A, B, &packet), 0);
        }
        assert_eq!(fabric.counters(A, B).overflowed, (HELD_BYTES_MAX >> 16) as u64);
        assert!(fabric.take_due(now + ms(62)).is_none(), "16 packets a second pass");
        let passed = std::iter::from_fn(|| fabric.take_due(now + ms(1000))).count();
        assert_eq!(passed, 16);
    }

    #[test]
    fn what_waits_comes_before_what_is_sent_after_healing() {
        let delay = Some(Delay { mean: ms(500), jitter: ms(0) });
        let (mut fabric, now) = fabric(Rules { delay, ..Rules::default() });
        assert_eq!(fabric.offer(now, A, B, b"x"), 0);
        fabric.set_rules(A, B, Rules::default(), now + ms(1));
        assert_eq!(fabric.next_due(), Some(now + ms(1)));
    }

    #[test]
    fn what_waits_on_a_link_that_is_cut_is_dropped() {
        let delay = Some(Delay { mean: ms(5), jitter: ms(0) });
        let (mut fabric, now) = fabric(Rules { delay, ..Rules::default() });
        assert_eq!(fabric.offer(now, A, B, b"x"), 0);
        fabric.set_rules(A, B, Rules { cut: true, delay, ..Rules::default() }, now + ms(1));
        assert!(fabric.take_due(now + ms(9)).is_none());
        assert_eq!(fabric.counters(A, B), Counters { cut: 1, ..Counters::default() });
    }
}
