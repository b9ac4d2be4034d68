//! The API over a store in memory: verbs, custom kinds, HTTP, controllers, the scheduler.

mod branches;
mod changeset;
mod conflicts;
mod controllers;
mod conversion;
mod custom;
mod fuzz_targets;
mod history;
mod hook;
mod http;
mod many_definitions;
mod merging;
mod mutated_bodies;
mod nested;
mod objects;
mod retention;
mod scheduler;
mod store;
mod taking;
mod tokens;
mod world;
