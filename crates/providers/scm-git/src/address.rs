//! Which repository, and with what right it is reached.

use delivr_domain::ports::provider::{ConfigError, Credentials};
use delivr_provider_kit::AddressPolicy;
use delivr_provider_kit::address::is_public;
use delivr_provider_kit::schema::{wrong, wrong_credential};
use secrecy::{ExposeSecret, SecretString};
use std::net::IpAddr;
use std::path::PathBuf;
use url::{Host, Url};

/// A repository's address, checked as far as can be without resolving names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remote {
    /// By http or https.
    Web(Url),
    /// By ssh.
    Ssh {
        user: String,
        host: String,
        port: u16,
        path: String,
    },
    /// A folder of this machine, resolved and below the operator's root.
    Folder { path: PathBuf, root: PathBuf },
}

impl Remote {
    pub(crate) fn parse(
        policy: &AddressPolicy,
        root: Option<&PathBuf>,
        text: &str,
    ) -> Result<Self, ConfigError> {
        let bad = |detail: &str| wrong("url", detail);
        let text = text.trim();
        if text.starts_with('-') || text.chars().any(char::is_control) {
            return Err(bad("is not an address of a repository"));
        }
        let Some((scheme, _)) = text.split_once("://") else {
            return Self::scp_like(text)
                .ok_or_else(|| bad("must be https://, ssh://, git@host:path or file://"));
        };
        let url = Url::parse(text).map_err(|why| bad(&format!("is not an address: {why}")))?;
        match scheme {
            "http" | "https" => {
                policy
                    .check_url(&url)
                    .map_err(|refusal| bad(&refusal.to_string()))?;
                if scheme == "http" && !may_be_plain(policy, &url) {
                    return Err(bad(
                        "must be https: over http everybody on the way can read the credential and change the \
                         commits; the operator can allow a host of the own network with DELIVR_ALLOWED_HOSTS",
                    ));
                }
                if url.query().is_some() || url.fragment().is_some() {
                    return Err(bad("must not have a query or fragment"));
                }
                Ok(Self::Web(url))
            }
            "ssh" => {
                if url.password().is_some() {
                    return Err(bad("must not contain a password"));
                }
                let user = if url.username().is_empty() {
                    "git"
                } else {
                    url.username()
                };
                let host = url.host_str().unwrap_or_default();
                Self::ssh(user, host, url.port().unwrap_or(22), url.path())
                    .ok_or_else(|| bad("is not a usable ssh address"))
            }
            "file" => {
                let path = url
                    .to_file_path()
                    .map_err(|()| bad("is not a folder of this machine"))?;
                let refused =
                    || bad("file addresses are only allowed below the operator's DELIVR_GIT_FILE_ROOT");
                let root = root
                    .ok_or_else(refused)?
                    .canonicalize()
                    .map_err(|_ignored| refused())?;
                // Resolved first, so that neither `..` nor a link leads out. A folder that is missing is refused the
                // same way: what lies outside is not told.
                let path = path.canonicalize().map_err(|_ignored| refused())?;
                let remote = Self::Folder { path, root };
                if remote.is_inside() {
                    Ok(remote)
                } else {
                    Err(refused())
                }
            }
            _ => Err(bad("must be https, ssh or file")),
        }
    }

    fn scp_like(text: &str) -> Option<Self> {
        let (before, path) = text.split_once(':')?;
        let (user, host) = before.split_once('@').unwrap_or(("git", before));
        Self::ssh(user, host, 22, path)
    }

    fn ssh(user: &str, host: &str, port: u16, path: &str) -> Option<Self> {
        // These become parts of a command line that ssh and the server's shell read.
        let plain = |text: &str, more: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let fine =
            plain(user, "._-") && plain(host.trim_matches(['[', ']']), ".-:") && plain(path, "._-/~+@");
        fine.then(|| Self::Ssh {
            user: user.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            path: path.to_owned(),
        })
    }

    /// Whether a folder still lies below the root; asked again before each use, since links can be changed.
    pub(crate) fn is_inside(&self) -> bool {
        match self {
            Self::Web(_) | Self::Ssh { .. } => true,
            Self::Folder { path, root } => {
                path.canonicalize().is_ok_and(|real| real == *path) && path.starts_with(root) && path != root
            }
        }
    }

    /// What git is given.
    pub(crate) fn argument(&self) -> String {
        match self {
            Self::Web(url) => url.to_string(),
            Self::Ssh {
                user,
                host,
                port,
                path,
            } => {
                let host = if host.contains(':') {
                    format!("[{host}]")
                } else {
                    host.clone()
                };
                let lead = if path.starts_with('/') { "" } else { "/" };
                format!("ssh://{user}@{host}:{port}{lead}{path}")
            }
            Self::Folder { path, .. } => format!("file://{}", path.display()),
        }
    }

    /// The one protocol git may use for it.
    pub(crate) fn protocol(&self) -> &str {
        match self {
            Self::Web(url) => url.scheme(),
            Self::Ssh { .. } => "ssh",
            Self::Folder { .. } => "file",
        }
    }
}

/// Whether http is good enough: for a host that the operator named, or an address of the operator's own network.
fn may_be_plain(policy: &AddressPolicy, url: &Url) -> bool {
    let port = url.port_or_known_default().unwrap_or(80);
    let literal = match url.host() {
        Some(Host::Ipv4(it)) => Some(IpAddr::V4(it)),
        Some(Host::Ipv6(it)) => Some(IpAddr::V6(it)),
        Some(Host::Domain(_)) | None => None,
    };
    let private = |it: IpAddr| !is_public(it.to_canonical()) && policy.permits(it);
    policy.names(url.host_str().unwrap_or_default(), port) || literal.is_some_and(private)
}

/// With what right the repository is reached.
#[derive(Debug, Clone)]
pub(crate) enum Access {
    /// None is needed.
    Open,
    /// User and password of https.
    Password(SecretString, SecretString),
    /// A private key and the server's host keys.
    Key(SecretString, String),
}

impl Access {
    pub(crate) fn of(
        remote: &Remote,
        credentials: &Credentials,
        host_keys: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let (key, user, password) = (
            credentials.find("sshKey"),
            credentials.find("username"),
            credentials.find("password"),
        );
        match remote {
            Remote::Folder { .. } => match credentials.names().next() {
                None => Ok(Self::Open),
                Some(name) => Err(wrong_credential(name, "a file address takes no credential")),
            },
            Remote::Web(_) => {
                if key.is_some() {
                    return Err(wrong_credential(
                        "sshKey",
                        "an https address takes username and password",
                    ));
                }
                match (user, password) {
                    (Some(user), Some(password)) => {
                        let broken = |it: &SecretString| it.expose_secret().chars().any(char::is_control);
                        if broken(user) || broken(password) {
                            return Err(wrong_credential("password", "must be one line"));
                        }
                        Ok(Self::Password(user.clone(), password.clone()))
                    }
                    (None, None) => Ok(Self::Open),
                    (Some(_), None) => Err(wrong_credential("password", "is required with a user name")),
                    (None, Some(_)) => Err(wrong_credential("username", "is required with a password")),
                }
            }
            Remote::Ssh { .. } => {
                let key = key.ok_or_else(|| wrong_credential("sshKey", "is required for ssh"))?;
                let pinned = host_keys.map(str::trim).filter(|keys| !keys.is_empty());
                let pinned = pinned.ok_or_else(|| {
                    wrong(
                        "hostKeys",
                        "is required for ssh: without it any server could pose as yours",
                    )
                })?;
                Ok(Self::Key(key.clone(), known_hosts(pinned)))
            }
        }
    }
}

/// Lines of a `known_hosts` file under the one alias we connect by.
fn known_hosts(keys: &str) -> String {
    let mut text = String::new();
    for line in keys
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let start = words.iter().position(|word| {
            ["ssh-", "ecdsa-", "sk-"]
                .iter()
                .any(|lead| word.starts_with(lead))
        });
        if let Some([kind, key, ..]) = start.and_then(|at| words.get(at..)) {
            text.push_str(&format!("{ALIAS} {kind} {key}\n"));
        }
    }
    text
}

/// Under this name ssh looks up host keys, whatever address it connects to.
pub(crate) const ALIAS: &str = "delivr-pinned-host";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_strictly() {
        let policy = AddressPolicy::default();
        let parse = |text: &str| Remote::parse(&policy, None, text);
        assert_eq!(
            parse("git@git.example.com:shop/app.git").unwrap().argument(),
            "ssh://git@git.example.com:22/shop/app.git"
        );
        assert_eq!(
            parse("ssh://git.example.com:2222/a.git").unwrap().argument(),
            "ssh://git@git.example.com:2222/a.git"
        );
        for bad in [
            "--upload-pack=touch x",
            "ext::sh -c id",
            "git://example.com/a",
            "https://u:p@example.com/a",
            "https://127.0.0.1/a.git",
            "https://169.254.169.254/",
            "ssh://-oProxyCommand=id/a",
            "host:$(id)",
            "git@host:a;id",
            "file:///etc",
            "ssh://u:p@example.com/a",
            "a\nb:c",
            "/etc/passwd",
            "host:-x",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn plain_http_is_for_hosts_the_operator_allowed() {
        let policy = AddressPolicy::new("git.corp:8080, 10.1.0.0/16, 93.184.0.0/16").unwrap();
        let parse = |text: &str| Remote::parse(&policy, None, text);
        for good in [
            "http://git.corp:8080/a.git",
            "http://GIT.corp:8080/a.git",
            "http://10.1.2.3/a.git",
            "http://[::ffff:10.1.2.3]/a.git",
            "https://git.corp/a.git",
            "https://git.example.com/a.git",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://git.corp/a.git",
            "http://git.example.com/a.git",
            "http://93.184.1.1/a.git",
            "http://[::ffff:93.184.1.1]/a.git",
            "http://10.2.0.1/a.git",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn host_keys_are_pinned_under_one_alias() {
        let text = known_hosts(
            "# comment\nexample.com,1.2.3.4 ssh-ed25519 AAAA c\nssh-rsa BBBB\n|1|x|y ecdsa-sha2-nistp256 CCCC",
        );
        assert_eq!(
            text,
            "delivr-pinned-host ssh-ed25519 AAAA\ndelivr-pinned-host ssh-rsa BBBB\ndelivr-pinned-host ecdsa-sha2-nistp256 CCCC\n"
        );
    }
}
