//! What the tests of all vendors share.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests"
)]

use delivr_sandbox::{Running, Sandbox};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// A sandbox with a client.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) running: Running,
    pub(crate) client: Client,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let running = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
        let client = Client::builder()
            .no_proxy()
            // A test may think for longer than the server keeps an idle connection.
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(20))
            .build()
            .unwrap();
        Self { running, client }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.running.url())
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let answer = self.request(Method::POST, path).json(&body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub(crate) async fn advance(&self, body: Value) -> Value {
        self.control("/_advance", body).await
    }

    pub(crate) async fn fault(&self, body: Value) {
        self.control("/_faults", body).await;
    }

    pub(crate) async fn journal(&self) -> Value {
        json_of(self.request(Method::GET, "/_journal").send().await.unwrap()).await
    }

    /// Surplus effects over all subjects.
    pub(crate) async fn duplicates(&self) -> u64 {
        let journal = self.journal().await;
        journal["duplicates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["count"].as_u64().unwrap())
            .sum()
    }

    pub(crate) async fn credentials(&self, vendor: &str) -> Value {
        let all = json_of(self.request(Method::GET, "/_credentials").send().await.unwrap()).await;
        all[vendor].clone()
    }
}

pub(crate) async fn json_of(answer: Response) -> Value {
    let text = answer.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Accepts connections and records what was posted, answering 200.
pub(crate) async fn receiver() -> (String, tokio::sync::mpsc::UnboundedReceiver<(String, Vec<u8>)>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut raw = Vec::new();
                let mut buffer = [0; 4096];
                loop {
                    let read = stream.read(&mut buffer).await.unwrap_or(0);
                    raw.extend_from_slice(&buffer[..read]);
                    let text = String::from_utf8_lossy(&raw).into_owned();
                    if let Some((head, body)) = text.split_once("\r\n\r\n") {
                        let length = head.lines().find_map(|line| {
                            let (name, value) = line.split_once(':')?;
                            name.eq_ignore_ascii_case("content-length")
                                .then(|| value.trim().parse::<usize>().ok())?
                        });
                        if body.len() >= length.unwrap_or(0) {
                            sender.send((head.to_lowercase(), body.as_bytes().to_vec())).ok();
                            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                            stream.write_all(answer).await.ok();
                            return;
                        }
                    }
                    if read == 0 {
                        return;
                    }
                }
            });
        }
    });
    (url, receiver)
}

/// Hexadecimal HMAC-SHA256.
pub(crate) fn hmac_hex(secret: &str, body: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    ring::hmac::sign(&key, body)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The folder of the vendors' published descriptions, when it is there.
pub(crate) fn specs() -> Option<std::path::PathBuf> {
    let given = std::env::var_os("DELIVR_SPECS").map(std::path::PathBuf::from);
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/specs");
    given.or(Some(beside)).filter(|path| path.is_dir())
}

/// An OpenAPI description turned into JSON Schemas of its answers.
#[derive(Debug)]
pub(crate) struct Description {
    document: Value,
    pub(crate) checked: std::cell::Cell<usize>,
}

impl Description {
    pub(crate) fn load(name: &str) -> Option<Self> {
        let path = specs()?.join(name);
        let mut document: Value = serde_json::from_slice(&std::fs::read(path).ok()?).unwrap();
        admit_null(&mut document);
        Some(Self {
            document,
            checked: std::cell::Cell::new(0),
        })
    }

    /// Checks a body against a named schema.
    pub(crate) fn check(&self, name: &str, body: &Value) {
        let schema = json!({"$ref": format!("#/components/schemas/{name}"), "components": self.document["components"]});
        check(&schema, name, body);
        self.checked.set(self.checked.get() + 1);
    }
}

/// Says to the test run how many answers were held against a vendor's published description, or that it is not there.
pub(crate) fn tell_checked(file: &str, description: Option<&Description>) {
    use std::io::Write as _;
    let line = match description.map(|it| it.checked.get()) {
        Some(count) => {
            assert!(count > 0, "nothing was held against {file}");
            format!("CHECKED: {count} exchanges, the simulator against the published {file}")
        }
        None => format!("SKIPPED: {file} is absent (DELIVR_SPECS names the folder)"),
    };
    eprintln!("{line}");
    if let Some(log) = std::env::var_os("DELIVR_SKIP_LOG") {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(log);
        log.unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// Checks a body against a schema and names every fault.
pub(crate) fn check(schema: &Value, name: &str, body: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(body)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{body:#}");
}

/// OpenAPI 3.0 says `nullable`, JSON Schema wants the type in a list.
fn admit_null(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("nullable") == Some(&Value::Bool(true)) {
                if let Some(kind) = map.get("type").cloned() {
                    map.insert("type".into(), json!([kind, "null"]));
                }
                if let Some(Value::Array(allowed)) = map.get_mut("enum") {
                    allowed.push(Value::Null);
                }
            }
            map.values_mut().for_each(admit_null);
        }
        Value::Array(list) => list.iter_mut().for_each(admit_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Signature algorithm of a token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signer {
    Es256,
    Rs256,
}

/// A signed JSON Web Token.
pub(crate) fn jwt(signer: Signer, header: &Value, claims: &Value, pem: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use ring::rand::SystemRandom;
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(text).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let random = SystemRandom::new();
    let signature = match signer {
        Signer::Es256 => {
            let algorithm = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = ring::signature::EcdsaKeyPair::from_pkcs8(algorithm, &der, &random).unwrap();
            pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec()
        }
        Signer::Rs256 => {
            let pair = ring::signature::RsaKeyPair::from_pkcs8(&der).unwrap();
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(
                &ring::signature::RSA_PKCS1_SHA256,
                &random,
                signed.as_bytes(),
                &mut signature,
            )
            .unwrap();
            signature
        }
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Seconds since the epoch.
pub(crate) fn now() -> i64 {
    chrono::Utc::now().timestamp()
}
