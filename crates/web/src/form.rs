//! Forms: fields as a browser sends them, and proof that one of our own pages made it send them.

use actix_web::HttpRequest;
use actix_web::http::header;
use delivr_app::usecases::access::hex;
use ring::{digest, hmac};
use std::collections::BTreeMap;
use url::{Url, form_urlencoded};

/// Name of the field that carries the session's secret.
pub(crate) const FIELD: &str = "csrf";

/// The fields of a form, empty ones left out. Of several with one name the last one counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads what a browser sends.
    pub(crate) fn read(body: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(body);
        // Browsers write line ends as two characters.
        Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.replace("\r\n", "\n").trim().to_owned()))
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        )
    }

    /// A field that is filled in.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The same with a field filled in.
    pub(crate) fn filled(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same with a field left empty.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// A box that is ticked.
    pub(crate) fn ticked(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The name under which what is filled in is done at most once, made of the name that the form has: the same however
    /// often it is sent as it is, and another one when somebody went back and changed something.
    pub(crate) fn done_once(&self, name: &str) -> String {
        let mut said = digest::Context::new(&digest::SHA256);
        for (field, value) in self.0.iter().filter(|(field, _)| *field != FIELD) {
            for part in [field, value] {
                said.update(&(part.len() as u64).to_be_bytes());
                said.update(part.as_bytes());
            }
        }
        let said = hex(said.finish().as_ref());
        format!("{name}-{}", said.get(..16).unwrap_or(&said))
    }

    /// Whether the form carries the secret, under whatever mask.
    pub(crate) fn carries(&self, secret: &str) -> bool {
        let sent = self.get(FIELD).and_then(unmasked);
        sent.is_some_and(|sent| same(&sent, secret))
    }
}

/// A secret as a page shows it: laid under a mask that is new every time. A page is compressed together with texts that
/// strangers may choose; what is never written twice cannot be guessed from how well it packs.
pub(crate) fn masked(secret: &str, mask: &[u8]) -> String {
    let mut bytes: Vec<u8> = secret.bytes().zip(mask).map(|(one, other)| one ^ other).collect();
    bytes.extend_from_slice(mask.get(..bytes.len()).unwrap_or(mask));
    hex(&bytes)
}

/// The secret that a page showed.
fn unmasked(sent: &str) -> Option<String> {
    if sent.len() > 1_000 || !sent.is_ascii() {
        return None;
    }
    let digits: Vec<u8> = sent
        .bytes()
        .map(|digit| {
            char::from(digit)
                .to_digit(16)
                .and_then(|it| u8::try_from(it).ok())
        })
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .filter_map(|pair| Some((pair.first()? << 4) | pair.get(1)?))
        .collect();
    let (hidden, mask) = bytes.split_at_checked(bytes.len() / 2)?;
    let plain = hidden.iter().zip(mask).map(|(one, other)| one ^ other);
    String::from_utf8(plain.collect()).ok()
}

/// Whether two secrets are one, in a time that tells nothing about where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, other.as_bytes());
    let tag = hmac::sign(&key, other.as_bytes());
    !other.is_empty() && hmac::verify(&key, one.as_bytes(), tag.as_ref()).is_ok()
}

/// Host and port the browser asked for.
#[must_use]
pub fn host(request: &HttpRequest) -> String {
    let authority = request.uri().authority().map(|it| it.as_str().to_owned());
    authority.unwrap_or_else(|| {
        let value = request.headers().get(header::HOST);
        let value = value.and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    })
}

/// Whether a page of another place made the browser send this. Browsers say so; programs say nothing, and need the
/// secret of the form all the same.
pub(crate) fn comes_from_elsewhere(request: &HttpRequest) -> bool {
    let text = |name: &str| {
        let value = request.headers().get(name)?;
        Some(value.to_str().unwrap_or("unreadable").to_owned())
    };
    let site = text("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return true;
    }
    match text("origin") {
        None => false,
        Some(origin) => {
            let named = Url::parse(&origin).ok().map(|url| url.authority().to_owned());
            let here = Url::parse(&format!("http://{}", host(request)));
            let here = here.ok().map(|url| url.authority().to_owned());
            // The default ports are left out of an origin, and of most hosts.
            let bare = |it: Option<String>| {
                it.map(|it| it.trim_end_matches(":443").trim_end_matches(":80").to_owned())
            };
            named.is_none() || bare(named) != bare(here)
        }
    }
}

/// Where somebody goes after signing in: a path of ours, or the first page. Everything a browser could take for another
/// place is none: a scheme, `//host`, `/\host`, control characters.
pub(crate) fn local(next: Option<&str>) -> &str {
    let ours = |path: &&str| {
        path.len() <= 500
            && path.starts_with('/')
            && !path.starts_with("//")
            && path
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'"' && byte != b'<')
            && !path.starts_with("/sign-")
    };
    next.filter(ours).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_paths_of_ours_are_gone_to() {
        for path in ["/", "/releases/REL-1", "/releases?q=a%20b&status=PLANNING"] {
            assert_eq!(local(Some(path)), path);
        }
        for other in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "\\\\evil.example",
            "evil.example",
            "/a\r\nSet-Cookie: x=y",
            "/\t/evil.example",
            " //evil.example",
            "/sign-out",
            "",
        ] {
            assert_eq!(local(Some(other)), "/", "{other:?}");
        }
        assert_eq!(local(None), "/");
    }

    #[test]
    fn what_another_place_sends_is_noticed() {
        let from = |headers: &[(&str, &str)]| {
            let mut request = TestRequest::post()
                .uri("/releases")
                .insert_header(("host", "here.example:81"));
            for (name, value) in headers {
                request = request.insert_header((*name, *value));
            }
            comes_from_elsewhere(&request.to_http_request())
        };
        assert!(!from(&[]));
        assert!(!from(&[("origin", "https://here.example:81")]));
        assert!(!from(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "http://here.example:81")
        ]));
        assert!(from(&[("sec-fetch-site", "cross-site")]));
        assert!(from(&[("sec-fetch-site", "same-site")]));
        for origin in [
            "null",
            "https://evil.example",
            "https://here.example:82",
            "http://here.example.evil:81",
        ] {
            assert!(from(&[("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn a_form_must_carry_the_very_secret() {
        let form = |sent: &str| Form::read(format!("csrf={sent}").as_bytes());
        let (one, other) = (masked("abc", &[7; 64]), masked("abc", b"another mask"));
        assert_ne!(one, other, "it is never written twice");
        assert!(form(&one).carries("abc") && form(&other).carries("abc"));
        for sent in [
            "",
            "abc",
            "616263",
            "zz",
            &masked("abd", &[7; 64]),
            &masked("ab", &[7; 64]),
            &one[2..],
        ] {
            assert!(!form(sent).carries("abc"), "{sent}");
        }
        assert!(!Form::read(b"").carries("abc"));
        assert!(!form(&masked("", &[7; 64])).carries(""));
    }

    #[test]
    fn fields_are_read_as_browsers_send_them() {
        let form = Form::read(b"reason=two+lines%0D%0Aof+text&box=on&empty=");
        assert_eq!(form.get("reason"), Some("two lines\nof text"));
        assert!(form.ticked("box"));
        assert_eq!(form.get("empty"), None);
    }
}
