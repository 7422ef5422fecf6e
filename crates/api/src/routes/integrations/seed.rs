//! Integration bodies with the names of seed 004, read as ours.
//!
//! The seed names a vendor by a `...Type` field and has one flat object; ours separates configuration from credentials.
//! What a seed body leaves out and the vendor needs (an Apple key id, a Jira e-mail) may stand beside, under our names.

use crate::problem::Problem;
use delivr_domain::ports::provider::{Port, Registry};
use serde_json::{Map, Value, json};
use url::Url;
use utoipa::ToSchema;
use utoipa::openapi::schema::{AllOfBuilder, AnyOfBuilder, ObjectBuilder};
use utoipa::openapi::{Ref, RefOr, Schema};

/// Where a seed field belongs.
enum Part {
    Config(&'static str),
    Credential(&'static str),
    /// An address, to which the seed gives no scheme.
    Address(&'static str),
}

use Part::{Address, Config, Credential};

/// One kind of integration of the seed.
struct Form {
    port: Port,
    /// Field that says which vendor.
    tag: &'static str,
    /// Its word for the vendor.
    word: &'static str,
    /// Our key of the provider.
    provider: &'static str,
    fields: &'static [(&'static str, Part)],
    /// What the seed takes for granted.
    defaults: &'static [(&'static str, &'static str)],
}

const JENKINS: &[(&str, Part)] = &[
    ("jenkinsUrl", Address("baseUrl")),
    ("jenkinsUsername", Credential("username")),
    ("jenkinsUser", Credential("username")),
    ("jenkinsApiToken", Credential("apiToken")),
    ("jenkinsWebhookSecret", Credential("webhookSecret")),
];

const FORMS: &[Form] = &[
    Form {
        port: Port::Stores,
        tag: "targetType",
        word: "APP_STORE",
        provider: "appstore",
        fields: &[
            ("appleApiKey", Credential("privateKeyPem")),
            ("appleKeyId", Config("keyId")),
            ("appleIssuerId", Config("issuerId")),
            ("appleBundleId", Config("bundleId")),
        ],
        defaults: &[],
    },
    Form {
        port: Port::Stores,
        tag: "targetType",
        word: "PLAY_STORE",
        provider: "playstore",
        fields: &[
            ("googleServiceAccount", Credential("serviceAccountJson")),
            ("googlePackageName", Config("packageName")),
        ],
        defaults: &[],
    },
    Form {
        port: Port::Communication,
        tag: "communicationType",
        word: "SLACK",
        provider: "slack",
        fields: &[
            ("slackBotToken", Credential("botToken")),
            ("slackSigningSecret", Credential("signingSecret")),
        ],
        defaults: &[],
    },
    Form {
        port: Port::ProjectManagement,
        tag: "ticketType",
        word: "JIRA",
        provider: "jira",
        fields: &[
            ("jiraUrl", Address("baseUrl")),
            ("jiraProjectKey", Config("projectKey")),
            ("jiraEmail", Credential("email")),
            ("jiraApiToken", Credential("apiToken")),
        ],
        defaults: &[("closedStatus", "Done")],
    },
    Form {
        port: Port::Cicd,
        tag: "pipelineType",
        word: "JENKINS",
        provider: "jenkins",
        fields: JENKINS,
        defaults: &[],
    },
];

/// Our form of a body, or the seed's, which names its vendor by a tag.
pub(in crate::routes) fn either<Ours: ToSchema>() -> RefOr<Schema> {
    let ours = RefOr::Ref(Ref::from_schema_name(Ours::name()));
    let tagged = TAGS.iter().fold(AnyOfBuilder::new(), |any, (tag, _port)| {
        any.item(ObjectBuilder::new().required(*tag))
    });
    let seed = AllOfBuilder::new()
        .item(ObjectBuilder::new())
        .item(tagged)
        .description(Some(
            "The form of seed 004: flat, with the vendor named by a tag.",
        ));
    AnyOfBuilder::new().item(ours).item(seed).into()
}

/// Tags of the seed, with the category they belong to.
const TAGS: &[(&str, Port)] = &[
    ("scmType", Port::Scm),
    ("targetType", Port::Stores),
    ("communicationType", Port::Communication),
    ("ticketType", Port::ProjectManagement),
    ("pipelineType", Port::Cicd),
];

/// Fields that a body may have beside its `...Type` in our own form.
const OURS: &[&str] = &["provider", "name", "config", "credentials"];

/// Our form of a body in the seed's form; none when it is not in the seed's form.
///
/// # Errors
/// 400 for a field or a vendor's word that neither form knows.
pub(super) fn form(port: Port, registry: &Registry, body: &Value) -> Result<Option<Value>, Problem> {
    let Some(given) = body.as_object() else {
        return Ok(None);
    };
    let Some((tag, _)) = TAGS
        .iter()
        .find(|(tag, of)| *of == port && given.contains_key(*tag))
    else {
        return Ok(None);
    };
    let word = given.get(*tag).and_then(Value::as_str).unwrap_or_default();
    let mut ours = Ours::new(given);
    if port == Port::Scm {
        source_control(word, registry, given, &mut ours)?;
        return Ok(Some(ours.done()));
    }
    let form = FORMS
        .iter()
        .find(|form| form.port == port && form.tag == *tag && form.word == word)
        .ok_or_else(|| unknown_word(tag, port))?;
    ours.provider(form.provider);
    for (name, value) in form.defaults {
        ours.default(name, value);
    }
    for (name, value) in given {
        match form.fields.iter().find(|(field, _)| field == name) {
            Some((_, Config(to))) => ours.config(to, value.clone()),
            Some((_, Credential(to))) => ours.credential(to, as_text(value)),
            Some((_, Address(to))) => ours.config(to, with_scheme(value)),
            None if name == "slackChannels" && form.provider == "slack" => channels(value, &mut ours)?,
            None if name == tag || OURS.contains(&name.as_str()) => {}
            None => return Err(unknown_field(name)),
        }
    }
    Ok(Some(ours.done()))
}

/// The CI system and the pipeline of a seed pipeline, each in our form; none when it is not in the seed's form.
///
/// # Errors
/// 400 for a vendor's word that is not known.
pub(super) fn pipeline(body: &Value) -> Result<Option<(Value, Value)>, Problem> {
    let Some(given) = body.as_object().filter(|it| it.contains_key("pipelineType")) else {
        return Ok(None);
    };
    let mut connection = Map::new();
    let mut rest = Map::new();
    for (name, value) in given {
        let (to, name) = match name.as_str() {
            "pipelineType" => (&mut connection, "pipelineType"),
            "targetIntegrationId" => (&mut rest, "storeIntegrationId"),
            "jenkinsJobPath" => (&mut rest, "job"),
            other if JENKINS.iter().any(|(field, _)| *field == other) => (&mut connection, other),
            other => (&mut rest, other),
        };
        to.insert(name.to_owned(), value.clone());
    }
    Ok(Some((Value::Object(connection), Value::Object(rest))))
}

fn unknown_word(tag: &str, port: Port) -> Problem {
    let known: Vec<&str> = FORMS
        .iter()
        .filter(|form| form.port == port && form.tag == tag)
        .map(|form| form.word)
        .collect();
    Problem::malformed_at(format!("/{tag}"), format!("must be one of {}", known.join(", ")))
}

fn unknown_field(name: &str) -> Problem {
    let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    Problem::malformed_at(pointer, "unknown field")
}

/// Hosts people mean when they say only the word.
fn source_control(
    word: &str,
    registry: &Registry,
    given: &Map<String, Value>,
    ours: &mut Ours,
) -> Result<(), Problem> {
    let (provider, user) = match word {
        "GITHUB" => ("github", "x-access-token"),
        "GITLAB" => ("gitlab", "oauth2"),
        "BITBUCKET" => ("bitbucket", "x-token-auth"),
        "GIT" => ("git", "git"),
        _ => {
            return Err(Problem::malformed_at(
                "/scmType",
                "must be one of GITHUB, GITLAB, BITBUCKET, GIT",
            ));
        }
    };
    for name in given.keys() {
        let known = ["scmType", "repositoryUrl", "accessToken"];
        if !known.contains(&name.as_str()) && !OURS.contains(&name.as_str()) {
            return Err(unknown_field(name));
        }
    }
    let address = given.get("repositoryUrl").map(with_scheme).unwrap_or_default();
    let text = address.as_str().unwrap_or_default();
    let url = Url::parse(text).ok().filter(Url::has_host).ok_or_else(|| {
        Problem::malformed_at(
            "/repositoryUrl",
            "must be an address like github.com/owner/repository",
        )
    })?;
    let token = given.get("accessToken").map(as_text);
    if provider == "github" && registry.find(Port::Scm, provider).is_some() {
        let path = url.path().trim_matches('/').trim_end_matches(".git");
        let (owner, repository) = path
            .split_once('/')
            .filter(|(owner, repository)| {
                !owner.is_empty() && !repository.is_empty() && !repository.contains('/')
            })
            .ok_or_else(|| Problem::malformed_at("/repositoryUrl", "must name owner and repository"))?;
        ours.provider(provider);
        ours.config("owner", json!(owner));
        ours.config("repository", json!(repository));
        if url.host_str() != Some("github.com") {
            // An Enterprise server serves its API below this path.
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            let host = url.host_str().unwrap_or_default();
            ours.config(
                "baseUrl",
                json!(format!("{}://{host}{port}/api/v3", url.scheme())),
            );
        }
        if let Some(token) = token {
            ours.credential("token", token);
        }
    } else {
        // Every host of these speaks git, with the token as password.
        ours.provider("git");
        ours.config("url", address.clone());
        if let Some(token) = token {
            ours.credential("username", json!(user));
            ours.credential("password", token);
        }
    }
    Ok(())
}

fn channels(value: &Value, ours: &mut Ours) -> Result<(), Problem> {
    let first = match value {
        Value::Array(ids) => ids.first().and_then(Value::as_str),
        Value::String(id) => Some(id.as_str()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    };
    let first =
        first.ok_or_else(|| Problem::malformed_at("/slackChannels", "must be a list of channel ids"))?;
    // One channel per topic is said by `config`; a plain list means: everything into the first.
    ours.config("channels", json!({ "releases": first }));
    Ok(())
}

/// Credentials are texts; a service account may come as the JSON object that it is.
fn as_text(value: &Value) -> Value {
    match value {
        Value::Object(_) => json!(value.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => value.clone(),
    }
}

fn with_scheme(value: &Value) -> Value {
    match value.as_str() {
        Some(text) if !text.contains("://") => json!(format!("https://{text}")),
        Some(_) | None => value.clone(),
    }
}

/// Our form, as far as it is known.
struct Ours {
    given: Map<String, Value>,
    provider: &'static str,
    config: Map<String, Value>,
    credentials: Map<String, Value>,
}

impl Ours {
    fn new(given: &Map<String, Value>) -> Self {
        let part = |name: &str| {
            given
                .get(name)
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default()
        };
        Self {
            given: given.clone(),
            provider: "",
            config: part("config"),
            credentials: part("credentials"),
        }
    }
    fn provider(&mut self, key: &'static str) {
        self.provider = key;
    }
    fn default(&mut self, name: &str, value: &str) {
        self.config.entry(name).or_insert_with(|| json!(value));
    }
    fn config(&mut self, name: &str, value: Value) {
        self.config.insert(name.to_owned(), value);
    }
    fn credential(&mut self, name: &str, value: Value) {
        self.credentials.insert(name.to_owned(), value);
    }
    fn done(self) -> Value {
        // The seed has no names; the vendor's own word for what is connected is one that people recognise.
        let named = [
            "repositoryUrl",
            "jenkinsUrl",
            "jiraProjectKey",
            "appleBundleId",
            "googlePackageName",
        ]
        .iter()
        .find_map(|field| self.given.get(*field)?.as_str())
        .map(|it| format!("{} {it}", self.provider));
        let name = self.given.get("name").cloned();
        let fallback = || json!(named.unwrap_or_else(|| self.provider.to_owned()));
        json!({
            "provider": self.provider,
            "name": name.unwrap_or_else(fallback),
            "config": self.config,
            "credentials": self.credentials,
        })
    }
}
