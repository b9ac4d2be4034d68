//! Which transaction must have been before which, and cycles in that.
//!
//! | edge | a is before b, since |
//! |---|---|
//! | ww | b appended right after a to one list |
//! | wr | b was shown a list that ends with what a appended |
//! | rw | a was shown a list that does not have yet what b appended next |
//! | real time | a had ended before b began |
//!
//! The names of cycles are Adya's: G0 of ww alone, G1c with wr, G-single and G2 with one rw and with
//! more; a cycle that needs real time breaks strictness alone.

use super::Txn;
use super::lists::{List, Lists};
use crate::checker::findings::Findings;
use crate::trace::{NEVER, Trace};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::{EdgeFiltered, EdgeRef};
use std::collections::{HashMap, HashSet, VecDeque};

/// In a component no more transactions than this are tried as the start of a cycle.
const STARTS_MAX: usize = 32;

/// Why one is before the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Ww,
    Wr,
    Rw,
    RealTime,
}

/// An edge, with the element that it is about.
#[derive(Clone, Copy)]
struct Before {
    why: Why,
    key: u64,
    val: i64,
}

/// A transaction by its place; none is a moment, at which all that was answered by then is over.
type Graph = DiGraph<Option<usize>, Before>;

/// Draws the graph and tells its cycles, the simplest ones first.
pub(super) fn check(trace: &Trace, lists: &Lists, txns: &[Txn], findings: &mut Findings) {
    let graph = draw(lists, txns);
    findings.figure("dependencies", graph.edge_count() as u64);
    let mut told: HashSet<NodeIndex> = HashSet::new();
    for level in [Why::Ww, Why::Wr, Why::Rw, Why::RealTime] {
        let part = EdgeFiltered::from_fn(&graph, |edge| edge.weight().why <= level);
        for component in kosaraju_scc(&part) {
            let fresh = component.len() > 1 && component.iter().all(|node| !told.contains(node));
            if let Some(cycle) = fresh.then(|| shortest(&graph, &component, level)).flatten() {
                told.extend(&component);
                tell(trace, txns, &graph, &cycle, findings);
            }
        }
    }
}

fn draw(lists: &Lists, txns: &[Txn]) -> Graph {
    let mut graph = Graph::new();
    let happened = txns.iter().enumerate().filter(|(_, txn)| txn.happened);
    let nodes: HashMap<usize, NodeIndex> =
        happened.map(|(at, _)| (at, graph.add_node(Some(at)))).collect();
    let mut edge = |from: usize, to: usize, before: Before| {
        if let (Some(a), Some(b), true) = (nodes.get(&from), nodes.get(&to), from != to) {
            graph.add_edge(*a, *b, before);
        }
    };
    for (key, list) in &lists.by_key {
        draw_list(*key, list, lists, &mut edge);
    }
    draw_time(txns, &nodes, &mut graph);
    graph
}

fn draw_list(key: u64, list: &List, lists: &Lists, edge: &mut impl FnMut(usize, usize, Before)) {
    let before = |why, val| Before { why, key, val };
    let writer = |place: usize| lists.writer(key, *list.order.get(place)?);
    // What comes after so many elements: the next, or what nobody saw.
    let next = |count: usize| -> Vec<(i64, usize)> {
        match list.order.get(count) {
            Some(val) => writer(count).map(|by| (*val, by)).into_iter().collect(),
            None => list.unseen.clone(),
        }
    };
    for place in 0..list.order.len() {
        let Some(by) = writer(place) else { continue };
        next(place + 1).into_iter().for_each(|(val, to)| edge(by, to, before(Why::Ww, val)));
    }
    for (reader, count) in &list.reads {
        if let Some(by) = count.checked_sub(1).and_then(writer) {
            edge(by, *reader, before(Why::Wr, list.order[count - 1]));
        }
        next(*count).into_iter().for_each(|(val, to)| edge(*reader, to, before(Why::Rw, val)));
    }
}

/// Real time as a chain of moments, for an edge between any two would be too many.
fn draw_time(txns: &[Txn], nodes: &HashMap<usize, NodeIndex>, graph: &mut Graph) {
    let mut lines: Vec<(u64, bool, NodeIndex)> = Vec::new();
    for (at, node) in nodes {
        let call = txns[*at].call;
        lines.push((call.invoked.index, false, *node));
        if call.returned() != NEVER {
            lines.push((call.returned(), true, *node));
        }
    }
    lines.sort_unstable();
    let time = Before { why: Why::RealTime, key: 0, val: 0 };
    let mut moment: Option<NodeIndex> = None;
    for (_, ends, node) in lines {
        if ends {
            let next = graph.add_node(None);
            graph.add_edge(node, next, time);
            moment.map(|last| graph.add_edge(last, next, time));
            moment = Some(next);
        } else if let Some(moment) = moment {
            graph.add_edge(moment, node, time);
        }
    }
}

/// The shortest cycle within a component, as edges.
fn shortest(graph: &Graph, component: &[NodeIndex], level: Why) -> Option<Vec<EdgeIndex>> {
    let within: HashSet<NodeIndex> = component.iter().copied().collect();
    let mut starts: Vec<NodeIndex> =
        component.iter().copied().filter(|node| graph[*node].is_some()).collect();
    starts.sort_unstable();
    let cycles = starts.into_iter().take(STARTS_MAX);
    let cycles = cycles.filter_map(|start| cycle(graph, &within, start, level));
    cycles.min_by_key(|edges| txns_of(graph, edges).len())
}

/// The shortest way from a node back to it.
fn cycle(
    graph: &Graph,
    within: &HashSet<NodeIndex>,
    start: NodeIndex,
    level: Why,
) -> Option<Vec<EdgeIndex>> {
    let mut came_by: HashMap<NodeIndex, EdgeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut edges: Vec<_> = graph.edges(node).collect();
        edges.sort_by_key(|edge| (edge.weight().why, edge.id()));
        for edge in edges {
            let to = edge.target();
            let usable = edge.weight().why <= level && within.contains(&to);
            if !usable || came_by.contains_key(&to) {
                continue;
            }
            came_by.insert(to, edge.id());
            if to == start {
                return Some(way_back(graph, &came_by, start));
            }
            queue.push_back(to);
        }
    }
    None
}

fn way_back(
    graph: &Graph,
    came_by: &HashMap<NodeIndex, EdgeIndex>,
    start: NodeIndex,
) -> Vec<EdgeIndex> {
    let mut edges = Vec::new();
    let mut at = start;
    loop {
        let edge = came_by[&at];
        edges.push(edge);
        at = graph.edge_endpoints(edge).expect("invariant: an edge of this graph").0;
        if at == start {
            edges.reverse();
            return edges;
        }
    }
}

/// The transactions of a cycle, from that of the first edge.
fn txns_of(graph: &Graph, edges: &[EdgeIndex]) -> Vec<usize> {
    let from = |edge: &EdgeIndex| graph.edge_endpoints(*edge).and_then(|(from, _)| graph[from]);
    edges.iter().filter_map(from).collect()
}

fn tell(trace: &Trace, txns: &[Txn], graph: &Graph, edges: &[EdgeIndex], findings: &mut Findings) {
    let whys = || edges.iter().map(|edge| graph[*edge].why);
    let kind = match (whys().max(), whys().filter(|why| *why == Why::Rw).count()) {
        (Some(Why::RealTime), _) => "real-time-cycle",
        (Some(Why::Rw), 1) => "G-single",
        (Some(Why::Rw), _) => "G2",
        (Some(Why::Wr), _) => "G1c",
        _ => "G0",
    };
    let calls = txns_of(graph, edges).into_iter().map(|at| txns[at].call);
    findings.found_in(kind, calls, || {
        let steps: Vec<String> =
            edges.iter().filter_map(|edge| step(trace, txns, graph, *edge)).collect();
        format!(
            "each of these was before the next, and the last before the first: {}",
            steps.join("; ")
        )
    });
}

/// A transaction, and why it was before the next.
fn step(trace: &Trace, txns: &[Txn], graph: &Graph, edge: EdgeIndex) -> Option<String> {
    let (from, _) = graph.edge_endpoints(edge)?;
    let Before { why, key, val } = graph[edge];
    let why = match why {
        Why::Ww => format!("{val} was appended to list {key} after it"),
        Why::Wr => format!("its {val} in list {key} was read"),
        Why::Rw => format!("it did not see {val} in list {key}"),
        Why::RealTime => "it had ended".to_owned(),
    };
    Some(format!("{} ({why})", trace.describe(txns[graph[from]?].call)))
}
