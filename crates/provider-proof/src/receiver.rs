//! A receiver of webhooks: what the simulated vendor sends goes through the provider's own reader.

use delivr_domain::ports::clock::Clock as _;
use delivr_domain::ports::provider::{Credentials, Delivery, Descriptor, Prompt, WebhookError};
use delivr_domain::time::{Span, Timestamp};
use delivr_provider_kit::SystemClock;
use delivr_sandbox::Running;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Something that was posted.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The exact bytes.
    pub body: Vec<u8>,
    at: Timestamp,
}

impl Posted {
    /// What the provider reads in it, when it came.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn read(&self, descriptor: &Descriptor, secrets: &Credentials) -> Result<Prompt, WebhookError> {
        self.read_at(descriptor, secrets, Span::zero())
    }
    /// The same, so much later.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn read_at(
        &self,
        descriptor: &Descriptor,
        secrets: &Credentials,
        later: Span,
    ) -> Result<Prompt, WebhookError> {
        let delivery = Delivery {
            headers: &self.headers,
            body: &self.body,
            at: self.at + later,
        };
        descriptor.webhook.as_ref().unwrap()(&delivery, secrets)
    }
    /// The same with other bytes in its body.
    #[must_use]
    pub fn forged(&self) -> Self {
        let mut forged = self.clone();
        forged.body.push(b' ');
        forged
    }
}

/// Accepts what is posted to it.
#[derive(Debug)]
pub struct Receiver(TcpListener);

impl Receiver {
    /// Registers a receiver with a vendor of the sandbox.
    pub async fn of(running: &Running, vendor: &str, secret: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let body = json!({"vendor": vendor, "url": url, "secret": secret});
        let to = format!("{}/_webhooks", running.url());
        let answer = reqwest::Client::new().post(to).json(&body).send().await.unwrap();
        assert!(answer.status().is_success());
        Self(listener)
    }
    /// The next delivery.
    pub async fn next(&self) -> Posted {
        let posted = tokio::time::timeout(Duration::from_secs(20), self.accept()).await;
        posted.expect("something is posted within 20 s")
    }
    async fn accept(&self) -> Posted {
        let (mut stream, _) = self.0.accept().await.unwrap();
        let (mut raw, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the delivery broke off");
            raw.extend_from_slice(&buffer[..read]);
            let Some(end) = raw.windows(4).position(|it| it == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&raw[..end]).into_owned();
            let headers: BTreeMap<String, String> = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()))
                .collect();
            let length: usize = headers["content-length"].parse().unwrap();
            let body = &raw[end + 4..];
            if body.len() < length {
                continue;
            }
            let body = body.to_vec();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            return Posted {
                headers,
                body,
                at: SystemClock.now(),
            };
        }
    }
}
