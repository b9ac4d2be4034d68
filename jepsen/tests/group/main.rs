//! What a group promises while something is wrong: three real members, on hosts, disks and clocks
//! of their own.

mod clocks;
mod cut_off;
mod disks;
mod endpoints;
mod trio;
