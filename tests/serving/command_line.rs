use std::path::Path;
use std::process::{Command, Output, Stdio};

use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use toml::Table;

use super::served::soon;
use super::support::{Http, Options, Orlop};

fn orlop(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orlop"));
    command.args(arguments).envs(environment.iter().copied()).current_dir(folder);
    command.output().unwrap()
}

/// The one line on stderr of a command that fails with this code.
fn refusal(code: i32, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let folder = TempDir::new().unwrap();
    let output = orlop(folder.path(), arguments, environment);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said.trim_end().to_owned()
}

fn shown(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Table {
    let arguments = [&["config", "show"], arguments].concat();
    let output = orlop(folder, &arguments, environment);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().parse().unwrap()
}

#[tokio::test]
async fn it_starts_without_any_setting_and_tells_a_password_once() {
    let folder = TempDir::new().unwrap();
    let mut first_password = None;
    for is_first in [true, false] {
        let mut server = tokio::process::Command::new(env!("CARGO_BIN_EXE_orlop"))
            .arg("serve")
            // The port that is the default may be taken on the machine of the tests.
            .env("ORLOP__SERVER__LISTEN", "127.0.0.1:0")
            .env_remove("ORLOP_ADMIN_PASSWORD")
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let line = soon(lines.next_line()).await.unwrap().unwrap();
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        assert!(folder.path().join("data/orlop.db").is_file());

        if is_first {
            let password = loop {
                let line = soon(lines.next_line()).await.unwrap().unwrap();
                if let Some((_, password)) = line.split_once("shown only now: ") {
                    break password.to_owned();
                }
            };
            first_password = Some(password);
        }
        let http = Http::new(url, None).signed_in_as("admin", first_password.as_ref().unwrap());
        assert_eq!(http.get("/v2/").await.status(), StatusCode::OK);

        let pid = server.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(soon(server.wait()).await.unwrap().success());
        if !is_first {
            assert_eq!(lines.next_line().await.unwrap(), None);
        }
    }
}

#[test]
fn unknown_settings_are_named_with_the_nearest() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("orlop.toml");
    std::fs::write(&file, "[server]\nlisten_on = \"127.0.0.1:5000\"\n").unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(
        refusal(2, &["serve", "--config", file], &[]),
        format!("orlop: {file}: there is no setting server.listen_on; did you mean server.listen?")
    );
    assert_eq!(
        refusal(2, &["config", "check"], &[("ORLOP__STORAGE__DATADIR", "x")]),
        "orlop: environment variable ORLOP__STORAGE__DATADIR: there is no setting \
         storage.datadir; did you mean ORLOP__STORAGE__DATA_DIR?"
    );
}

#[test]
fn wrong_settings_are_refused_with_what_is_right() {
    let message = refusal(2, &["serve", "--listen", "localhost"], &[]);
    assert!(message.contains("server.listen = localhost is not valid: use IP:PORT"), "{message}");
    let message = refusal(2, &["serve", "--tls-cert", "a.pem"], &[]);
    assert!(message.contains("server.tls_cert is set, but server.tls_key is not"), "{message}");
    let message = refusal(2, &["serve", "--config", "absent.toml"], &[]);
    assert!(message.contains("settings file absent.toml: No such file"), "{message}");
}

#[test]
fn what_stops_a_start_is_told_in_one_line() {
    let listen = ["serve", "--listen", "127.0.0.1:0"];
    let tls = ["--tls-cert", "absent.pem", "--tls-key", "absent.pem"];
    let message = refusal(1, &[&listen[..], &tls[..]].concat(), &[]);
    assert!(message.contains("server.tls_cert, absent.pem: "), "{message}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let message = refusal(1, &["serve", "--listen", &address], &[]);
    assert!(message.contains(&format!("cannot listen on {address}")), "{message}");
    assert!(message.contains("in use"), "{message}");
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = TempDir::new().unwrap();
    let file =
        "[server]\nlisten = \"127.0.0.1:1\"\nmax_connections = 7\nidle_timeout_seconds = 5\n";
    std::fs::write(folder.path().join("orlop.toml"), file).unwrap();
    let environment = [
        ("ORLOP_CONFIG", "orlop.toml"),
        ("ORLOP__SERVER__LISTEN", "127.0.0.1:2"),
        ("ORLOP__SERVER__MAX_CONNECTIONS", "8"),
        ("ORLOP__AUTH__ANONYMOUS_PULL", "public/*,docs"),
        ("ORLOP__METADATA__URL", "postgres://orlop:hush@db/orlop"),
    ];
    let shown = shown(folder.path(), &["--listen", "127.0.0.1:3"], &environment);
    assert_eq!(shown["server"]["listen"].as_str(), Some("127.0.0.1:3"));
    assert_eq!(shown["server"]["max_connections"].as_integer(), Some(8));
    assert_eq!(shown["server"]["idle_timeout_seconds"].as_integer(), Some(5));
    assert_eq!(shown["auth"]["anonymous_pull"].as_array().map(Vec::len), Some(2));
    assert_eq!(shown["metadata"]["url"].as_str(), Some("postgres://orlop:***@db/orlop"));
}

#[test]
fn the_commented_file_changes_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let with_file = shown(root, &["--config", "config/orlop.toml"], &[]);
    assert_eq!(with_file, shown(root, &[], &[]));
}

#[tokio::test]
async fn the_health_check_asks_the_server_of_the_settings() {
    let mut server = Orlop::start(Options::default()).await;
    let host = server.host();
    let arguments = ["healthcheck", "--listen", &host];
    let folder = TempDir::new().unwrap();
    assert!(orlop(folder.path(), &arguments, &[]).status.success());
    server.stop().await;
    assert_eq!(orlop(folder.path(), &arguments, &[]).status.code(), Some(1));

    let server = Orlop::start(Options { tls: true, ..Options::default() }).await;
    let (cert, key) = (server.certificate(), server.certificate().with_file_name("key.pem"));
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let host = server.host();
    let arguments = ["healthcheck", "--listen", &host, "--tls-cert", cert, "--tls-key", key];
    assert!(orlop(folder.path(), &arguments, &[]).status.success());
}

#[test]
fn shells_complete_its_words_and_man_knows_its_commands() {
    let folder = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = orlop(folder.path(), &["completions", shell], &[]);
        assert!(output.status.success(), "{output:?}");
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("orlop") && script.contains("show-manifests"), "{shell}");
    }
    let output = orlop(folder.path(), &["man", "pages"], &[]);
    assert!(output.status.success(), "{output:?}");
    for page in ["orlop.1", "orlop-serve.1", "orlop-repository-list.1"] {
        let text = std::fs::read_to_string(folder.path().join("pages").join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
}
