//! What is noted of calls: the whole of it in words, no secret wherever it stands, nothing when nobody listens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::ports::error::ProviderError;
use delivr_domain::ports::exchange::{BODY, Ear, Exchange, during};
use delivr_provider_kit::exchange::Ears;
use delivr_provider_kit::header::HeaderName;
use delivr_provider_kit::{Answer, Body, Call, Deps, HttpClient};
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

const CANARY: &str = "CANARY/7f+3=a";

/// Answers each connection with the next of these; none left: closes it without a word.
async fn serve(answers: Vec<Vec<u8>>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 65536];
            let _ = stream.read(&mut buffer).await;
            if let Some(answer) = answers.next() {
                let _ = stream.write_all(&answer).await;
            }
        }
    });
    url
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    text.extend_from_slice(body);
    text
}

fn client() -> HttpClient {
    Deps::for_tests(std::env::temp_dir()).unwrap().http
}

async fn heard(call: Call) -> (Exchange, Result<Answer, ProviderError>) {
    let ear = Arc::new(Ear::default());
    let outcome = during(Some(&Ears), &ear, client().send(call)).await;
    let mut all = ear.heard().unwrap();
    assert_eq!((all.list.len(), all.left_out), (1, 0));
    (all.list.remove(0), outcome)
}

#[tokio::test]
async fn a_call_is_kept_with_what_was_said() {
    let head = "201 Created\r\ncontent-type: application/json\r\nx-request-id: r-7\r\nset-cookie: a=b\r\n\
                x-ratelimit-remaining: 41\r\nserver: x";
    let url = serve(vec![answer(head, br#"{"id":"4711","key":"SHOP-9"}"#)]).await;
    let call = Call::post("test", "create_ticket", url.join("rest/issue?notify=no").unwrap())
        .json(json!({"summary": "Release 1.2", "delivr_key": "0badc0de"}));
    let (kept, outcome) = heard(call).await;
    assert_eq!(outcome.unwrap().status.as_u16(), 201);
    assert_eq!(
        (
            kept.provider.as_str(),
            kept.operation.as_str(),
            kept.method.as_str()
        ),
        ("test", "create_ticket", "POST")
    );
    assert_eq!(kept.address, format!("{url}rest/issue?notify=no"));
    assert_eq!((kept.status, kept.failure.as_deref()), (Some(201), None));
    let sent = kept.sent.unwrap();
    assert_eq!(
        sent.text.as_deref(),
        Some(r#"{"delivr_key":"0badc0de","summary":"Release 1.2"}"#)
    );
    assert_eq!(
        (sent.kind.as_deref(), sent.bytes, sent.cut),
        (Some("application/json"), 49, false)
    );
    let received = kept.received.unwrap();
    assert_eq!(received.text.as_deref(), Some(r#"{"id":"4711","key":"SHOP-9"}"#));
    let mut names: Vec<&str> = kept.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["x-ratelimit-remaining", "x-request-id"]);
}

#[tokio::test]
async fn no_secret_is_kept_wherever_it_stands() {
    let secret = SecretString::from(CANARY);
    let other = "https://user:CANARY@git.example/x?sig=CANARY&X-Amz-Signature=CANARY";
    let said = json!({
        "access_token": "CANARY-of-the-vendor", "refresh_token": "CANARY", "id": 7,
        "echo": format!("you said {CANARY}"), "upload": other, "nested": "{\"jwt\":\"CANARY\"}",
        "errors": [format!("Bearer {CANARY} is not known"), "token=CANARY"],
    });
    let head = format!(
        "401 Unauthorized\r\ncontent-type: application/json\r\nx-request-id: {CANARY}\r\nretry-after: {CANARY}\r\n\
         www-authenticate: Bearer {CANARY}\r\nset-cookie: session={CANARY}"
    );
    let bodies = [
        Body::Json(
            json!({"password": "CANARY", "text": CANARY, "apiKey": ["CANARY"], "inner": said.to_string()}),
        ),
        Body::Form(vec![
            ("assertion".to_owned(), "CANARY".to_owned()),
            ("text".to_owned(), CANARY.to_owned()),
            ("payload".to_owned(), json!({"secret": "CANARY"}).to_string()),
        ]),
        Body::Bytes(
            "text/plain".to_owned(),
            format!("X-Api-Token: CANARY\n{CANARY}").into(),
        ),
    ];
    for body in bodies {
        let url = serve(vec![answer(&head, said.to_string().as_bytes())]).await;
        let mut at = url.join("hooks/exchange").unwrap();
        at.query_pairs_mut()
            .append_pair("token", "CANARY")
            .append_pair("q", CANARY)
            .append_pair("filter", "{\"secret\":\"CANARY\"}");
        let call = Call::post("test", "sign_in", at)
            .bearer(&secret)
            .header(HeaderName::from_static("x-plain"), "CANARY")
            .body(body.clone());
        let (kept, outcome) = heard(call).await;
        assert!(outcome.is_ok());
        let text = serde_json::to_string(&kept).unwrap();
        assert!(text.contains("[redacted]"));
        assert!(!text.contains("CANARY"), "{body:?}: {text}");
        assert!(
            text.contains("\\\"id\\\":7"),
            "what is no secret is there: {text}"
        );
    }
    // An error of ours names no secret either.
    let (kept, _) = heard(Call::get(
        "test",
        "read",
        Url::parse("http://10.0.0.1/?token=CANARY").unwrap(),
    ))
    .await;
    assert!(kept.failure.is_some() && kept.status.is_none());
    assert!(!format!("{kept:?}").contains("CANARY"));
}

#[tokio::test]
async fn of_a_lost_answer_the_request_is_kept() {
    let url = serve(vec![]).await;
    let (kept, outcome) = heard(Call::post("test", "create", url.clone()).json(json!({"name": "x"}))).await;
    assert_eq!(kept.failure, Some(outcome.unwrap_err().sentence));
    assert_eq!(kept.sent.unwrap().text.as_deref(), Some(r#"{"name":"x"}"#));
    assert_eq!((kept.status, kept.received), (None, None));
    // It comes too late.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let quiet = Url::parse(&format!("http://{}/", silent.local_addr().unwrap())).unwrap();
    let call = Call::post("test", "create", quiet.clone()).json(json!({"name": "x"}));
    let (kept, outcome) = heard(call.clone().timeout(Duration::from_millis(50))).await;
    assert!(outcome.is_err());
    assert_eq!(
        kept.failure.unwrap(),
        "no answer came before the call was given up"
    );
    assert!(kept.sent.is_some() && kept.took_ms >= 50);
    // Whoever waited has gone: half of the call is behind it.
    let ear = Arc::new(Ear::default());
    {
        let http = client();
        let mut going = std::pin::pin!(during(Some(&Ears), &ear, http.send(call)));
        let asked = tokio::select! {
            // In this order: a connection of the call before may still wait to be accepted.
            biased;
            _ = &mut going => None,
            asked = silent.accept() => Some(asked),
        };
        assert!(asked.is_some());
    }
    let kept = ear.heard().unwrap().list.remove(0);
    assert_eq!(
        kept.failure.unwrap(),
        "no answer came before the call was given up"
    );
}

#[tokio::test]
async fn long_bodies_are_cut_and_what_is_no_text_is_only_counted() {
    let long = "é".repeat(BODY);
    let plain = "200 OK\r\ncontent-type: text/plain";
    let url = serve(vec![
        answer(plain, long.as_bytes()),
        answer("200 OK\r\ncontent-type: application/zip", &[0x50, 0x4b, 0, 255]),
        answer("200 OK", &[0xff, 0xfe, 0x41]),
    ])
    .await;
    let (kept, _) = heard(
        Call::post("test", "write", url.clone())
            .body(Body::Bytes("image/png".to_owned(), "not shown".into())),
    )
    .await;
    let received = kept.received.unwrap();
    assert_eq!(received.text.as_deref(), Some(&*"é".repeat(BODY / 2)));
    assert_eq!((received.bytes, received.cut), (2 * BODY as u64, true));
    let sent = kept.sent.unwrap();
    assert_eq!((sent.text, sent.bytes, sent.cut), (None, 9, false));
    for _ in 0..2 {
        let (kept, _) = heard(Call::get("test", "read", url.clone())).await;
        let received = kept.received.unwrap();
        assert_eq!(received.text, None);
        assert!(received.bytes >= 3 && !received.cut);
    }
}

#[tokio::test]
async fn each_hop_of_a_redirect_is_kept_and_nothing_when_nobody_listens() {
    let url = serve(vec![
        answer("302 Found\r\nlocation: /there", b""),
        answer("200 OK", b"{}"),
        answer("200 OK", b"{}"),
    ])
    .await;
    let ear = Arc::new(Ear::default());
    let http = client();
    during(
        Some(&Ears),
        &ear,
        http.send(Call::get("test", "read", url.clone())),
    )
    .await
    .unwrap();
    let kept = ear.heard().unwrap().list;
    assert_eq!(
        kept.iter().map(|it| it.status).collect::<Vec<_>>(),
        [Some(302), Some(200)]
    );
    assert_eq!(kept[1].address, format!("{url}there"));
    let ear = Arc::new(Ear::default());
    during(None, &ear, http.send(Call::get("test", "read", url.clone())))
        .await
        .unwrap();
    assert_eq!(ear.heard(), None);
}
