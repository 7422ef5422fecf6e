//! The way out through a proxy: who is asked, and what is asked of nobody.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_provider_kit::{AddressPolicy, Call, HttpClient, HttpSettings, SystemClock};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

/// Answers everything with this word, and tells what it was sent.
async fn answering(word: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 65536];
            let read = stream.read(&mut buffer).await.unwrap_or(0);
            let _ended = told.send(String::from_utf8_lossy(&buffer[..read]).into_owned());
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{word}",
                word.len()
            );
            let _gone = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, heard)
}

fn through(proxy: SocketAddr, allowed: &str) -> HttpClient {
    let settings = HttpSettings {
        proxy: Some(SecretString::from(format!("http://bot:s3cret@{proxy}"))),
        ..HttpSettings::default()
    };
    let policy = Arc::new(AddressPolicy::new(allowed).unwrap());
    HttpClient::new(policy, &settings, Arc::new(SystemClock)).unwrap()
}

fn get(url: &str) -> Call {
    Call::get("test", "read", Url::parse(url).unwrap())
}

#[tokio::test]
async fn vendors_are_called_through_the_proxy_with_its_password() {
    let (proxy, mut heard) = answering("from the proxy").await;
    // A name that only the proxy could resolve (RFC 6761: `.invalid` never is one).
    let answer = through(proxy, "")
        .send(get("http://vendor.invalid/x?y=1"))
        .await
        .unwrap();
    assert_eq!(answer.status.as_u16(), 200);
    let request = heard.recv().await.unwrap();
    assert!(
        request.starts_with("GET http://vendor.invalid/x?y=1 HTTP/1.1"),
        "{request}"
    );
    assert!(
        request
            .to_ascii_lowercase()
            .contains("proxy-authorization: basic"),
        "{request}"
    );
}

#[tokio::test]
async fn hosts_that_the_operator_named_are_called_directly() {
    let (proxy, mut at_the_proxy) = answering("from the proxy").await;
    let (inside, mut heard) = answering("from inside").await;
    let client = through(proxy, &format!("localhost:{}", inside.port()));
    let url = format!("http://localhost:{}/jenkins", inside.port());
    client.send(get(&url)).await.unwrap();
    assert!(heard.recv().await.unwrap().starts_with("GET /jenkins HTTP/1.1"));
    assert!(at_the_proxy.try_recv().is_err());
}

#[tokio::test]
async fn the_proxy_is_no_way_to_what_lies_inside() {
    let (proxy, mut at_the_proxy) = answering("from the proxy").await;
    for url in [
        "http://127.0.0.1:9/",
        "http://localhost:9/",
        "http://169.254.169.254/latest",
    ] {
        let refused = through(proxy, "").send(get(url)).await.unwrap_err();
        assert_eq!(
            (refused.kind, refused.certainty),
            (ProviderErrorKind::Refused, Certainty::NotDone),
            "{url}"
        );
    }
    assert!(at_the_proxy.try_recv().is_err());
}
