//! How many files and connections the process may have open.
//!
//! Systems start programs with a limit of 1024 for the sake of old ones, and let them raise it. With
//! as many idle connections, no blob could be opened any more.

/// Raises the limit as far as the system allows. To be called before other threads start.
#[cfg(unix)]
#[allow(unsafe_code, reason = "getrlimit and setrlimit are C functions")]
pub fn allow_many() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both take a pointer that is good for the call, and change nothing else of ours.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            // If it is refused, all stays as it was.
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

#[cfg(not(unix))]
pub fn allow_many() {}
