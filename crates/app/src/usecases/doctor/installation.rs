//! What lies in the installation itself: a worker, and the address it is reached at.

use super::{About, Finding, Outcome};
use crate::App;
use crate::clocks;
use chrono::TimeDelta;
use delivr_domain::ports::error::StoreError;
use std::net::Ipv4Addr;
use url::{Host, Url};

/// A worker that was not seen for so long does not work.
const WORKER_SEEN: TimeDelta = TimeDelta::seconds(60);
/// What the address is called.
const ADDRESS: &str = "Public address";

/// Looks at the installation.
///
/// # Errors
/// When the store fails.
pub(super) async fn findings(app: &App) -> Result<Vec<Finding>, StoreError> {
    let now = app.store.now().await?;
    let seen = app
        .store
        .last_beat()
        .await?
        .is_some_and(|at| now - at <= WORKER_SEEN);
    let worker = finding(
        "Worker",
        "is alive",
        "Workers do what a release asks of vendors.",
        if seen { Outcome::Ok } else { Outcome::Missing },
        (!seen).then(|| "start `delivr-worker`, or `delivr-api` with the worker it carries".to_owned()),
    );
    let apart = clocks::apart(app.clock.now(), now);
    let clock = finding(
        "Clock",
        "agrees with the database's",
        "What becomes due goes by the database's clock, how long is waited by this machine's.",
        if apart.is_some() {
            Outcome::Degraded
        } else {
            Outcome::Ok
        },
        apart,
    );
    let mut found = vec![worker, clock];
    found.extend(address(app.connections.reached_at()));
    Ok(found)
}

/// What the address is where only this machine or its own network reaches it; none where others may. Names are not looked
/// up: what stands behind one is not known here.
fn nearby(url: &Url) -> Option<&'static str> {
    const MACHINE: &str = "an address of this machine alone";
    const NETWORK: &str = "an address of a private network";
    let v4 = |ip: Ipv4Addr| {
        let [one, two, ..] = ip.octets();
        if ip.is_loopback() || ip.is_unspecified() {
            Some(MACHINE)
        } else if ip.is_private() || ip.is_link_local() || (one == 100 && (64..128).contains(&two)) {
            Some(NETWORK)
        } else {
            None
        }
    };
    match url.host()? {
        Host::Ipv4(ip) => v4(ip),
        Host::Ipv6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => v4(ip),
            None if ip.is_loopback() || ip.is_unspecified() => Some(MACHINE),
            None if ip.is_unique_local() || ip.is_unicast_link_local() => Some(NETWORK),
            None => None,
        },
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let ends = |of: &str| name == of || name.ends_with(&format!(".{of}"));
            if ends("localhost") {
                Some(MACHINE)
            } else if !name.contains('.') || ["local", "internal", "lan", "home.arpa"].into_iter().any(ends) {
                Some(NETWORK)
            } else {
                None
            }
        }
    }
}

/// What the address is good for: vendors can be told one below a path, and people cannot.
fn address(reached_at: Option<&Url>) -> Vec<Finding> {
    let vendors = |outcome, advice| {
        finding(
            ADDRESS,
            "vendors can reach this installation",
            "Webhooks and callbacks tell at once what polling finds later.",
            outcome,
            advice,
        )
    };
    let Some(url) = reached_at else {
        let advice = "set DELIVR_PUBLIC_URL; without it vendors are polled".to_owned();
        return vec![vendors(Outcome::Degraded, Some(advice))];
    };
    let mut found = vec![match nearby(url) {
        None => vendors(Outcome::Ok, None),
        Some(of) => {
            let advice = format!(
                "DELIVR_PUBLIC_URL is {url}, {of}: vendors elsewhere cannot reach it, and are polled; set the address under \
                 which they can"
            );
            vendors(Outcome::Degraded, Some(advice))
        }
    }];
    let path = url.path().trim_end_matches('/');
    if !path.is_empty() {
        let advice = format!(
            "give the pages an address without a path and set DELIVR_PUBLIC_URL to it; below `{path}` a proxy that takes \
             the path away serves vendors, downloads and calendars, but links to status pages and releases lead to pages \
             that do not work there"
        );
        found.push(finding(
            ADDRESS,
            "people can use the pages there",
            "Pages name each other, their style and their script from the root of the address.",
            Outcome::Degraded,
            Some(advice),
        ));
    }
    found
}

fn finding(name: &str, what: &str, why: &'static str, outcome: Outcome, advice: Option<String>) -> Finding {
    Finding {
        about: About::Installation,
        name: name.to_owned(),
        what: what.to_owned(),
        why,
        outcome,
        advice,
        tried_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_or_its_network_reaches_nobody_elsewhere() {
        for near in [
            "http://127.0.0.1:8472",
            "http://localhost:8472/",
            "https://delivr.localhost",
            "http://0.0.0.0",
            "http://[::1]:8472",
            "http://[::ffff:10.0.0.1]",
            "https://10.1.2.3",
            "https://172.16.0.1",
            "https://192.168.1.10:8443/base",
            "http://169.254.1.1",
            "http://100.64.0.1",
            "http://[fd00::1]",
            "http://[fe80::1]",
            "http://delivr",
            "https://delivr.corp.internal",
        ] {
            assert!(nearby(&near.parse().unwrap()).is_some(), "{near}");
        }
        for far in [
            "https://delivr.example.com/base/",
            "https://203.0.113.7",
            "https://172.32.0.1",
            "https://100.128.0.1",
            "https://[2001:db8::1]",
        ] {
            assert_eq!(nearby(&far.parse().unwrap()), None, "{far}");
        }
    }

    #[test]
    fn an_address_below_a_path_is_one_for_vendors_alone() {
        let outcomes = |text: &str| -> Vec<(String, Outcome)> {
            let url: Url = text.parse().unwrap();
            let found = address(Some(&url));
            found.into_iter().map(|it| (it.what, it.outcome)).collect()
        };
        let both = [
            ("vendors can reach this installation".to_owned(), Outcome::Ok),
            ("people can use the pages there".to_owned(), Outcome::Degraded),
        ];
        for root in ["https://delivr.example", "https://delivr.example/"] {
            assert_eq!(outcomes(root), both[..1], "{root}");
        }
        for below in ["https://tools.example/delivr", "https://tools.example/delivr/"] {
            assert_eq!(outcomes(below), both, "{below}");
        }
        let found = address(Some(&"https://tools.example/delivr/".parse().unwrap()));
        let advice = found.iter().filter_map(|it| it.advice.as_deref());
        assert!(
            advice
                .into_iter()
                .any(|it| it.contains("below `/delivr` a proxy"))
        );
        assert_eq!(
            address(None).first().map(|it| it.outcome),
            Some(Outcome::Degraded)
        );
    }
}
