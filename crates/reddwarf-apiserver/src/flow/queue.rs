//! The queues of a priority level: fair among flows.

use super::seats::Ticket;
use std::collections::VecDeque;

/// How many queues there are and how long they get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueShape {
    /// Queues; none when requests that find no seat are refused.
    pub queues: usize,
    /// Queues among which a flow's requests choose the shortest.
    pub hand: usize,
    /// Requests that wait in one queue at most.
    pub length_max: usize,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Ticket, u32)>,
    /// Where the queue stands in the level's virtual time, which counts seats given.
    start: u64,
}

/// Requests that wait for seats.
#[derive(Debug, Default)]
pub struct Queues {
    shape: QueueShape,
    queues: Vec<Queue>,
    waiting: usize,
    now: u64,
}

impl Queues {
    /// Takes another shape; who waits goes on waiting.
    pub fn reshape(&mut self, shape: QueueShape) {
        self.shape = shape;
        if self.queues.len() < shape.queues {
            self.queues.resize_with(shape.queues, Queue::default);
        }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Whether requests can wait at all.
    pub fn can_wait(&self) -> bool {
        self.shape.queues > 0
    }

    /// Puts a request at the end of its flow's shortest queue; `false` when that is full.
    pub fn push(&mut self, flow: u64, ticket: Ticket, width: u32) -> bool {
        let hand = deal(flow, self.shape.queues, self.shape.hand);
        let Some(shortest) = hand.into_iter().min_by_key(|n| self.queues[*n].waiting.len()) else {
            return false;
        };
        let queue = &mut self.queues[shortest];
        if queue.waiting.len() >= self.shape.length_max {
            return false;
        }
        if queue.waiting.is_empty() {
            queue.start = queue.start.max(self.now);
        }
        queue.waiting.push_back((ticket, width));
        self.waiting += 1;
        true
    }

    /// The next request, of the queue that was given least (the first to come, where that is the
    /// same), if `fits` says so of its width.
    pub fn pop(&mut self, fits: impl FnOnce(u32) -> bool) -> Option<(Ticket, u32)> {
        let waiting = self.queues.iter_mut().filter(|queue| !queue.waiting.is_empty());
        let queue = waiting.min_by_key(|queue| (queue.start, queue.waiting.front().copied()))?;
        let (ticket, width) = *queue.waiting.front()?;
        if !fits(width) {
            return None;
        }
        queue.waiting.pop_front();
        self.waiting -= 1;
        self.now = queue.start;
        queue.start += u64::from(width);
        Some((ticket, width))
    }

    /// Takes a request out; `false` when it does not wait here.
    pub fn remove(&mut self, ticket: Ticket) -> bool {
        for queue in &mut self.queues {
            if let Some(at) = queue.waiting.iter().position(|(t, _)| *t == ticket) {
                queue.waiting.remove(at);
                self.waiting -= 1;
                return true;
            }
        }
        false
    }
}

/// `hand` different queues of `queues`, the same ones for a flow each time. Two flows rarely
/// share all of theirs (shuffle sharding).
fn deal(flow: u64, queues: usize, hand: usize) -> Vec<usize> {
    let mut rest = flow;
    let mut dealt: Vec<usize> = Vec::with_capacity(hand);
    for left in (1..=queues).rev().take(hand) {
        let mut card = (rest % left as u64) as usize;
        rest /= left as u64;
        // The card counts the queues that are not dealt yet.
        let mut sorted = dealt.clone();
        sorted.sort_unstable();
        for taken in sorted {
            if card >= taken {
                card += 1;
            }
        }
        dealt.push(card);
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn queues(queues: usize, length_max: usize) -> Queues {
        let mut made = Queues::default();
        made.reshape(QueueShape { queues, hand: 1, length_max });
        made
    }

    fn order(queues: &mut Queues) -> Vec<Ticket> {
        std::iter::from_fn(|| queues.pop(|_| true)).map(|(ticket, _)| ticket).collect()
    }

    #[test]
    fn flows_take_turns() {
        let mut queues = queues(2, 10);
        for ticket in 0..4 {
            assert!(queues.push(0, ticket, 1));
        }
        assert!(queues.push(1, 10, 1) && queues.push(1, 11, 1));
        let order = order(&mut queues);
        let place = |ticket| order.iter().position(|t| *t == ticket).expect("served");
        assert!(place(11) < place(2), "{order:?}");
        assert!(queues.is_empty());
    }

    #[test]
    fn a_wide_request_counts_for_more() {
        let mut queues = queues(2, 10);
        for ticket in 0..2 {
            queues.push(0, ticket, 5);
        }
        for ticket in 10..15 {
            queues.push(1, ticket, 1);
        }
        let order = order(&mut queues);
        assert_eq!(order.iter().position(|t| *t == 1), Some(6), "{order:?}");
    }

    #[test]
    fn what_was_not_used_is_not_saved() {
        let mut queues = queues(2, 10);
        for ticket in 0..6 {
            queues.push(0, ticket, 1);
        }
        for _ in 0..4 {
            queues.pop(|_| true);
        }
        for ticket in 10..14 {
            queues.push(1, ticket, 1);
        }
        let order = order(&mut queues);
        assert!(order.iter().position(|t| *t == 4).expect("served") <= 1, "{order:?}");
    }

    #[test]
    fn limits() {
        let mut queues = queues(1, 2);
        assert!(queues.push(0, 0, 1) && queues.push(0, 1, 1) && !queues.push(0, 2, 1));
        assert_eq!(queues.pop(|width| width > 1), None);
        assert!(queues.remove(0) && !queues.remove(0));
        assert_eq!(order(&mut queues), [1]);
        assert!(!Queues::default().push(0, 0, 1));
    }

    proptest! {
        #[test]
        fn a_hand_has_different_cards(flow: u64, queues in 1..200_usize, hand in 1..10_usize) {
            let hand = hand.min(queues);
            let mut dealt = deal(flow, queues, hand);
            prop_assert!(dealt.iter().all(|card| *card < queues));
            dealt.sort_unstable();
            dealt.dedup();
            prop_assert_eq!(dealt.len(), hand);
        }
    }
}
