//! The client against a real listener: what arrives, what is refused, and what is known of the effect.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_provider_kit::{AddressPolicy, Answer, Call, Deps, HttpClient, HttpSettings, SystemClock, paging};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

/// Answers each connection with the next of these texts; none left: closes it. Tells what it was sent.
async fn serve(answers: Vec<String>) -> (Url, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let (told, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 65536];
            let read = stream.read(&mut buffer).await.unwrap_or(0);
            let _ = told.send(String::from_utf8_lossy(&buffer[..read]).into_owned());
            if let Some(answer) = answers.next() {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    (url, requests)
}

fn answer(head: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn client() -> HttpClient {
    Deps::for_tests(std::env::temp_dir()).unwrap().http
}

fn get(url: &Url) -> Call {
    Call::get("test", "read", url.clone())
}

fn post(url: &Url) -> Call {
    Call::post("test", "write", url.clone())
}

async fn fails(call: Call) -> ProviderError {
    client().send(call).await.and_then(Answer::success).unwrap_err()
}

#[tokio::test]
async fn a_lost_answer_leaves_a_write_unknown() {
    let (url, _requests) = serve(vec![]).await;
    let error = fails(post(&url)).await;
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Unavailable, Certainty::Unknown)
    );
    assert_eq!(fails(get(&url)).await.certainty, Certainty::NotDone);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_a_write_unknown() {
    let (url, _requests) = serve(vec![
        "HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{".to_owned(),
    ])
    .await;
    let error = fails(post(&url)).await;
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Unavailable, Certainty::Unknown)
    );
}

#[tokio::test]
async fn a_refused_connection_is_surely_not_done() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = fails(post(&url)).await;
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Unavailable, Certainty::NotDone)
    );
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_total_timeout() {
    let (url, _requests) = serve(vec![
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nslow".to_owned(),
    ])
    .await;
    // The listener drops the stream at once here, so hold it open with one that never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let quiet = Url::parse(&format!("http://{}/", silent.local_addr().unwrap())).unwrap();
    let error = fails(post(&quiet).timeout(Duration::from_millis(80))).await;
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Unavailable, Certainty::Unknown)
    );
    assert!(
        error.sentence.contains("did not answer within"),
        "{}",
        error.sentence
    );
    assert_eq!(fails(get(&url)).await.kind, ProviderErrorKind::Unavailable);
}

#[tokio::test]
async fn statuses_become_classes_with_words_and_hints() {
    let throttled = answer(
        "429 Too Many Requests\r\nretry-after: 9",
        "{\"message\":\"slow down, tok3n-abc\"}",
    );
    let broken = answer("500 Internal Server Error", "oops");
    let (url, mut requests) = serve(vec![throttled, broken]).await;
    let token = SecretString::from("tok3n-abc");
    let error = fails(post(&url).bearer(&token)).await;
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Throttled, Certainty::NotDone)
    );
    assert_eq!(error.retry_after, Some(Duration::from_secs(9)));
    assert_eq!(error.vendor.as_deref(), Some("slow down, [redacted]"));
    assert!(!format!("{error} {error:?}").contains("tok3n-abc"));
    assert!(
        requests
            .recv()
            .await
            .unwrap()
            .contains("authorization: Bearer tok3n-abc")
    );
    let error = fails(post(&url)).await;
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Unavailable, Certainty::Unknown)
    );
}

#[tokio::test]
async fn answers_that_are_too_large_are_malformed() {
    let (url, _requests) = serve(vec![
        "HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\nx".to_owned(),
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "y".repeat(5000)),
    ])
    .await;
    assert_eq!(fails(get(&url)).await.kind, ProviderErrorKind::Malformed);
    let error = fails(post(&url).max_answer(4096)).await;
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Malformed, Certainty::Unknown)
    );
}

#[tokio::test]
async fn pages_and_other_shapes_are_malformed() {
    let (url, _requests) = serve(vec![
        answer(
            "200 OK\r\ncontent-type: text/html",
            "<html><title>Sign in</title></html>",
        ),
        answer("200 OK\r\ncontent-type: application/json", "{\"a\":"),
        answer("200 OK\r\ncontent-type: application/json", "{\"a\":1}"),
    ])
    .await;
    let client = client();
    for _ in 0..2 {
        let error = client
            .send(get(&url))
            .await
            .unwrap()
            .json::<serde_json::Value>()
            .unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Malformed);
    }
    let json: serde_json::Value = client.send(get(&url)).await.unwrap().json().unwrap();
    assert_eq!(json["a"], 1);
}

#[tokio::test]
async fn redirects_stay_on_their_host() {
    let (other, mut elsewhere) = serve(vec![answer("200 OK", "stolen")]).await;
    let (url, mut requests) = serve(vec![
        answer(&format!("302 Found\r\nlocation: {other}"), ""),
        answer("302 Found\r\nlocation: /there", ""),
        answer("200 OK", "here"),
        answer("303 See Other\r\nlocation: /queue/item/7/", ""),
    ])
    .await;
    let token = SecretString::from("tok3n-abc");
    let error = fails(get(&url).bearer(&token)).await;
    assert_eq!(error.kind, ProviderErrorKind::Refused);
    assert!(elsewhere.try_recv().is_err(), "the other host was called");
    assert_eq!(&client().send(get(&url)).await.unwrap().body[..], b"here");
    let seen = client().send(post(&url)).await.unwrap();
    assert_eq!(
        (seen.status.as_u16(), seen.header("location")),
        (303, Some("/queue/item/7/"))
    );
    let mut count = 0;
    while requests.try_recv().is_ok() {
        count += 1;
    }
    assert_eq!(count, 4);
}

#[tokio::test]
async fn private_addresses_are_refused_by_literal_and_by_name() {
    let (url, mut requests) = serve(vec![]).await;
    let port = url.port().unwrap();
    let with = |allowed: &str| {
        let policy = Arc::new(AddressPolicy::new(allowed).unwrap());
        HttpClient::new(policy, &HttpSettings::default(), Arc::new(SystemClock)).unwrap()
    };
    for target in [
        url.clone(),
        Url::parse(&format!("http://localhost:{port}/")).unwrap(),
    ] {
        let error = with("").send(post(&target)).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Refused, Certainty::NotDone),
            "{target}"
        );
        let error = with(&format!("localhost:{}", port ^ 1))
            .send(post(&target))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Refused, "{target}");
    }
    assert!(requests.try_recv().is_err(), "a refused address was called");
    let named = Url::parse(&format!("http://localhost:{port}/")).unwrap();
    let error = with(&format!("localhost:{port}"))
        .send(post(&named))
        .await
        .unwrap_err();
    assert_eq!(
        error.kind,
        ProviderErrorKind::Unavailable,
        "allowed, though the answer is lost"
    );
}

#[tokio::test]
async fn the_next_page_must_be_on_the_same_host() {
    let (url, _requests) = serve(vec![
        answer("200 OK\r\nlink: </list?page=2>; rel=\"next\"", "[]"),
        answer("200 OK\r\nlink: <https://evil.example/list>; rel=\"next\"", "[]"),
        answer("200 OK", "[]"),
    ])
    .await;
    let client = client();
    let first = client.send(get(&url)).await.unwrap();
    assert_eq!(
        paging::next_link(&first).unwrap().unwrap().query(),
        Some("page=2")
    );
    let second = client.send(get(&url)).await.unwrap();
    assert_eq!(
        paging::next_link(&second).unwrap_err().kind,
        ProviderErrorKind::Refused
    );
    let last = client.send(get(&url)).await.unwrap();
    assert_eq!(paging::next_link(&last).unwrap(), None);
}
