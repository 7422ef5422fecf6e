//! What lies in the installation itself: a worker, and the address it is reached at.

use super::{About, Finding, Outcome};
use crate::App;
use chrono::TimeDelta;
use delivr_domain::ports::error::StoreError;
use url::Url;

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
    let mut found = vec![worker];
    found.extend(address(app.connections.reached_at()));
    Ok(found)
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
    let mut found = vec![vendors(Outcome::Ok, None)];
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
