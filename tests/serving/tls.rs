use std::path::Path;
use std::sync::Arc;

use reqwest::StatusCode;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::served::soon;
use super::support::{Http, Options, Orlop};

async fn start() -> Orlop {
    Orlop::start(Options { tls: true, ..Options::default() }).await
}

/// Puts a certificate and its key into the folder; the harness's server reads them from there.
fn renew(folder: &Path) {
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
}

/// Whether a new client that trusts only what the folder holds now reaches the server.
async fn is_reached(orlop: &Orlop) -> bool {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([certificate(&orlop.certificate())])
        .build()
        .unwrap();
    let answer = client.get(format!("{}/healthz", orlop.url())).send().await;
    answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
}

fn certificate(file: &Path) -> reqwest::Certificate {
    reqwest::Certificate::from_pem(&std::fs::read(file).unwrap()).unwrap()
}

async fn until_said(orlop: &Orlop, words: &str) {
    soon(async {
        while !orlop.output().contains(words) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn https_is_spoken_with_the_given_certificate() {
    let orlop = start().await;
    assert!(orlop.url().starts_with("https://"));
    let digest = orlop.http().push_blob("samples/app", "content").await;
    let answer = orlop.http().get(&format!("/v2/samples/app/blobs/{digest}")).await;
    assert_eq!(answer.bytes().await.unwrap(), "content");
}

#[tokio::test]
async fn clients_may_choose_http_2() {
    let orlop = start().await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(orlop.certificate()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    for offered in [vec![b"h2".to_vec(), b"http/1.1".to_vec()], vec![b"http/1.1".to_vec()]] {
        config.alpn_protocols.clone_from(&offered);
        let stream = TcpStream::connect(orlop.host()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config.clone())).connect(name, stream).await;
        assert_eq!(stream.unwrap().get_ref().1.alpn_protocol(), Some(offered[0].as_slice()));
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up() {
    let orlop = start().await;
    let old = Http::new(orlop.url(), Some(&orlop.certificate()));
    old.get("/healthz").await;
    renew(orlop.certificate().parent().unwrap());
    soon(async { while !is_reached(&orlop).await {} }).await;
    // Connections with the old certificate go on.
    assert_eq!(old.get("/healthz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_broken_certificate_leaves_the_old_one() {
    let orlop = start().await;
    let trusted = std::fs::read(orlop.certificate()).unwrap();
    std::fs::write(orlop.certificate(), "no certificate").unwrap();
    until_said(&orlop, "kept the old certificate").await;
    std::fs::write(orlop.certificate(), trusted).unwrap();
    until_said(&orlop, "took up the certificate").await;
    assert!(is_reached(&orlop).await);
}

#[tokio::test]
async fn a_hangup_reads_the_certificate_again() {
    let orlop = start().await;
    orlop.signal("-HUP").await;
    until_said(&orlop, "took up the certificate").await;
    assert!(is_reached(&orlop).await);
}

#[tokio::test]
async fn a_client_that_does_not_speak_tls_is_dropped() {
    let orlop = start().await;
    let plain = orlop.url().replace("https://", "http://");
    assert!(reqwest::get(format!("{plain}/healthz")).await.is_err());
    assert!(is_reached(&orlop).await);
}
