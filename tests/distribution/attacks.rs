//! Paths that lead out, lines that forge a log, headers that lie about who asks, connections that
//! are cut.

use std::path::Path;

use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::http::{OCI_INDEX, expect};
use super::support::{ADMIN, Options, Orlop, PASSWORD, digest_of};

/// All that comes on a connection of its own.
async fn send(orlop: &Orlop, request: &[u8]) -> String {
    let mut connection = TcpStream::connect(orlop.host()).await.unwrap();
    // The server may close before it has read everything.
    let _ = connection.write_all(request).await;
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn basic(name: &str, password: &str) -> String {
    use base64::Engine as _;
    let text = format!("{name}:{password}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn no_path_leads_out_of_the_data_folder() {
    let orlop = Orlop::start(Options::default()).await;
    let outside = orlop.data_dir().parent().unwrap().join("outside");
    std::fs::write(&outside, "nobody may read this").unwrap();
    let authorization = basic(ADMIN, PASSWORD);
    let digest = digest_of("x");
    for up in
        ["../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "..%c0%af", "%252e%252e%252f", "..;/"]
    {
        let up = up.repeat(6);
        for target in [
            format!("/{up}outside"),
            format!("/v2/{up}outside"),
            format!("/v2/{up}outside/manifests/latest"),
            format!("/v2/a/blobs/{up}outside"),
            format!("/v2/a/blobs/sha256:{up}outside"),
            format!("/v2/a/manifests/{up}outside"),
            format!("/v2/a/blobs/uploads/{up}outside"),
            format!("/v2/a/blobs/uploads/{up}outside?digest={digest}"),
            format!("/v2/a/blobs/uploads/?digest=sha256:{up}outside"),
            format!("/v2/a/blobs/uploads/?mount={digest}&from={up}outside"),
            format!("/acr/v1/{up}outside"),
            format!("/acr/v1/a/_tags/{up}outside"),
            format!("/api/v1/users/{up}outside"),
        ] {
            for method in ["GET", "PUT", "POST", "DELETE"] {
                let request = format!(
                    "{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\
                     Content-Length: 1\r\nConnection: close\r\n\r\nx"
                );
                let answer = send(&orlop, request.as_bytes()).await;
                assert!(!answer.contains("nobody may read"), "{method} {target}: {answer}");
                assert!(answer.starts_with("HTTP/1.1 4"), "{method} {target}: {answer}");
            }
        }
    }
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "nobody may read this");
    let beside = files(outside.parent().unwrap());
    let of_database = |path: &String| path.contains("orlop.db");
    assert!(
        beside.iter().all(|path| of_database(path) || path.ends_with("/outside")),
        "{beside:?}"
    );
}

#[tokio::test]
async fn nobody_writes_lines_into_the_log_or_the_answer() {
    let orlop = Orlop::start(Options::default()).await;
    let forged = "x\r\nforged-line: yes\nforged-line: yes";
    let encoded = "x%0d%0aforged-line:%20yes%0aforged-line:%20yes";
    let http = orlop.anonymous();
    // By name and password, which are Base64 and may hold anything.
    let guess = http.signed_in_as(forged, "wrong").get("/v2/").await;
    expect(guess, StatusCode::UNAUTHORIZED).await;
    let signed_in = orlop.http();
    for path in [
        format!("/v2/{encoded}/tags/list"),
        format!("/v2/a/manifests/{encoded}"),
        format!("/v2/_catalog?last={encoded}"),
        format!("/oauth2/token?service={encoded}&scope={encoded}&client_id={encoded}"),
        format!("/api/v1/users/{encoded}"),
        format!("/{encoded}"),
    ] {
        let answer = signed_in.get(&path).await;
        assert!(!answer.headers().contains_key("forged-line"), "{path}");
    }
    let request = format!(
        "GET /v2/ HTTP/1.1\r\nHost: x\r\nUser-Agent: a\tforged-line: b\x1b[2J\r\n\
         X-Request-Id: {encoded}\r\nReferer: {encoded}\r\nConnection: close\r\n\r\n"
    );
    send(&orlop, request.as_bytes()).await;
    expect(signed_in.get("/v2/").await, StatusCode::OK).await;
    let output = orlop.output();
    let is_forged = |line: &str| line.trim_start().starts_with("forged-line");
    assert!(!output.lines().any(is_forged) && !output.contains('\x1b'), "{output}");
}

/// A guesser who invents an address for each guess is one guesser all the same.
#[tokio::test]
async fn addresses_that_no_trusted_proxy_vouches_for_do_not_count() {
    let config = Some("[server]\ntrusted_proxies = [\"192.0.2.1\"]\n".into());
    let orlop = Orlop::start(Options { config, ..Options::default() }).await;
    let mut last = String::new();
    for n in 0..8 {
        let request = format!(
            "GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nX-Forwarded-For: 198.51.100.{n}\r\n\
             Forwarded: for=198.51.100.{n}\r\nX-Real-IP: 198.51.100.{n}\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n",
            basic(ADMIN, "a wrong guess")
        );
        last = send(&orlop, request.as_bytes()).await;
        assert!(!last.contains("evil.example") && !last.contains("https://"), "{last}");
    }
    assert!(last.starts_with("HTTP/1.1 429"), "{last}");
}

/// Of a request whose connection is cut at any byte there is all or nothing.
#[tokio::test]
async fn connections_that_are_cut_leave_nothing_half_done() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let authorization = basic(ADMIN, PASSWORD);
    let mut done = 0;
    for n in 0..24 {
        let blob = format!("content {n} ").repeat(2_000);
        let annotations = serde_json::json!({ "n": n.to_string() });
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": annotations,
        });
        let index = index.to_string();
        let (method, path, shown, kind, body) = if n % 2 == 0 {
            let digest = digest_of(&blob);
            let path = format!("/v2/a/blobs/uploads/?digest={digest}");
            ("POST", path, format!("/v2/a/blobs/{digest}"), "application/octet-stream", blob)
        } else {
            let path = format!("/v2/a/manifests/tag-{n}");
            ("PUT", path.clone(), path, OCI_INDEX, index)
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let head = request.len() - body.len();
        let cut = match n / 2 % 4 {
            0 => head + body.len() * n / 24,
            1 => request.len() - 1,
            2 => head / 2,
            // Cut before the answer.
            _ => request.len(),
        };
        let mut connection = TcpStream::connect(orlop.host()).await.unwrap();
        connection.write_all(&request.as_bytes()[..cut]).await.unwrap();
        drop(connection);
        // A request after it, so that there is nothing to wait for but what it left.
        let answer = http.get(&shown).await;
        match answer.status() {
            StatusCode::OK => {
                assert_eq!(cut, request.len(), "{method} was cut at {cut}");
                assert_eq!(answer.text().await.unwrap(), body);
                done += 1;
            }
            status => assert_eq!(status, StatusCode::NOT_FOUND, "{method} was cut at {cut}"),
        }
    }
    println!("{done} of those that were cut before their answer were done by then");
    assert!(!orlop.output().contains("panicked"), "{}", orlop.output());
}
