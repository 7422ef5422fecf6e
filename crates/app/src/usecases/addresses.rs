//! Addresses in a configuration: where an integration's credentials are sent.

use serde_json::Value;
use std::collections::BTreeMap;
use url::Url;

/// Scheme, host and port; the whole text where it cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

/// The addresses of a configuration by their JSON pointer. Two that are equal lead to the same hosts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Addresses(BTreeMap<String, Origin>);

/// The addresses of a configuration: every text with `://` in it, and git's `user@host:path`.
pub(super) fn of(config: &Value) -> Addresses {
    let mut found = BTreeMap::new();
    collect("", config, &mut found);
    Addresses(found)
}

fn collect(pointer: &str, value: &Value, found: &mut BTreeMap<String, Origin>) {
    match value {
        Value::String(text) => {
            if let Some(origin) = origin(text) {
                found.insert(pointer.to_owned(), origin);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(&format!("{pointer}/{index}"), item, found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                collect(&format!("{pointer}/{name}"), field, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn origin(text: &str) -> Option<Origin> {
    let text = text.trim();
    if !text.contains("://") {
        return scp_like(text);
    }
    Some(match Url::parse(text) {
        Ok(url) => Origin {
            scheme: url.scheme().to_owned(),
            host: url.host_str().unwrap_or_default().to_ascii_lowercase(),
            port: url.port_or_known_default(),
        },
        Err(_) => Origin {
            scheme: String::new(),
            host: text.to_owned(),
            port: None,
        },
    })
}

/// git's short form, which always means ssh on its usual port.
fn scp_like(text: &str) -> Option<Origin> {
    let (before, _path) = text.split_once(':')?;
    let host = before.rsplit_once('@').map_or(before, |(_user, host)| host);
    let whole = !host.is_empty() && !before.contains(|c: char| c == '/' || c.is_whitespace());
    whole.then(|| Origin {
        scheme: "ssh".to_owned(),
        host: host.to_ascii_lowercase(),
        port: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_is_its_scheme_host_and_port() {
        let same = [
            ("https://ci.example/a", "https://CI.example:443/b?c#d"),
            ("https://u@ci.example/a", "https://v:w@ci.example/a"),
            ("git@github.com:a/b.git", "deploy@GitHub.com:c/d.git"),
            ("git@github.com:a/b.git", "ssh://git@github.com/a/b.git"),
            ("file:///a", "file:///b"),
            ("main", "develop"),
        ];
        for (one, other) in same {
            assert_eq!(
                of(&json!({"x": [one]})),
                of(&json!({"x": [other]})),
                "{one} {other}"
            );
        }
        let different = [
            ("https://ci.example/a", "http://ci.example/a"),
            ("https://ci.example/a", "https://ci.example.evil/a"),
            ("https://ci.example/a", "https://ci.example:8443/a"),
            ("https://ci.example/a", "https://ci.example@evil/a"),
            ("https://ci.example/a", "main"),
            ("git@github.com:a/b.git", "git@evil.example:a/b.git"),
            ("git@github.com:a/b.git", "https://github.com/a/b.git"),
            ("https://[", "https://]"),
        ];
        for (one, other) in different {
            assert_ne!(of(&json!({"x": one})), of(&json!({"x": other})), "{one} {other}");
        }
        assert_ne!(
            of(&json!({})),
            of(&json!({"x": "https://ci.example"})),
            "a new address may stand in place of the provider's own"
        );
    }
}
