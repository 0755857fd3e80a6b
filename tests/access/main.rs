//! Access control: tokens, administration, attacks.

mod administration;
mod attacks;
mod harness;
mod matrix;
mod tokens;
