//! A browser without scripts: keeps cookies, reads pages, fills in their forms and sends them.

use crate::support::{Api, Reply};
use std::collections::BTreeMap;
use std::sync::Mutex;

pub(crate) struct Browser<'a> {
    api: &'a Api,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// A form as it stands on a page.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) method: String,
    pub(crate) action: String,
    pub(crate) fields: BTreeMap<String, String>,
}

impl Form {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.insert(name.to_owned(), value.to_owned());
        self
    }
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.remove(name);
        self
    }
    fn encoded(&self) -> String {
        reqwest::Url::parse_with_params("http://x/", &self.fields)
            .unwrap()
            .query()
            .unwrap_or_default()
            .to_owned()
    }
}

/// An attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split_once(&format!(" {name}=\""))?.1;
    Some(unescaped(rest.split('"').next()?))
}

pub(crate) fn unescaped(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
}

/// Tags of a name, without their angles.
pub(crate) fn tags<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!("<{name}");
    page.match_indices(&opening)
        .map(|(at, _)| &page[at + 1..])
        .filter(|rest| rest[name.len()..].starts_with([' ', '>']))
        .map(|rest| rest.split('>').next().unwrap())
        .collect()
}

/// Forms of a page.
pub(crate) fn forms(page: &str) -> Vec<Form> {
    let starts: Vec<usize> = page.match_indices("<form ").map(|(at, _)| at).collect();
    starts
        .into_iter()
        .map(|at| {
            let whole = page[at..].split("</form>").next().unwrap();
            let tag = whole.split('>').next().unwrap();
            let mut fields = BTreeMap::new();
            for input in tags(whole, "input") {
                let kind = attribute(input, "type").unwrap_or_default();
                if kind == "checkbox" && !input.contains(" checked") {
                    continue;
                }
                if let Some(name) = attribute(input, "name") {
                    fields.insert(name, attribute(input, "value").unwrap_or_default());
                }
            }
            for part in whole.split("<textarea ").skip(1) {
                let (tag, rest) = part.split_once('>').unwrap();
                let text = rest.split("</textarea>").next().unwrap();
                if let Some(name) = attribute(&format!(" {tag}"), "name") {
                    fields.insert(name, unescaped(text));
                }
            }
            for part in whole.split("<select ").skip(1) {
                let (tag, rest) = part.split_once('>').unwrap();
                let options = tags(rest.split("</select>").next().unwrap(), "option");
                let chosen = options.iter().find(|it| it.contains(" selected"));
                if let (Some(name), Some(option)) =
                    (attribute(&format!(" {tag}"), "name"), chosen.or(options.first()))
                {
                    fields.insert(name, attribute(option, "value").unwrap_or_default());
                }
            }
            Form {
                method: attribute(tag, "method").unwrap_or_default(),
                action: attribute(tag, "action").unwrap_or_default(),
                fields,
            }
        })
        .collect()
}

/// The form of a page that sends to the path.
#[track_caller]
pub(crate) fn form_to(page: &str, action: &str) -> Form {
    let all = forms(page);
    all.iter()
        .find(|form| form.method == "post" && form.action == action)
        .unwrap_or_else(|| panic!("no form to {action} among {all:?}"))
        .clone()
}

impl<'a> Browser<'a> {
    pub(crate) fn new(api: &'a Api) -> Self {
        Self {
            api,
            cookies: Mutex::default(),
        }
    }

    /// Somebody who is signed in, with the token of a role.
    pub(crate) async fn signed_in(api: &'a Api, role: &str) -> Self {
        let browser = Self::new(api);
        let reply = browser.sign_in(&api.tokens[role], "/").await;
        assert_eq!(reply.status, 303, "{}", reply.text);
        assert_eq!(reply.headers["location"], "/");
        browser
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        self.cookies
            .lock()
            .unwrap()
            .insert(name.to_owned(), value.to_owned());
    }

    fn header(&self) -> String {
        let cookies = self.cookies.lock().unwrap();
        let all: Vec<String> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        all.join("; ")
    }

    /// Sends, and keeps what cookies come back.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
        more: &[(&str, &str)],
    ) -> Reply {
        let mut request = self
            .api
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.api.root))
            .header("accept", "text/html")
            .header("cookie", self.header());
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            if !more.iter().any(|(name, _)| *name == "content-type") {
                request = request.header("content-type", "application/x-www-form-urlencoded");
            }
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        for set in response.headers().get_all("set-cookie") {
            let set = set.to_str().unwrap();
            let (pair, attributes) = set.split_once(';').unwrap_or((set, ""));
            let (name, value) = pair.split_once('=').unwrap();
            let mut cookies = self.cookies.lock().unwrap();
            if attributes.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let headers = response.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        });
        Reply {
            status: response.status().as_u16(),
            headers: headers.collect(),
            text: response.text().await.unwrap(),
            body: serde_json::Value::Null,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None, &[]).await
    }

    /// A page that is there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.text
    }

    /// The secret that forms of this session carry.
    pub(crate) async fn secret(&self) -> String {
        form_to(&self.page("/profile").await, "/profile/theme").fields["csrf"].clone()
    }

    /// Sends a form that no page offered, with the session's own secret.
    pub(crate) async fn forge(&self, action: &str, fields: &[(&str, &str)]) -> Reply {
        let mut form = Form {
            method: "post".to_owned(),
            action: action.to_owned(),
            fields: BTreeMap::from([("csrf".to_owned(), self.secret().await)]),
        };
        for (name, value) in fields {
            form.fields.insert((*name).to_owned(), (*value).to_owned());
        }
        self.submit(&form).await
    }

    /// Sends a form.
    pub(crate) async fn submit(&self, form: &Form) -> Reply {
        self.submit_with(form, &[]).await
    }

    pub(crate) async fn submit_with(&self, form: &Form, more: &[(&str, &str)]) -> Reply {
        assert_eq!(form.method, "post");
        self.send("POST", &form.action, Some(form.encoded()), more).await
    }

    /// Sends a form with a file, as browsers do: its fields first, in their order, then the file.
    pub(crate) async fn upload(&self, action: &str, secret: &str, name: &str, content: &str) -> Reply {
        let part = |about: &str, text: &str| {
            format!("--B0unDary\r\nContent-Disposition: form-data; {about}\r\n\r\n{text}\r\n")
        };
        let file = format!("name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/zip");
        let body = part("name=\"csrf\"", secret) + &part(&file, content) + "--B0unDary--\r\n";
        let kind = [("content-type", "multipart/form-data; boundary=B0unDary")];
        self.send("POST", action, Some(body), &kind).await
    }

    /// Goes to the sign-in page and sends its form.
    pub(crate) async fn sign_in(&self, token: &str, next: &str) -> Reply {
        let next: String = next.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let page = self.page(&format!("/sign-in?next={next}")).await;
        self.submit(&form_to(&page, "/sign-in").with("token", token))
            .await
    }
}
