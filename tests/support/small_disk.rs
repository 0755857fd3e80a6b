//! A server on a small file system of its own, which only it sees and which ends with it.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// Whether file systems can be mounted here; if not, the test is to be skipped.
///
/// # Errors
/// Why it cannot be done.
pub async fn is_possible() -> Result<(), String> {
    let mut attempt = command(Path::new("/mnt"), 1, "true");
    let output = attempt.stdin(Stdio::null()).output().await;
    let output = output.map_err(|error| format!("unshare cannot be run: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The program, in a mount namespace where `folder` is a file system of `mib` MiB.
pub(super) fn command(folder: &Path, mib: u32, program: &str) -> Command {
    let script =
        r#"mkdir -p "$1" && mount -t tmpfs -o "size=$2m" tmpfs "$1" && shift 2 && exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(folder);
    command.arg(mib.to_string()).arg(program);
    command
}
