//! What is told of calls: what their adapter makes of them, once each, without secrets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::ports::error::ProviderErrorKind;
use delivr_domain::ports::health::{Called, Expiry, Gauge, Health, LastCall};
use delivr_domain::ports::provider::Credentials;
use delivr_provider_kit::{Answer, Call, Deps, HttpClient, Limits, plain_limits};
use secrecy::SecretString;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

#[derive(Default)]
struct Book(Mutex<Vec<Health>>);

impl Gauge for Book {
    fn told(&self, health: Health) {
        self.0.lock().unwrap().push(health);
    }
}

impl Book {
    fn taken(&self) -> Vec<Health> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
    fn last(&self) -> LastCall {
        let told = self.taken();
        assert_eq!(told.len(), 1, "told once: {told:?}");
        told[0].last_call.clone().unwrap()
    }
}

/// Answers every connection with the same text.
async fn serve(answer: String) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 65536];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

fn answer(head: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn clients() -> (HttpClient, HttpClient, Arc<Book>) {
    let plain = Deps::for_tests(std::env::temp_dir()).unwrap().http;
    let book = Arc::new(Book::default());
    let credentials = Credentials::default().told_to(book.clone());
    (plain.clone(), plain.of(&credentials), book)
}

fn get(url: &Url) -> Call {
    Call::get("test", "read", url.clone())
}

#[tokio::test]
async fn what_came_of_a_call_is_told_once_and_of_this_client_alone() {
    let (plain, told, book) = clients();
    for (head, outcome) in [
        ("200 OK", Called::Answered),
        ("404 Not Found", Called::Answered),
        ("422 Unprocessable", Called::Answered),
        ("401 Unauthorized", Called::Refused),
        ("403 Forbidden", Called::Refused),
        ("429 Too Many Requests", Called::Throttled),
        ("503 Unavailable", Called::Failed),
    ] {
        let url = serve(answer(head, "{\"message\": \"said so\"}")).await;
        let _answer = plain.send(get(&url)).await.unwrap();
        assert_eq!(book.taken(), [], "nobody keeps the account of the other client");
        let got = told.clone().send(get(&url)).await.unwrap();
        let again = got.clone();
        drop(got);
        assert_eq!(book.taken(), [], "{head}: the adapter still reads it");
        drop(again);
        let call = book.last();
        assert_eq!(
            (call.outcome, call.operation.as_str()),
            (outcome, "read"),
            "{head}"
        );
        let answered = outcome == Called::Answered;
        assert_eq!(call.detail.is_none(), answered, "{head}");
        assert_eq!(call.vendor.as_deref(), (!answered).then_some("said so"), "{head}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", closed.local_addr().unwrap())).unwrap();
    drop(closed);
    told.send(get(&url)).await.unwrap_err();
    let call = book.last();
    assert_eq!(call.outcome, Called::Unreachable);
    assert!(call.detail.unwrap().contains("cannot be reached"));
}

#[tokio::test]
async fn an_adapter_has_the_last_word_on_an_answer() {
    let (_plain, told, book) = clients();
    let url = serve(answer("200 OK", "{\"ok\": false, \"error\": \"invalid_auth\"}")).await;
    let got = told.send(get(&url)).await.unwrap();
    let _error = got.error(ProviderErrorKind::Unauthenticated, "renew the token");
    drop(got);
    let call = book.last();
    assert_eq!(
        (call.outcome, call.detail.as_deref()),
        (Called::Refused, Some("renew the token"))
    );
    // What looks like trouble may be an answer.
    let url = serve(answer("403 Forbidden", "{\"message\": \"merged already\"}")).await;
    let got = told.send(get(&url)).await.unwrap();
    let _error = got.error(ProviderErrorKind::Conflict, "it is merged");
    drop(got);
    assert_eq!(book.last().outcome, Called::Answered);
}

#[tokio::test]
async fn no_secret_is_told() {
    let (_plain, told, book) = clients();
    let url = serve(answer(
        "401 Unauthorized",
        "{\"message\": \"the token canary-s3cret-token is no good\"}",
    ))
    .await;
    let call = get(&url).bearer(&SecretString::from("canary-s3cret-token"));
    drop(told.send(call).await.unwrap());
    let told = format!("{:?}", book.taken());
    assert!(told.contains("is no good") && !told.contains("canary"), "{told}");
}

fn limits(answer: &Answer) -> Limits {
    let names = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
    Limits {
        quotas: plain_limits(answer, names)
            .map(|quota| ("core".to_owned(), quota))
            .into_iter()
            .collect(),
        expiry: Some(Expiry {
            at: None,
            told_at: answer.at(),
        }),
    }
}

#[tokio::test]
async fn what_the_vendor_says_of_its_limits_is_told_whatever_came_of_the_call() {
    let (_plain, told, book) = clients();
    let told = told.reading(limits);
    for (head, kept) in [
        (
            "200 OK\r\nx-ratelimit-limit: 60\r\nx-ratelimit-remaining: 7\r\nx-ratelimit-reset: 30",
            Some((60, 7)),
        ),
        (
            "401 No\r\nx-ratelimit-limit: 60\r\nx-ratelimit-remaining: 0",
            Some((60, 0)),
        ),
        (
            "200 OK\r\nx-ratelimit-limit: many\r\nx-ratelimit-remaining: 7",
            None,
        ),
        ("200 OK\r\nx-ratelimit-remaining: 7", None),
    ] {
        let url = serve(answer(head, "{}")).await;
        let got = told.send(get(&url)).await.unwrap();
        let _error = got.failure();
        drop(got);
        let health = book.taken().remove(0);
        let quota = health.quotas.get("core");
        assert_eq!(quota.map(|it| (it.limit, it.remaining)), kept, "{head}");
        let told_at = health.expiry.unwrap().told_at;
        if head.contains("-reset") {
            let left = quota.unwrap().resets_at.unwrap() - told_at;
            assert_eq!(left.num_seconds(), 30);
        }
    }
}
