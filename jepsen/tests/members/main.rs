//! Real members on faulty disks, and whole runs against them.

mod disk;
mod member_on_disk;
mod run;
mod turnover;
