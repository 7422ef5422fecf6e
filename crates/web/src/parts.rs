//! A form with a file, read part by part while it comes (RFC 7578): what a browser sends as `multipart/form-data`.

use actix_web::error::PayloadError;
use actix_web::web::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use std::fmt;
use std::pin::Pin;

/// Headers of one part, in bytes at most.
const HEAD: usize = 8 * 1024;
/// A boundary has so many bytes at most (RFC 2046).
const BOUNDARY: usize = 70;

/// A form that is no such form, or ended too early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the form could not be read to its end")
    }
}

impl std::error::Error for Broken {}

/// What stands above a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Name of the field.
    pub(crate) name: String,
    /// Name of the file, where it is one; empty where none was chosen.
    pub(crate) file: Option<String>,
    /// What the browser takes it for.
    pub(crate) media_type: Option<String>,
}

/// Content on its way.
pub type Content = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// The parts of a form, in their order.
pub(crate) struct Parts<S> {
    coming: S,
    buffer: BytesMut,
    /// What stands between two parts: a line's end and the boundary.
    mark: Vec<u8>,
}

fn position(of: &[u8], within: &[u8]) -> Option<usize> {
    within.windows(of.len().max(1)).position(|it| it == of)
}

/// A parameter of a header's value, without its quotes.
fn parameter(value: &str, name: &str) -> Option<String> {
    // Browsers write quotes inside a name as %22, so that a quote always ends it.
    value.split(';').skip(1).find_map(|it| {
        let (key, text) = it.trim().split_once('=')?;
        let text = text.trim();
        let bare = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        key.eq_ignore_ascii_case(name)
            .then(|| bare.unwrap_or(text).to_owned())
    })
}

fn head(text: &str) -> Option<Part> {
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let disposition = value("content-disposition")?;
    Some(Part {
        name: parameter(disposition, "name")?,
        file: parameter(disposition, "filename"),
        media_type: value("content-type").map(ToOwned::to_owned),
    })
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static> Parts<S> {
    /// The parts of a body that its header says is such a form.
    pub(crate) fn of(content_type: &str, coming: S) -> Result<Self, Broken> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let boundary = parameter(content_type, "boundary").filter(|it| (1..=BOUNDARY).contains(&it.len()));
        match boundary {
            Some(boundary) if kind.eq_ignore_ascii_case("multipart/form-data") => Ok(Self {
                coming,
                // The first boundary has no line above it.
                buffer: BytesMut::from(&b"\r\n"[..]),
                mark: format!("\r\n--{boundary}").into_bytes(),
            }),
            Some(_) | None => Err(Broken),
        }
    }

    /// Reads on.
    async fn more(&mut self) -> Result<(), Broken> {
        match self.coming.next().await {
            Some(Ok(bytes)) => {
                self.buffer.extend_from_slice(&bytes);
                Ok(())
            }
            Some(Err(_)) | None => Err(Broken),
        }
    }

    /// What comes next of the part; none at its end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            match position(&self.mark, &self.buffer) {
                Some(0) => return Ok(None),
                Some(at) => return Ok(Some(self.buffer.split_to(at).freeze())),
                None => {
                    // The end of what is here may be the beginning of the mark.
                    let safe = self
                        .buffer
                        .len()
                        .saturating_sub(self.mark.len().saturating_sub(1));
                    if safe > 0 {
                        return Ok(Some(self.buffer.split_to(safe).freeze()));
                    }
                    self.more().await?;
                }
            }
        }
    }

    /// The next part; what is left of the one before is thrown away. None at the end of the form.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, Broken> {
        while self.piece().await?.is_some() {}
        let _mark = self.buffer.split_to(self.mark.len());
        while self.buffer.len() < 2 {
            self.more().await?;
        }
        let ends = self.buffer.split_to(2);
        if ends.as_ref() == b"--" {
            return Ok(None);
        }
        if ends.as_ref() != b"\r\n" {
            return Err(Broken);
        }
        let above = loop {
            match position(b"\r\n\r\n", &self.buffer) {
                // What follows the headers is content, whose first line's end may belong to the next boundary.
                Some(at) => {
                    let above = self.buffer.split_to(at);
                    let _gap = self.buffer.split_to(4);
                    break above;
                }
                None if self.buffer.len() > HEAD => return Err(Broken),
                None => self.more().await?,
            }
        };
        let text = std::str::from_utf8(&above).map_err(|_ignored| Broken)?;
        head(text).map(Some).ok_or(Broken)
    }

    /// The part as a text of so many bytes at most.
    pub(crate) async fn text(&mut self, most: usize) -> Result<String, Broken> {
        let mut text = Vec::new();
        while let Some(piece) = self.piece().await? {
            text.extend_from_slice(&piece);
            if text.len() > most {
                return Err(Broken);
            }
        }
        String::from_utf8(text).map_err(|_ignored| Broken)
    }

    /// The content of the part, while it comes. What comes after it is not read.
    pub(crate) fn content(self) -> Content {
        let pieces = stream::unfold(Some(self), |parts| async {
            let mut parts = parts?;
            match parts.piece().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(parts))),
                Ok(None) => None,
                Err(Broken) => Some((Err(PayloadError::Incomplete(None)), None)),
            }
        });
        Box::pin(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::FutureExt as _;

    const KIND: &str = "multipart/form-data; boundary=\"B-7\"";
    const FORM: &str = "--B-7\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nabc\r\n--B-7\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a b.aab\"\r\nContent-Type: application/zip\r\n\r\n\
        one\r\n--B-8\r\ntwo\r\n\r\n--B-7--\r\n";

    /// The form as it comes in pieces of so many bytes.
    fn coming(text: &str, size: usize) -> impl Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static {
        let pieces: Vec<_> = text
            .as_bytes()
            .chunks(size)
            .map(|it| Ok(Bytes::copy_from_slice(it)))
            .collect();
        stream::iter(pieces)
    }

    async fn read(text: &str, size: usize) -> Result<(String, Part, Vec<u8>), Broken> {
        let mut parts = Parts::of(KIND, coming(text, size))?;
        assert_eq!(parts.next().await?.unwrap().name, "csrf");
        let secret = parts.text(100).await?;
        let file = parts.next().await?.ok_or(Broken)?;
        let mut content = parts.content();
        let mut bytes = Vec::new();
        while let Some(piece) = content.next().await {
            bytes.extend_from_slice(&piece.map_err(|_ignored| Broken)?);
        }
        Ok((secret, file, bytes))
    }

    #[test]
    fn a_form_is_read_however_it_is_cut() {
        for size in 1..=FORM.len() {
            let (secret, file, bytes) = read(FORM, size).now_or_never().unwrap().unwrap();
            assert_eq!(secret, "abc", "{size}");
            assert_eq!(file.file.as_deref(), Some("a b.aab"));
            assert_eq!(file.media_type.as_deref(), Some("application/zip"));
            assert_eq!(bytes, b"one\r\n--B-8\r\ntwo\r\n", "{size}");
        }
    }

    #[test]
    fn a_file_without_content_has_none() {
        let form = FORM.replace("one\r\n--B-8\r\ntwo\r\n", "");
        for size in [1, 7, 1_000] {
            let (_, _, bytes) = read(&form, size).now_or_never().unwrap().unwrap();
            assert!(bytes.is_empty(), "{size}");
        }
    }

    #[test]
    fn what_ends_too_early_is_not_taken_for_whole() {
        for end in 1..FORM.len() - 9 {
            let came = read(&FORM[..end], 5).now_or_never().unwrap();
            assert!(came.is_err(), "{end}: {came:?}");
        }
    }

    #[test]
    fn what_is_no_such_form_is_none() {
        for kind in [
            "",
            "text/plain; boundary=x",
            "multipart/form-data",
            "multipart/form-data; boundary=",
        ] {
            assert!(Parts::of(kind, coming("", 1)).is_err(), "{kind}");
        }
        let long = format!("--B-7\r\nX: {}", "x".repeat(HEAD));
        assert!(read(&long, 1_000).now_or_never().unwrap().is_err());
    }
}
