//! What must not break, tried by machine: kills under load, random operations against a model,
//! broken HTTP, greedy clients, a full disk, power failures,
//! a disk with errors. `docs/reliability.md` says what each stands for.
//!
//! In short forms here; `tests/torture` runs the long ones. All choices follow from a seed, which a
//! failing test prints; `ORLOP_TORTURE_SEED` takes it.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses its part of the harness")]
mod support;

mod crash;
mod data;
mod full_disk;
mod greedy;
mod histories;
mod io_errors;
mod linearizability;
mod malformed;
mod model;
mod operation;
mod power_loss;
mod properties;
mod random;
mod sequences;
mod soak;
mod stock;
mod uploader;
