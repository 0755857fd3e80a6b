//! The works: what each server is asked to do.

mod content;
mod lists;
pub mod names;
mod push;
mod reads;
mod starts;
mod writes;

pub use lists::{lists, pushed_tags};
pub use reads::{large_reads, prepare, small_reads};
pub use starts::{cold_start, idle_memory};
pub use writes::{Numbers, artifacts, at_once, one_by_one};
