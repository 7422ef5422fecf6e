//! Places: every route has one canonical path, and all its other names are rewritten to it before routing.
//!
//! So an alias cannot answer differently from its route, an idempotency key means the same under every name, and the
//! handlers are registered once.

use actix_web::http::Method;

/// The prefix of canonical paths.
pub(crate) const BASE: &str = "/api/v1";
/// Seed 002 has no version in its paths.
const UNVERSIONED: &str = "/api";
/// Prefixes that name the tenant in the path (seed 000 and seed 004), up to the tenant.
pub(crate) const TENANT_PREFIXES: &[&str] = &["/release-management/tenants/", "/tenants/"];

/// Other names of collections, longest first where one begins another.
pub(crate) const ALIASES: &[(&str, &str)] = &[
    ("/integrations/targets", "/integrations/stores"),
    ("/integrations/tickets", "/integrations/project-management"),
    ("/integrations/ci-cd/connections", "/integrations/ci-cd"),
    (
        "/integrations/project-management/integrations",
        "/integrations/project-management",
    ),
    (
        "/integrations/test-management/configs",
        "/integrations/test-management",
    ),
    ("/team/api-keys", "/tokens"),
];

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The canonical path, without [`BASE`].
    pub(crate) path: String,
    /// The tenant named in the path, by id or slug.
    pub(crate) tenant: Option<String>,
}

/// The place of a path; none when it is no path of the API.
pub(crate) fn place(path: &str) -> Option<Place> {
    let bare = below(path, BASE).or_else(|| below(path, UNVERSIONED))?;
    let (tenant, bare) = TENANT_PREFIXES
        .iter()
        .find_map(|prefix| {
            let rest = bare.strip_prefix(prefix)?;
            let end = rest.find('/')?;
            let (tenant, path) = rest.split_at_checked(end)?;
            (!tenant.is_empty()).then(|| (Some(tenant.to_owned()), path))
        })
        .unwrap_or((None, bare));
    let renamed = ALIASES
        .iter()
        .find_map(|(alias, canonical)| below(bare, alias).map(|rest| format!("{canonical}{rest}")));
    Some(Place {
        path: renamed.unwrap_or_else(|| bare.to_owned()),
        tenant,
    })
}

/// Whether a path's senders prove themselves by a signature: they are no callers with keys of their own.
pub(crate) fn signed(path: &str) -> bool {
    place(path).is_some_and(|place| {
        ["/webhooks/", "/callbacks/"]
            .iter()
            .any(|prefix| place.path.starts_with(prefix))
    })
}

/// Whether a request's body is an artifact: too long to be taken in whole before it is answered. Of a page it is the form
/// with the file.
pub(crate) fn streamed(method: &Method, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    if method == Method::POST && matches!(*parts, ["", "releases", _, "builds", _, "file"]) {
        return true;
    }
    method == Method::PUT
        && place(path).is_some_and(|place| {
            let parts: Vec<&str> = place.path.split('/').collect();
            matches!(*parts, ["", "releases", _, "builds", _, "artifact"])
        })
}

/// What follows a prefix that ends where a segment ends.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_the_canonical_path() {
        for (path, canonical, tenant) in [
            ("/api/v1/releases/1/start", "/releases/1/start", None),
            ("/api/releases/1/start", "/releases/1/start", None),
            (
                "/api/v1/release-management/tenants/abc/releases/1/start",
                "/releases/1/start",
                Some("abc"),
            ),
            ("/api/v1/tenants/abc/services", "/services", Some("abc")),
            ("/api/v1/integrations/targets", "/integrations/stores", None),
            (
                "/api/v1/tenants/abc/integrations/ci-cd/connections/7/verify",
                "/integrations/ci-cd/7/verify",
                Some("abc"),
            ),
            ("/api/v1/integrations/ticketsx", "/integrations/ticketsx", None),
            ("/api/team/api-keys/3", "/tokens/3", None),
        ] {
            let found = place(path).unwrap();
            assert_eq!(found.path, canonical, "{path}");
            assert_eq!(found.tenant.as_deref(), tenant, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_of_the_api_stays() {
        for path in ["/docs/", "/health", "/apiary", "/"] {
            assert_eq!(place(path), None, "{path}");
        }
    }
}
