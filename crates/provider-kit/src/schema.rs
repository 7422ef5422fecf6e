//! Forms: JSON Schemas that the wizard, the validation and the API description come from, and the way back from a
//! configuration to a typed value with an error that points at the field.

use crate::address::AddressPolicy;
use delivr_domain::ports::provider::{ConfigError, Credentials};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;

/// One field of a form.
#[derive(Debug, Clone)]
pub struct Field {
    name: &'static str,
    schema: Map<String, Value>,
    required: bool,
}

impl Field {
    /// A field of any schema.
    #[must_use]
    pub fn of(name: &'static str, title: &str, schema: &Value) -> Self {
        let mut map = schema.as_object().cloned().unwrap_or_default();
        map.insert("title".to_owned(), json!(title));
        Self {
            name,
            schema: map,
            required: false,
        }
    }
    /// A line of text.
    #[must_use]
    pub fn text(name: &'static str, title: &str) -> Self {
        Self::of(
            name,
            title,
            &json!({"type": "string", "minLength": 1, "maxLength": 2000}),
        )
    }
    /// An address.
    #[must_use]
    pub fn url(name: &'static str, title: &str) -> Self {
        Self::of(
            name,
            title,
            &json!({"type": "string", "format": "uri", "maxLength": 2000}),
        )
    }
    /// Yes or no.
    #[must_use]
    pub fn flag(name: &'static str, title: &str) -> Self {
        Self::of(name, title, &json!({"type": "boolean"}))
    }
    /// A whole number.
    #[must_use]
    pub fn integer(name: &'static str, title: &str, least: i64, most: i64) -> Self {
        Self::of(
            name,
            title,
            &json!({"type": "integer", "minimum": least, "maximum": most}),
        )
    }
    /// A list of texts.
    #[must_use]
    pub fn texts(name: &'static str, title: &str) -> Self {
        Self::of(
            name,
            title,
            &json!({"type": "array", "items": {"type": "string", "minLength": 1}}),
        )
    }
    /// One of some words.
    #[must_use]
    pub fn choice(name: &'static str, title: &str, words: &[&str]) -> Self {
        Self::of(name, title, &json!({"type": "string", "enum": words}))
    }
    /// A secret: never shown again (`writeOnly`, `format: password`).
    #[must_use]
    pub fn secret(name: &'static str, title: &str) -> Self {
        let schema = json!({
            "type": "string", "minLength": 1, "maxLength": 20000, "writeOnly": true, "format": "password",
            "x-secret": true,
        });
        Self::of(name, title, &schema)
    }
    /// With what it is for.
    #[must_use]
    pub fn describe(self, text: &str) -> Self {
        self.keyword("description", json!(text))
    }
    /// With where to find the value at the vendor.
    #[must_use]
    pub fn help(self, text: &str) -> Self {
        self.keyword("x-help", json!(text))
    }
    /// With the value that is taken when it is left out.
    #[must_use]
    pub fn default(self, value: Value) -> Self {
        self.keyword("default", value)
    }
    /// With an example.
    #[must_use]
    pub fn example(self, value: Value) -> Self {
        self.keyword("examples", Value::Array(vec![value]))
    }
    /// With several lines (keys).
    #[must_use]
    pub fn multiline(self) -> Self {
        self.keyword("x-multiline", json!(true))
    }
    /// With any further keyword.
    #[must_use]
    pub fn keyword(mut self, name: &str, value: Value) -> Self {
        self.schema.insert(name.to_owned(), value);
        self
    }
    /// Not to be left out.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// A closed object schema of these fields, in this order (`x-order`).
#[must_use]
pub fn form(title: &str, fields: impl IntoIterator<Item = Field>) -> Value {
    let (mut properties, mut required, mut order) = (Map::new(), Vec::new(), Vec::new());
    for field in fields {
        order.push(json!(field.name));
        if field.required {
            required.push(json!(field.name));
        }
        properties.insert(field.name.to_owned(), Value::Object(field.schema));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title, "type": "object", "additionalProperties": false,
        "properties": properties, "required": required, "x-order": order,
    })
}

/// Reads a configuration; `T` must deny unknown fields. The error points at the field (`/config/baseUrl`).
///
/// # Errors
/// For a missing, unknown or ill-typed field.
pub fn parse<T: DeserializeOwned>(config: &Value) -> Result<T, ConfigError> {
    let said = match serde_json::from_value::<T>(config.clone()) {
        Ok(it) => return Ok(it),
        Err(error) => error.to_string(),
    };
    let named = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|lead| said.split_once(lead)?.1.split('`').next().map(str::to_owned));
    // A wrong value is found by leaving fields out: without the culprit another complaint comes, or none.
    let culprit = named.or_else(|| {
        let map = config.as_object()?;
        map.keys().find_map(|key| {
            let mut without = map.clone();
            without.remove(key);
            match serde_json::from_value::<T>(Value::Object(without)) {
                Ok(_) => Some(key.clone()),
                Err(error) => (error.to_string() != said).then(|| key.clone()),
            }
        })
    });
    Err(match culprit {
        Some(field) => wrong(&field, said),
        None => ConfigError {
            pointer: "/config".to_owned(),
            detail: said,
        },
    })
}

/// An error at a configuration field.
#[must_use]
pub fn wrong(field: &str, detail: impl Into<String>) -> ConfigError {
    ConfigError {
        pointer: format!("/config/{}", field.replace('~', "~0").replace('/', "~1")),
        detail: detail.into(),
    }
}

/// An error at a credential.
#[must_use]
pub fn wrong_credential(name: &str, detail: impl Into<String>) -> ConfigError {
    ConfigError {
        pointer: format!("/credentials/{}", name.replace('~', "~0").replace('/', "~1")),
        detail: detail.into(),
    }
}

/// A vendor's base URL, ready for `join`: absolute, http(s), allowed as far as can be seen without resolving it, path
/// ending with `/`, neither query nor fragment.
///
/// # Errors
/// At the field, saying what is wrong.
pub fn base_url(policy: &AddressPolicy, field: &str, text: &str) -> Result<Url, ConfigError> {
    let mut url = Url::parse(text.trim()).map_err(|why| wrong(field, format!("is not an address: {why}")))?;
    policy
        .check_url(&url)
        .map_err(|refusal| wrong(field, refusal.to_string()))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(field, "must not have a query or fragment"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// A credential that must be set.
///
/// # Errors
/// When it is not.
pub fn secret(credentials: &Credentials, name: &str) -> Result<SecretString, ConfigError> {
    credentials
        .find(name)
        .cloned()
        .ok_or_else(|| wrong_credential(name, "is required"))
}

/// Refuses credentials of other names than these.
///
/// # Errors
/// At the first unknown name.
pub fn only_credentials(credentials: &Credentials, known: &[&str]) -> Result<(), ConfigError> {
    match credentials.names().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => Err(wrong_credential(
            name,
            format!("is unknown; known are {}", known.join(", ")),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Config {
        base_url: String,
        #[serde(default)]
        count: u8,
    }

    #[test]
    fn errors_point_at_the_field() {
        let pointer = |config: Value| parse::<Config>(&config).unwrap_err().pointer;
        assert_eq!(pointer(json!({})), "/config/baseUrl");
        assert_eq!(pointer(json!({"baseUrl": "x", "colour": 1})), "/config/colour");
        assert_eq!(pointer(json!({"baseUrl": "x", "count": 300})), "/config/count");
        assert_eq!(pointer(json!({"baseUrl": 7, "count": 3})), "/config/baseUrl");
        assert_eq!(pointer(json!([1])), "/config");
        assert!(parse::<Config>(&json!({"baseUrl": "x"})).is_ok());
    }

    #[test]
    fn forms_are_closed_and_mark_secrets() {
        let schema = form(
            "T",
            [
                Field::text("a", "A").required(),
                Field::secret("b", "B").help("there"),
            ],
        );
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema["required"], json!(["a"]));
        assert_eq!(schema["properties"]["b"]["writeOnly"], json!(true));
        assert_eq!(schema["properties"]["b"]["x-help"], json!("there"));
    }

    #[test]
    fn base_urls_are_checked_and_joinable() {
        let policy = AddressPolicy::default();
        let url = base_url(&policy, "baseUrl", "https://ci.example.com/jenkins").unwrap();
        assert_eq!(
            url.join("job/x").unwrap().as_str(),
            "https://ci.example.com/jenkins/job/x"
        );
        for bad in [
            "ci.example.com",
            "https://u:p@ci.example.com",
            "http://10.0.0.1",
            "https://x/?a=b",
            "file:///x",
        ] {
            assert_eq!(
                base_url(&policy, "baseUrl", bad).unwrap_err().pointer,
                "/config/baseUrl",
                "{bad}"
            );
        }
    }
}
