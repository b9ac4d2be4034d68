//! The seats of all priority levels. Pure: no clock, no waiting.

use super::queue::{QueueShape, Queues};

/// One request that came.
pub type Ticket = u64;

/// What a priority level may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// No limit at all.
    pub exempt: bool,
    /// The level's share of all seats.
    pub nominal: u32,
    /// Of these, seats that are never lent.
    pub kept: u32,
    /// Seats in use at most, borrowed ones included.
    pub most: u32,
    /// Where requests wait.
    pub queues: QueueShape,
}

#[derive(Debug, Default)]
struct Level {
    name: String,
    shape: Shape,
    in_use: u32,
    queues: Queues,
}

/// What becomes of a request that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It has its seats.
    Seated,
    /// It waits.
    Queued,
    /// There is no place even to wait; the word of upstream's metric.
    Refused(&'static str),
}

/// All levels; a level keeps its number for good.
#[derive(Debug, Default)]
pub struct Seats {
    levels: Vec<Level>,
    tickets: Ticket,
}

impl Seats {
    /// Gives a level its shape, and makes it when it is new; its number.
    pub fn shape(&mut self, name: &str, shape: Shape) -> usize {
        let at = self.levels.iter().position(|level| level.name == name).unwrap_or_else(|| {
            self.levels.push(Level { name: name.to_owned(), ..Level::default() });
            self.levels.len() - 1
        });
        self.levels[at].shape = shape;
        self.levels[at].queues.reshape(shape.queues);
        at
    }

    /// Takes the seats from all levels that are not among `names`; who is there stays.
    pub fn retire_except(&mut self, names: &[&str]) {
        for level in self.levels.iter_mut().filter(|l| !names.contains(&l.name.as_str())) {
            let queues = level.shape.queues;
            level.shape = Shape { queues, ..Shape::default() };
        }
    }

    /// A request comes that needs `width` seats.
    pub fn arrive(&mut self, at: usize, flow: u64, width: u32) -> (Ticket, Arrival) {
        self.tickets += 1;
        let ticket = self.tickets;
        let level = &self.levels[at];
        if (level.shape.exempt || level.queues.is_empty()) && self.fits(at, width) {
            self.levels[at].in_use += width;
            return (ticket, Arrival::Seated);
        }
        let queues = &mut self.levels[at].queues;
        let arrival = match queues.can_wait() {
            false => Arrival::Refused("concurrency-limit"),
            true if queues.push(flow, ticket, width) => Arrival::Queued,
            true => Arrival::Refused("queue-full"),
        };
        (ticket, arrival)
    }

    /// A request that waits goes away; `false` when it has its seats already.
    pub fn cancel(&mut self, at: usize, ticket: Ticket) -> bool {
        self.levels[at].queues.remove(ticket)
    }

    /// A request that had seats has ended.
    pub fn leave(&mut self, at: usize, width: u32) {
        let in_use = &mut self.levels[at].in_use;
        *in_use = in_use.saturating_sub(width);
    }

    /// Seats whoever waits and finds room now.
    pub fn seat_waiting(&mut self) -> Vec<Ticket> {
        let mut seated = Vec::new();
        for at in 0..self.levels.len() {
            while !self.levels[at].queues.is_empty() {
                let mut queues = std::mem::take(&mut self.levels[at].queues);
                let next = queues.pop(|width| self.fits(at, width));
                self.levels[at].queues = queues;
                let Some((ticket, width)) = next else { break };
                self.levels[at].in_use += width;
                seated.push(ticket);
            }
        }
        seated
    }

    /// Whether a level may take so many seats more: its own that it never lends, else out of
    /// what all levels lend together. An idle level may always serve one request.
    fn fits(&self, at: usize, width: u32) -> bool {
        let level = &self.levels[at];
        let after = level.in_use.saturating_add(width);
        if level.shape.exempt || level.in_use == 0 || after <= level.shape.kept {
            return true;
        }
        let limited = || self.levels.iter().filter(|l| !l.shape.exempt);
        let lent: u32 = limited().map(|l| l.shape.nominal - l.shape.kept).sum();
        let borrowed: u32 = limited().map(|l| l.in_use.saturating_sub(l.shape.kept)).sum();
        let more = after - level.shape.kept - level.in_use.saturating_sub(level.shape.kept);
        after <= level.shape.most && borrowed.saturating_add(more) <= lent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(nominal: u32, kept: u32, most: u32) -> Shape {
        let queues = QueueShape { queues: 4, hand: 2, length_max: 3 };
        Shape { nominal, kept, most, queues, ..Shape::default() }
    }

    fn seated(seats: &mut Seats, level: usize, count: usize) -> usize {
        (0..count).filter(|_| seats.arrive(level, 0, 1).1 == Arrival::Seated).count()
    }

    #[test]
    fn a_level_keeps_its_own_and_borrows_what_others_lend() {
        let mut seats = Seats::default();
        let a = seats.shape("a", limited(10, 4, 100));
        let b = seats.shape("b", limited(10, 8, 100));
        assert_eq!(seated(&mut seats, a, 20), 4 + (6 + 2), "its own and all that is lent");
        assert_eq!(seated(&mut seats, b, 20), 8, "what it never lends");
    }

    #[test]
    fn borrowing_has_its_limit() {
        let mut seats = Seats::default();
        let a = seats.shape("a", limited(10, 4, 12));
        seats.shape("b", limited(100, 0, 100));
        assert_eq!(seated(&mut seats, a, 50), 12);
    }

    #[test]
    fn a_freed_seat_goes_to_whoever_waits() {
        let mut seats = Seats::default();
        let a = seats.shape("a", limited(2, 2, 2));
        assert_eq!(seated(&mut seats, a, 2), 2);
        let (first, arrival) = seats.arrive(a, 7, 1);
        assert_eq!(arrival, Arrival::Queued);
        let (second, _) = seats.arrive(a, 7, 1);
        assert!(seats.seat_waiting().is_empty());
        seats.leave(a, 1);
        assert_eq!(seats.seat_waiting(), [first]);
        assert!(!seats.cancel(a, first) && seats.cancel(a, second));
        seats.leave(a, 1);
        assert!(seats.seat_waiting().is_empty());
    }

    #[test]
    fn a_flow_fills_only_its_queues() {
        let mut seats = Seats::default();
        let a = seats.shape("a", limited(1, 1, 1));
        assert_eq!(seated(&mut seats, a, 1), 1);
        let refused =
            (0..20).filter(|_| matches!(seats.arrive(a, 0, 1).1, Arrival::Refused("queue-full")));
        assert_eq!(refused.count(), 20 - 2 * 3);
        let (_, another) = seats.arrive(a, 0b1110_0000, 1);
        assert_eq!(another, Arrival::Queued);
    }

    #[test]
    fn a_level_without_queues_refuses() {
        let mut seats = Seats::default();
        let shape = Shape { queues: QueueShape::default(), ..limited(1, 1, 1) };
        let a = seats.shape("a", shape);
        assert_eq!(seats.arrive(a, 0, 1).1, Arrival::Seated);
        assert_eq!(seats.arrive(a, 0, 1).1, Arrival::Refused("concurrency-limit"));
        let free = seats.shape("exempt", Shape { exempt: true, ..Shape::default() });
        assert_eq!(seated(&mut seats, free, 1_000), 1_000);
    }

    #[test]
    fn a_request_wider_than_its_level_is_served_alone() {
        let mut seats = Seats::default();
        let a = seats.shape("a", limited(2, 2, 2));
        assert_eq!(seats.arrive(a, 0, 5).1, Arrival::Seated);
        assert_eq!(seats.arrive(a, 0, 1).1, Arrival::Queued);
    }

    #[test]
    fn a_retired_level_serves_who_waits_there() {
        let mut seats = Seats::default();
        let a = seats.shape("a", limited(1, 1, 1));
        seats.arrive(a, 0, 1);
        let (waiting, _) = seats.arrive(a, 0, 1);
        seats.retire_except(&["b"]);
        assert!(seats.seat_waiting().is_empty());
        seats.leave(a, 1);
        assert_eq!(seats.seat_waiting(), [waiting]);
        assert_eq!(seats.shape("a", limited(3, 3, 3)), a, "the same level when it comes back");
    }
}
