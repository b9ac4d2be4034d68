//! Groups of real processes, and the programs that people point at them.

mod atomic_apply;
mod backup;
mod by_hand;
mod certificates;
mod client_libraries;
mod client_programs;
mod compat;
mod custom_group;
mod damage;
mod deploy;
mod faults;
mod full_disk;
mod helm;
mod kubectl;
mod machines;
mod members;
mod merge_under_fire;
mod monitoring;
mod readme;
mod recovery;
mod repair;
mod replicated_store;
mod retention;
mod rewind;
mod up_down;
mod upgrade;
