//! How the C library's allocator gives memory back.
//!
//! By itself it raises its thresholds to the largest block that was ever freed, and from then on
//! keeps that much in each of its arenas. After one password check (9 MiB) a server with 32 uploads
//! held 350 MiB; with the thresholds fixed it holds 50 MiB.

/// Blocks from this size on, in bytes, are given back when they are freed. Above the buffers of
/// transfers, which come and go all the time.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 1 << 20;

/// Bytes that may be free at the end of an arena. Above the batches of an upload: given back after each,
/// they cost a page fault for every page of a body.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const FREE: libc::c_int = 4 << 20;

/// Fixes the thresholds. To be called before other threads start.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "mallopt is a C function")]
pub fn give_back_early() {
    // SAFETY: mallopt takes two integers and is called before there are other threads.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, FREE);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back_early() {}
