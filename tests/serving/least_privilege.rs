//! As the image runs it: an account without rights, all file systems read-only but the data folder.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::support::{ADMIN, Http, PASSWORD, small_disk, tool};

/// `USER` of the Dockerfile.
const ACCOUNT: &str = "65532";
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A mount namespace where only `$1` can be written to, and no right is left.
const SCRIPT: &str = r#"
    mount --bind "$1" "$1" && mount -o remount,bind,ro / &&
    ! touch /orlop-was-here 2>/dev/null &&
    cd / && exec setpriv --reuid "$2" --regid "$2" --clear-groups --no-new-privs \
        --inh-caps=-all --bounding-set=-all \
        "$1/orlop" serve --listen 127.0.0.1:0 --data-dir "$1/data"
"#;

#[tokio::test]
async fn it_serves_as_nobody_with_a_read_only_root() {
    if let Err(reason) = small_disk::is_possible().await {
        return tool::skip("mount namespaces", &reason);
    }
    let folder = TempDir::with_prefix("orlop-test-").expect("cannot create a folder");
    // The account may not see where the program was built.
    std::fs::copy(env!("CARGO_BIN_EXE_orlop"), folder.path().join("orlop")).expect("cannot copy");
    std::fs::create_dir(folder.path().join("data")).expect("cannot create a folder");
    let owner = format!("{ACCOUNT}:{ACCOUNT}");
    let owned = Command::new("chown").arg("-R").arg(owner).arg(folder.path()).status().await;
    assert!(owned.is_ok_and(|status| status.success()));

    let mut server = start(folder.path());
    let stdout = server.stdout.take().expect("stdout is piped");
    // Kept, as the server has more to say.
    let mut lines = BufReader::new(stdout).lines();
    let line = tokio::time::timeout(TIME_LIMIT, lines.next_line()).await;
    let line = line.expect("the server says nothing").expect("it says text").unwrap_or_default();
    let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("it says {line:?}"));
    let http = Http::new(url.trim_end_matches('/').to_owned(), None).signed_in_as(ADMIN, PASSWORD);
    let digest = http.push_artifact("a", "latest", b"layer").await;
    let pulled = http.get(&format!("/v2/a/manifests/{digest}")).await;
    assert_eq!(pulled.status(), 200);

    let pid = server.id().expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.expect("the status has it").trim().to_owned()
    };
    assert_eq!(value("Uid:"), [ACCOUNT; 4].join("\t"));
    assert_eq!(value("CapEff:"), "0000000000000000");
    assert_eq!(value("CapBnd:"), "0000000000000000");
}

fn start(folder: &Path) -> Child {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", SCRIPT, "sh"]).arg(folder).arg(ACCOUNT);
    command
        .env("ORLOP_ADMIN_PASSWORD", PASSWORD)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("unshare was there before")
}
