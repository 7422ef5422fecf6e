//! The address guard: which hosts a user-given URL may lead to.
//!
//! Only public addresses are reached, unless the operator allows a host or a network (`DELIVR_ALLOWED_HOSTS`). The
//! check is made on the URL (schemes, IP literals) and again on the resolved addresses when the connection is
//! opened, so that a name that changes its address between the two gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use url::{Host, Url};

/// Why the operator's list is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` is not a host, host:port or CIDR network")]
pub struct PolicyError {
    entry: String,
}

/// Why an address is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither http nor https.
    #[error("the scheme `{0}` is not allowed; use https or http")]
    Scheme(String),
    /// No host at all.
    #[error("the address names no host")]
    NoHost,
    /// User name or password inside the URL: they would end up in logs.
    #[error("the address must not contain a user name or password")]
    UserInfo,
    /// A private, local or special address.
    #[error(
        "`{host}` leads to {address}, which is not a public address; the operator can allow it with DELIVR_ALLOWED_HOSTS"
    )]
    Address {
        /// The host as given.
        host: String,
        /// What it is or resolves to.
        address: IpAddr,
    },
    /// A host that practice does not know.
    #[error(
        "`{host}` is not called: in practice nothing leaves this machine, and every vendor is a simulated one"
    )]
    Outside {
        /// The host as given.
        host: String,
    },
    /// A redirect away from the host.
    #[error("the answer redirects to another host ({0}), which is never followed")]
    Redirect(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(it)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(base) & mask == u32::from(it) & mask
            }
            (IpAddr::V6(base), IpAddr::V6(it)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                u128::from(base) & mask == u128::from(it) & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Which hosts may be called besides public ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    hosts: Vec<(String, Option<u16>)>,
    networks: Vec<Network>,
    /// Nothing but what is named or listed is called, and no other name is looked up.
    closed: bool,
}

impl AddressPolicy {
    /// From the operator's comma list of `host`, `host:port`, IP address or CIDR network; empty allows nothing extra.
    ///
    /// # Errors
    /// When an entry is none of these.
    pub fn new(allowed: &str) -> Result<Self, PolicyError> {
        let mut policy = Self::default();
        for entry in allowed
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            policy.allow(entry)?;
        }
        Ok(policy)
    }

    /// Like [`AddressPolicy::new`], and nothing else is called, public or not: for practice.
    ///
    /// # Errors
    /// When an entry is none of these.
    pub fn nothing_but(allowed: &str) -> Result<Self, PolicyError> {
        let policy = Self::new(allowed)?;
        Ok(Self {
            closed: true,
            ..policy
        })
    }

    /// The policy tests use: this machine is allowed, everything else private is not.
    #[must_use]
    pub fn allowing_loopback() -> Self {
        let net = |base, bits| Network { base, bits };
        Self {
            hosts: vec![("localhost".to_owned(), None)],
            networks: vec![
                net(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
                net(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
            ],
            closed: false,
        }
    }

    fn allow(&mut self, entry: &str) -> Result<(), PolicyError> {
        let bad = || PolicyError {
            entry: entry.chars().take(100).collect(),
        };
        if let Some((base, bits)) = entry.split_once('/') {
            let base: IpAddr = base.parse().map_err(|_ignored| bad())?;
            let bits: u8 = bits.parse().map_err(|_ignored| bad())?;
            let most = if base.is_ipv4() { 32 } else { 128 };
            if bits > most {
                return Err(bad());
            }
            self.networks.push(Network { base, bits });
            return Ok(());
        }
        if let Ok(base) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
            let bits = if base.is_ipv4() { 32 } else { 128 };
            self.networks.push(Network { base, bits });
            return Ok(());
        }
        // The URL parser knows how hosts are written (case, IDN, brackets); its default port must not be lost.
        let url = Url::parse(&format!("any://{entry}/")).map_err(|_ignored| bad())?;
        let plain = url.path() == "/" && url.username().is_empty() && url.query().is_none();
        let host = url.host_str().filter(|_| plain).ok_or_else(bad)?;
        if host
            .chars()
            .any(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']')))
        {
            return Err(bad());
        }
        self.hosts.push((normal(host), url.port()));
        Ok(())
    }

    /// Whether the operator named this host (and port), so that any address it has is fine.
    #[must_use]
    pub fn names(&self, host: &str, port: u16) -> bool {
        let host = normal(host);
        self.hosts
            .iter()
            .any(|(name, only)| *name == host && only.is_none_or(|only| only == port))
    }

    /// Whether the address may be reached without its host being named: in an allowed network, or public where that is
    /// allowed.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        let listed = self
            .networks
            .iter()
            .any(|net| net.contains(address) || net.contains(canonical));
        listed || (!self.closed && is_public(address))
    }

    /// The refusal of a name that must not even be looked up.
    fn shut(&self, host: &str, named: bool) -> Result<(), Refusal> {
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
        if !self.closed || named || literal.is_ok_and(|address| self.permits(address)) {
            Ok(())
        } else {
            Err(Refusal::Outside {
                host: host.to_owned(),
            })
        }
    }

    /// Checks what can be seen of a URL without resolving it: scheme, user info, IP literals.
    ///
    /// # Errors
    /// The refusal.
    pub fn check_url(&self, url: &Url) -> Result<(), Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo);
        }
        let port = url.port_or_known_default().unwrap_or(443);
        if let Some(host) = url.host_str() {
            self.shut(host, self.names(host, port))?;
        }
        let literal = match url.host() {
            None => return Err(Refusal::NoHost),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(it)) => IpAddr::V4(it),
            Some(Host::Ipv6(it)) => IpAddr::V6(it),
        };
        let host = url.host_str().unwrap_or_default();
        if self.permits(literal) || self.names(host, port) {
            Ok(())
        } else {
            Err(Refusal::Address {
                host: host.to_owned(),
                address: literal,
            })
        }
    }

    /// Resolves a host (name or IP literal) and keeps the addresses that may be called; for tools that are given the
    /// address to connect to.
    ///
    /// # Errors
    /// An I/O error when the name does not resolve; one that carries a [`Refusal`] when no address is allowed.
    pub async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        self.shut(host, self.names(host, port))
            .map_err(std::io::Error::other)?;
        let bare = host.trim_matches(['[', ']']);
        let found: Vec<SocketAddr> = tokio::net::lookup_host((bare, port)).await?.collect();
        self.keep(host, self.names(host, port), found)
    }

    fn keep(&self, host: &str, named: bool, found: Vec<SocketAddr>) -> std::io::Result<Vec<SocketAddr>> {
        let first = found.first().map(SocketAddr::ip);
        let kept: Vec<SocketAddr> = found
            .into_iter()
            .filter(|it| named || self.permits(it.ip()))
            .collect();
        match first {
            Some(address) if kept.is_empty() => Err(std::io::Error::other(Refusal::Address {
                host: host.to_owned(),
                address,
            })),
            None => Err(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "the name has no address",
            )),
            Some(_) => Ok(kept),
        }
    }
}

fn normal(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Whether an address belongs to the public internet (IANA's special-purpose registries are not).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => is_public_v4(it),
        IpAddr::V6(it) => is_public_v6(it),
    }
}

fn is_public_v4(it: Ipv4Addr) -> bool {
    let [a, b, c, _] = it.octets();
    // Azure answers its metadata and DHCP from this one public address.
    let azure = it == Ipv4Addr::new(168, 63, 129, 16);
    let special = a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && matches!(c, 0 | 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && matches!(b, 18 | 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113);
    !(special || azure || it.is_private() || it.is_loopback() || it.is_link_local() || it.is_multicast())
}

fn is_public_v6(it: Ipv6Addr) -> bool {
    let [a, b, ..] = it.segments();
    // Only 2000::/3 is given out. This leaves out mapped and NAT64 addresses, unique local, link-local, multicast.
    let global = a & 0xe000 == 0x2000;
    let special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    global && !special
}

/// reqwest's resolver that gives out allowed addresses only. IP literals never come here: see [`AddressPolicy::check_url`].
#[derive(Debug, Clone)]
pub(crate) struct GuardedResolver {
    pub(crate) policy: Arc<AddressPolicy>,
    /// Whether the calls of this client go to hosts that the operator named (checked with the port before the call).
    pub(crate) named: bool,
    /// Host of the operator's proxy, which may have any address.
    pub(crate) proxy: Option<String>,
}

impl reqwest::dns::Resolve for GuardedResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let this = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let proxy = this.proxy.as_deref();
            let named = this.named || proxy.is_some_and(|proxy| normal(proxy) == normal(host));
            this.policy.shut(host, named).map_err(std::io::Error::other)?;
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let kept = this.policy.keep(host, named, found)?;
            Ok(Box::new(kept.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

/// The refusal inside an error's chain of causes, if it is one.
#[must_use]
pub fn refusal_in<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Refusal> {
    let mut next = Some(error);
    while let Some(it) = next {
        if let Some(refusal) = it.downcast_ref::<Refusal>() {
            return Some(refusal);
        }
        // An I/O error made from another error hides it from `source`.
        if let Some(inner) = it
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            && let Some(refusal) = refusal_in(inner)
        {
            return Some(refusal);
        }
        next = it.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "8.8.8.8",
            "140.82.121.4",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn literals_in_any_spelling_are_checked() {
        let policy = AddressPolicy::new("").unwrap();
        for text in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "https://169.254.169.254/latest",
            "http://017700000001/",
        ] {
            let refused = policy.check_url(&Url::parse(text).unwrap());
            assert!(matches!(refused, Err(Refusal::Address { .. })), "{text}");
        }
        for text in [
            "file:///etc/passwd",
            "ftp://example.com/",
            "gopher://example.com/",
        ] {
            assert!(policy.check_url(&Url::parse(text).unwrap()).is_err(), "{text}");
        }
        assert_eq!(
            policy.check_url(&Url::parse("https://user:pw@example.com/").unwrap()),
            Err(Refusal::UserInfo)
        );
        assert!(
            policy
                .check_url(&Url::parse("https://example.com/").unwrap())
                .is_ok()
        );
    }

    #[test]
    fn the_operator_allows_hosts_ports_and_networks() {
        let policy = AddressPolicy::new("jenkins.corp:8443, Jira.corp , 10.20.0.0/16,[fd00::5]").unwrap();
        assert!(policy.names("JENKINS.corp.", 8443));
        assert!(!policy.names("jenkins.corp", 443));
        assert!(policy.names("jira.corp", 1));
        assert!(policy.permits("10.20.3.4".parse().unwrap()));
        assert!(policy.permits("::ffff:10.20.3.4".parse().unwrap()));
        assert!(!policy.permits("10.21.3.4".parse().unwrap()));
        assert!(policy.permits("fd00::5".parse().unwrap()));
        let literal = AddressPolicy::new("127.0.0.1:8080").unwrap();
        assert!(
            literal
                .check_url(&Url::parse("http://127.0.0.1:8080/").unwrap())
                .is_ok()
        );
        assert!(
            literal
                .check_url(&Url::parse("http://127.0.0.1:22/").unwrap())
                .is_err()
        );
        for bad in ["10.0.0.0/33", "a b", "http://x", "x/y", "user@host"] {
            assert!(AddressPolicy::new(bad).is_err(), "{bad}");
        }
        assert!(
            !AddressPolicy::new("0.0.0.0/0")
                .unwrap()
                .permits("::1".parse().unwrap())
        );
    }

    #[tokio::test]
    async fn practice_calls_what_it_names_and_nothing_else() {
        let practice = AddressPolicy::nothing_but("127.0.0.1:8099").unwrap();
        let check = |text: &str| practice.check_url(&Url::parse(text).unwrap());
        assert_eq!(check("http://127.0.0.1:8099/github"), Ok(()));
        for text in [
            "https://api.github.com/",
            "https://140.82.121.4/",
            "https://[2606:4700::1111]/",
            "http://127.0.0.1:22/",
            "http://localhost:8099/",
            "http://10.0.0.1/",
        ] {
            assert!(matches!(check(text), Err(Refusal::Outside { .. })), "{text}");
        }
        assert!(!practice.permits("140.82.121.4".parse().unwrap()));
        // A name that has no address would say so, if it were looked up.
        let error = practice.resolve("delivr.invalid", 443).await.unwrap_err();
        assert!(
            matches!(refusal_in(&error), Some(Refusal::Outside { .. })),
            "{error}"
        );
        assert!(practice.resolve("127.0.0.1", 8099).await.is_ok());
        assert!(practice.resolve("127.0.0.1", 22).await.is_err());
    }

    #[tokio::test]
    async fn names_that_lead_inside_are_refused_when_resolved() {
        let strict = AddressPolicy::new("").unwrap();
        let error = strict.resolve("localhost", 80).await.unwrap_err();
        assert!(matches!(refusal_in(&error), Some(Refusal::Address { .. })));
        assert!(
            !AddressPolicy::allowing_loopback()
                .resolve("localhost", 80)
                .await
                .unwrap()
                .is_empty()
        );
    }
}
