//! Orlop, a self-hosted registry for OCI artifacts and container images.

pub mod oci;
