//! Access control: tokens, administration, attacks.

mod administration;
mod attacks;
mod federation;
mod harness;
mod matrix;
mod oidc_provider;
mod tokens;
