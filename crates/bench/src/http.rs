//! An HTTP/1.1 client that costs next to nothing, so that what is measured is the server: one connection kept open, one
//! request at a time, answers with a length or in chunks.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    token: String,
    /// The cookies that were set, by name.
    cookies: BTreeMap<String, String>,
}

/// An answer and how long it took, from the first byte sent to the last one read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none, or the request was refused.
    pub(crate) fn json(&self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!(
                "answered {}: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            );
        }
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl Client {
    /// Connects to `http://host:port`.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) async fn connect(address: &str, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(address.trim_start_matches("http://")).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            token: token.to_owned(),
            cookies: BTreeMap::new(),
        })
    }

    /// Signs in as a browser does, with the token.
    ///
    /// # Errors
    /// When the connection breaks, or the token opens nothing.
    pub(crate) async fn sign_in(&mut self) -> Result<()> {
        self.cookies.clear();
        let page = self.page("/sign-in", false).await?;
        let page = String::from_utf8_lossy(&page.body).into_owned();
        let secret = page
            .split_once("name=\"csrf\" value=\"")
            .and_then(|(_before, rest)| rest.split('"').next())
            .context("the sign-in page has a form with its secret")?;
        let body = format!("csrf={secret}&token={}", self.token);
        let request = format!(
            "POST /sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             cookie: {}\r\ncontent-length: {}\r\n\r\n{body}",
            self.cookie(),
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let (status, _body) = self.answer().await?;
        if status != 303 || self.cookies.is_empty() {
            bail!("signing in answered {status}, without a session");
        }
        Ok(())
    }

    fn cookie(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// Asks for a page, packed if wanted.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) async fn page(&mut self, path: &str, packed: bool) -> Result<Answer> {
        let packing = if packed {
            "accept-encoding: gzip, br\r\n"
        } else {
            ""
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\ncookie: {}\r\n{packing}\r\n",
            self.cookie()
        );
        let began = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let (status, body) = self.answer().await?;
        Ok(Answer {
            status,
            body,
            took: began.elapsed(),
        })
    }

    /// Reads.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer> {
        self.ask("GET", path, &[]).await
    }

    /// Sends a document.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<Answer> {
        self.ask("POST", path, &serde_json::to_vec(body)?).await
    }

    async fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Answer> {
        let mut request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.token,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let began = Instant::now();
        self.stream.get_mut().write_all(&request).await?;
        let (status, body) = self.answer().await?;
        Ok(Answer {
            status,
            body,
            took: began.elapsed(),
        })
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }

    async fn answer(&mut self) -> Result<(u16, Vec<u8>)> {
        let first = self.line().await?;
        let status = first.split(' ').nth(1).context("a status")?.parse()?;
        let mut length = None;
        let mut chunked = false;
        loop {
            let whole = self.line().await?;
            let line = whole.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if line.starts_with("set-cookie:")
                && let Some((_, value)) = whole.split_once(':')
                && let Some((name, value)) = value.split(';').next().and_then(|pair| pair.split_once('='))
            {
                // What is set to nothing is taken away.
                if value.is_empty() {
                    self.cookies.remove(name.trim());
                } else {
                    self.cookies.insert(name.trim().to_owned(), value.to_owned());
                }
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = Some(value.trim().parse::<usize>()?);
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                let size = usize::from_str_radix(self.line().await?.trim(), 16)?;
                self.take(size, &mut body).await?;
                self.line().await?;
                if size == 0 {
                    break;
                }
            }
        } else {
            self.take(length.unwrap_or_default(), &mut body).await?;
        }
        Ok((status, body))
    }

    async fn take(&mut self, size: usize, into: &mut Vec<u8>) -> Result<()> {
        let mut part = vec![0; size];
        self.stream.read_exact(&mut part).await?;
        into.extend_from_slice(&part);
        Ok(())
    }
}
