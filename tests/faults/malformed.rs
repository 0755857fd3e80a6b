//! Broken HTTP and malformed requests over all routes: refused with a 4xx or by closing, never a
//! 5xx, no panic, nothing of a client's text outside its place in the answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::random::{Random, setting};
use super::support::http::expect;
use super::support::{ADMIN, Options, Orlop, PASSWORD};

/// Requests that are under way at once.
const AT_ONCE: usize = 8;

/// Far above what any answer takes.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// After so long without a byte, the server is taken to wait for more of a request.
const SILENCE: Duration = Duration::from_millis(300);

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const UUID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_are_refused_and_harm_nothing() {
    let count = setting("ORLOP_TORTURE_REQUESTS", 1_500);
    let mut random = Random::start();
    let config = Some("[server]\nheader_timeout_seconds = 5\nidle_timeout_seconds = 5\n".into());
    let orlop = Orlop::start(Options { config, ..Options::default() }).await;
    // Requests that are right by chance may change or delete this one, and no request names the other.
    orlop.http().push_artifact("a/b", "latest", b"layer").await;
    orlop.http().push_artifact("not-named", "latest", b"layer").await;
    let host: Arc<str> = orlop.host().into();
    let (mut under_way, mut answered, mut closed) = (JoinSet::new(), 0, 0);
    let mut early_memory = 0;
    for number in 0..count {
        if number == count / 4 {
            early_memory = orlop.peak_memory();
        }
        if under_way.len() >= AT_ONCE {
            let was_answered = under_way.join_next().await.expect("some are under way");
            *if was_answered.expect("it is refused well") { &mut answered } else { &mut closed } +=
                1;
        }
        let request = request(&mut random, &host);
        under_way.spawn(exchange(Arc::clone(&host), request));
    }
    under_way.join_all().await;
    expect(orlop.http().get("/v2/not-named/manifests/latest").await, reqwest::StatusCode::OK).await;
    assert!(!orlop.output().contains("panicked"), "{}", orlop.output());
    let growth = (orlop.peak_memory() - early_memory) >> 20;
    println!("{count} requests: {answered} answered, {closed} closed, {growth} MiB more memory");
    assert!(growth < 32, "memory grew by {growth} MiB after the first quarter");
}

/// Sends the bytes on a connection of their own; whether anything was answered.
async fn exchange(host: Arc<str>, request: Vec<u8>) -> bool {
    let answer = timeout(TIME_LIMIT, send(&host, &request)).await;
    let shown = || String::from_utf8_lossy(&request[..request.len().min(2_000)]).into_owned();
    let Ok(answer) = answer else { panic!("no end to this:\n{}", shown()) };
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    let is_5xx = text.lines().any(|line| line.starts_with("http/1.1 5"));
    let is_injected = text.lines().any(|line| line.starts_with("x-injected"));
    assert!(!is_5xx && !is_injected, "{text}\n--- is the answer to:\n{}", shown());
    assert!(answer.is_empty() || text.starts_with("http/1."), "{text}\n--- to:\n{}", shown());
    !answer.is_empty()
}

/// All that the server answers until it closes. When nothing comes any more, it gets to know that
/// nothing more is sent either.
async fn send(host: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(host).await.expect("the server takes connections");
    let (mut reading, mut writing) = stream.split();
    let sending = async {
        // The server may close before it has read everything.
        let _ = writing.write_all(request).await;
        writing
    };
    let receiving = async {
        let mut answer = Vec::new();
        // A reset after the answer is an end as well.
        while let Ok(Ok(1..)) = timeout(SILENCE, reading.read_buf(&mut answer)).await {}
        (reading, answer)
    };
    let (mut writing, (mut reading, mut answer)) = tokio::join!(sending, receiving);
    let _ = writing.shutdown().await;
    let _ = reading.read_to_end(&mut answer).await;
    answer
}

const METHODS: [&str; 16] = [
    "GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "GET", "POST", "OPTIONS", "TRACE", "CONNECT",
    "BREW", "get", "G\0T", "", "PRI",
];

/// `{name}` and the like stand for a value, mostly of that kind.
const TARGETS: [&str; 40] = [
    "/",
    "/v2",
    "/v2/",
    "/v2/_catalog?n={number}&last={text}",
    "/v2/{name}/tags/list?n={number}&last={text}",
    "/v2/{name}/manifests/{reference}",
    "/v2/{name}/manifests/{reference}?tag={text}&tag={reference}",
    "/v2/{name}/blobs/{digest}",
    "/v2/{name}/blobs/uploads/",
    "/v2/{name}/blobs/uploads/?digest={digest}",
    "/v2/{name}/blobs/uploads/?mount={digest}&from={name}",
    "/v2/{name}/blobs/uploads/?digest-algorithm={text}",
    "/v2/{name}/blobs/uploads/{uuid}?digest={digest}",
    "/v2/{name}/referrers/{digest}?artifactType={text}&n={number}&last={text}",
    "/acr/v1/_catalog?n={number}&last={text}",
    "/acr/v1/{name}",
    "/acr/v1/{name}/_tags?orderby={text}&n={number}&last={text}&digest={digest}&at={number}",
    "/acr/v1/{name}/_tags/{reference}",
    "/acr/v1/{name}/_manifests?orderby=timedesc&n={number}&last={text}&at={number}",
    "/acr/v1/{name}/_manifests/{digest}",
    "/acr/v1/_deleted/_catalog?n={number}&last={text}",
    "/acr/v1/_deleted/{name}/_tags?n={number}&last={text}&at={number}",
    "/acr/v1/_deleted/{name}/_manifests?n={number}&last={text}&at={number}",
    "/acr/v1/_deleted/{name}/_manifests/{digest}?force={text}",
    "/oauth2/token?service={text}&scope={text}&scope=repository:{name}:pull&client_id={text}",
    "/oauth2/token",
    "/oauth2/exchange",
    "/oauth2/sign-in?issuer={text}&return_to={text}",
    "/oauth2/callback?state={text}&code={text}&error={text}",
    "/.well-known/jwks.json",
    "/api/v1/me",
    "/api/v1/users?n={number}&last={text}",
    "/api/v1/users/u{text}",
    "/api/v1/users/u{text}/tokens/{uuid}",
    "/api/v1/principals/{uuid}/secrets/{uuid}",
    "/api/v1/scope-maps/{text}",
    "/api/v1/issuers/{text}/rules/{number}",
    "/api/v1/audit-events?n={number}&before={number}",
    "/healthz?{text}",
    "/metrics/{text}",
];

/// Text that no parameter expects.
const HOSTILE: [&str; 24] = [
    "",
    "%",
    "%zz",
    "%00",
    "a%00b",
    "%ff%fe",
    "%c0%af",
    "..",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f",
    "a//b",
    "a%0d%0aX-Injected:%201",
    "%0d%0aX-Injected:%201%0d%0a%0d%0a",
    "a%0aX-Injected:%201",
    "\"><script>",
    "%22,realm=%22https://evil.example/%22",
    "';DROP TABLE tags;--",
    "%27%20OR%201=1--",
    "{}",
    "é",
    "%E2%80%AE",
    "a%20b",
    "#",
    "?",
];

fn target(random: &mut Random) -> String {
    let mut target = String::new();
    for part in random.pick(&TARGETS).split_inclusive(['{', '}']) {
        match part.strip_suffix('}') {
            Some(kind) => {
                target.pop();
                target.push_str(&value(random, kind));
            }
            None => target.push_str(part),
        }
    }
    match random.below(60) {
        0 => target.insert_str(0, "http://evil.example"),
        1 => target.push_str(&"a/".repeat(40_000)),
        2 => target.push_str(&"?n=1&".repeat(10_000)),
        3 => target = target.replacen('/', "", 1),
        4 => target = target.replace('/', "//"),
        5 => "*".clone_into(&mut target),
        _ => {}
    }
    target
}

fn value(random: &mut Random, kind: &str) -> String {
    if kind == "text" || random.once_in(4) {
        return match random.below(12) {
            0 => "a".repeat(1 + random.below(5_000)),
            1 => (*random.pick(&["latest", "1.0", "sha512", "timeasc", "*", "true"])).to_owned(),
            _ => (*random.pick(&HOSTILE)).to_owned(),
        };
    }
    let values: &[&str] = match kind {
        "name" => &["a", "a/b", "a/b", "blobs/uploads", "A", "tags/list", "_deleted", "a/_tags"],
        "reference" => &["latest", "1.0", DIGEST, "sha256:00", ".x", "_"],
        "digest" => &[DIGEST, "sha256:", "sha512:00", "md5:d41d8cd98f00b204e9800998ecf8427e", ":"],
        "uuid" => &[UUID, "00000000-0000-0000-0000-000000000000", "x"],
        "number" => &["0", "1", "1000", "-1", "9223372036854775808", "1e9", "0x10", "+1", "٣"],
        other => panic!("no values of the kind {other}"),
    };
    (*random.pick(values)).to_owned()
}

/// The bytes of a request, whole or broken.
fn request(random: &mut Random, host: &str) -> Vec<u8> {
    let mut method = (*random.pick(&METHODS)).to_owned();
    if random.once_in(100) {
        method = "M".repeat(70_000);
    }
    let versions = ["HTTP/1.1"; 12];
    let versions =
        [&versions[..], &["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.1 x", ""]].concat();
    let mut head = format!("{method} {} {}\r\n", target(random), random.pick(&versions));
    host_header(random, host, &mut head);
    authorization(random, &mut head);
    for _ in 0..random.below(4) {
        head.push_str(&odd_header(random));
    }
    let body = body(random);
    let mut bytes = framed(random, head, &body);
    if random.once_in(4) {
        mutate(random, &mut bytes);
    }
    bytes
}

fn host_header(random: &mut Random, host: &str, head: &mut String) {
    let line = match random.below(16) {
        0 => String::new(),
        1 => format!("Host: {host}\r\nHost: evil.example\r\n"),
        2 => "Host: evil\",realm=\"https://evil.example\r\n".into(),
        3 => "Host: evil.example/../\r\n".into(),
        4 => format!("Host: {}\r\n", "h".repeat(300)),
        5 => format!("Host: {host}\r\nX-Forwarded-Proto: https\",x=\"\r\n"),
        6 => format!("Host: {host}\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil\r\n"),
        _ => format!("Host: {host}\r\n"),
    };
    head.push_str(&line);
}

fn authorization(random: &mut Random, head: &mut String) {
    use base64::Engine as _;
    let basic = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    let value = match random.below(24) {
        0..4 => return,
        4 => "Basic".to_owned(),
        5 => "Basic !!!".into(),
        6 => format!("Basic {}", basic("no colon".into())),
        7 => format!("Basic {}", basic("a\0\r\nX-Injected: 1:b".into())),
        8 => "Bearer".into(),
        9 => "Bearer a.b.c".into(),
        10 => "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.".into(),
        11 => format!("Bearer {}", "x".repeat(20_000)),
        12 => "Digest username=\"admin\"".into(),
        _ => format!("Basic {}", basic(format!("{ADMIN}:{PASSWORD}"))),
    };
    head.push_str(&format!("Authorization: {value}\r\n"));
}

fn odd_header(random: &mut Random) -> String {
    match random.below(22) {
        0 => "Range: bytes=0-,0-,0-,-1,5-2\r\n".into(),
        1 => format!("Range: bytes={}\r\n", "0-0,".repeat(2_000)),
        2 => "Range: bytes=18446744073709551615-18446744073709551616\r\n".into(),
        3 => "Content-Range: 0-18446744073709551615\r\n".into(),
        4 => "Content-Range: bytes 5-1/*\r\n".into(),
        5 => "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n".into(),
        6 => "Content-Type: \u{e9}/\u{0}\r\n".into(),
        7 => "Content-Type: application/x-www-form-urlencoded\r\n".into(),
        8 => "Content-Type: application/json\r\n".into(),
        9 => "Expect: 100-continue\r\n".into(),
        10 => {
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n".into()
        }
        11 => "X-Request-Id: a\tX-Injected: 1\r\n".into(),
        12 => "If-None-Match: W/\"x\", *\r\n".into(),
        13 => format!("X-Large: {}\r\n", "x".repeat(70_000)),
        14 => "X-Many: 1\r\n".repeat(150),
        15 => "X-Folded: a\r\n b\r\n".into(),
        16 => "No colon\r\n".into(),
        17 => "X-Null: \0\r\n".into(),
        18 => "X-Bare: a\rX-Injected: 1\r\n".into(),
        19 => ": no name\r\n".into(),
        20 => "Accept-Encoding: gzip, *;q=0\r\nAccept: ;;;\r\n".into(),
        _ => "Cookie: orlop_session=x; a=b; =\r\n".into(),
    }
}

fn body(random: &mut Random) -> Vec<u8> {
    match random.below(10) {
        0..4 => Vec::new(),
        4 => {
            let length = 1 + random.below(2_000);
            random.bytes(length)
        }
        5 => format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)).into(),
        6 => br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#.into(),
        7 => br#"{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:00","size":1e99},"layers":null}"#.into(),
        8 => b"grant_type=password&username=a%00&password=%ff&scope=repository:*:*&access_type=offline".into(),
        _ => br#"{"name":"u\u0000","password":"","tag":"\r\nX-Injected: 1","deleteEnabled":null,"writeEnabled":1}"#.into(),
    }
}

/// The head with a length or an encoding, true or not, and the body.
fn framed(random: &mut Random, mut head: String, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut chunked = format!("{length:x}\r\n").into_bytes();
    chunked.extend_from_slice(body);
    chunked.extend(b"\r\n0\r\n\r\n");
    let smuggled = b"GET /v2/ HTTP/1.1\r\nHost: smuggled\r\n\r\n";
    let (headers, body): (String, Vec<u8>) = match random.below(24) {
        0 => (format!("Content-Length: {}\r\n", length + 100), body.into()),
        1 => (format!("Content-Length: {length}\r\n"), [body, smuggled].concat()),
        2 => (format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), body.into()),
        3 => (format!("Content-Length: {length}, {length}\r\n"), body.into()),
        4 => (format!("Content-Length: +{length}\r\n"), body.into()),
        5 => ("Content-Length: -1\r\n".into(), body.into()),
        6 => ("Content-Length: 99999999999999999999999\r\n".into(), body.into()),
        7 => ("Transfer-Encoding: chunked\r\n".into(), chunked),
        8 => (format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"), chunked),
        9 => (
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n".into(),
            [&chunked, &smuggled[..]].concat(),
        ),
        10 => ("Transfer-Encoding: chunked, chunked\r\n".into(), chunked),
        11 => ("Transfer-Encoding: xchunked\r\n".into(), chunked),
        12 => ("Transfer-Encoding : chunked\r\n".into(), chunked),
        13 => ("Transfer-Encoding: chunked\r\n".into(), b"fffffffffffffffff\r\nx".into()),
        14 => ("Transfer-Encoding: chunked\r\n".into(), b"-1\r\nx\r\n0\r\n\r\n".into()),
        15 => ("Transfer-Encoding: chunked\r\n".into(), b"1\nx\n0\n\n".into()),
        16 => (
            "Transfer-Encoding: chunked\r\n".into(),
            format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(70_000)).into(),
        ),
        17 => (
            "Transfer-Encoding: chunked\r\n".into(),
            b"0\r\nX-Injected: 1\r\nContent-Length: 5\r\n\r\n".into(),
        ),
        _ => (format!("Content-Length: {length}\r\n"), body.into()),
    };
    head.push_str(&headers);
    if random.once_in(20) {
        head = head.replace("\r\n", "\n");
    }
    if !random.once_in(20) {
        head.push_str("\r\n");
    }
    [head.into_bytes(), body].concat()
}

/// Changes, removes or doubles some bytes.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        // Near the beginning, where there is more to break.
        let place = random.below(bytes.len().min(600));
        match random.below(4) {
            0 => bytes[place] = random.bytes(1)[0],
            1 => _ = bytes.remove(place),
            2 => bytes.insert(place, *random.pick(b"\r\n\0 %:\xff")),
            _ => bytes.truncate(place),
        }
    }
}

mod smuggling {
    use super::*;

    const GOOD: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

    /// How many answers come to these bytes, and the first.
    async fn answers(start: &str) -> (usize, String) {
        let orlop = Orlop::start(Options::default()).await;
        let answer = send(&orlop.host(), start.as_bytes()).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        (text.matches("HTTP/1.1 ").count(), text.lines().next().unwrap_or_default().to_owned())
    }

    /// Two readers of such a head could disagree where the next request begins.
    #[tokio::test]
    async fn after_a_head_of_two_lengths_nothing_more_is_read() {
        for framing in [
            "Content-Length: 0\r\nContent-Length: 5",
            "Content-Length: 5\r\nContent-Length: 0",
            "Content-Length: 0\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 0",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding : chunked",
            "Content-Length: +0",
            "Content-Length: 0x0",
        ] {
            let start =
                format!("POST /v2/ HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n0\r\n\r\n{GOOD}");
            let (count, first) = answers(&start).await;
            assert!(count <= 1, "{framing}: {count} answers, the first: {first}");
        }
        let (count, first) = answers(&format!("{GOOD}{GOOD}")).await;
        assert_eq!((count, first.as_str()), (2, "HTTP/1.1 200 OK"), "else this test tells nothing");
    }
}

/// What a client says of the host must not lead others, or itself, elsewhere.
#[tokio::test]
async fn a_configured_address_is_not_changed_by_a_client() {
    let config = Some("[server]\npublic_url = \"https://r.example.com\"\n".into());
    let orlop = Orlop::start(Options { config, ..Options::default() }).await;
    let request = "GET /v2/a/tags/list HTTP/1.1\r\nHost: evil.example\r\n\
                   X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\n\
                   Forwarded: host=evil.example\r\nConnection: close\r\n\r\n";
    let answer = send(&orlop.host(), request.as_bytes()).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("realm=\"https://r.example.com/oauth2/token\""), "{text}");
    assert!(!text.contains("evil"), "{text}");
}
