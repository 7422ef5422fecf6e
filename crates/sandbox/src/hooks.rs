//! Webhooks: where they go, how they are signed, what became of them.

use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::ids::hex;

/// A registered receiver.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Receiver {
    pub(crate) vendor: String,
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) secret: String,
}

/// A webhook on its way.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) vendor: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Delivered {
    pub(crate) vendor: String,
    pub(crate) url: String,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) body: String,
}

/// Lower-case hexadecimal HMAC-SHA256, the base of most webhook signatures.
#[must_use]
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex(hmac::sign(&key, body).as_ref())
}

/// Sends one webhook.
pub(crate) async fn deliver(client: &reqwest::Client, delivery: Delivery) -> Delivered {
    let mut request = client
        .post(&delivery.url)
        .header("content-type", "application/json");
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    let body = String::from_utf8_lossy(&delivery.body).into_owned();
    let (status, error) = match request.body(delivery.body).send().await {
        Ok(answer) => (Some(answer.status().as_u16()), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Delivered {
        vendor: delivery.vendor,
        url: delivery.url,
        status,
        error,
        body,
    }
}
