//! Groups of real members in one process: their lines are real, their disks as well.

mod failed_log;
mod group;
mod joining;
mod levels;
mod lost_leader;
mod refusals;
mod repair;
mod repeated;
mod roots;
mod three_nodes;
mod wiped;
