//! Paging by the `Link` header (RFC 8288).

use crate::http::Answer;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use url::Url;

/// The next page's address, if there is one. It must lie on the same origin, since the credential goes there.
///
/// # Errors
/// Refused for another origin.
pub fn next_link(answer: &Answer) -> Result<Option<Url>, ProviderError> {
    for value in answer.headers.get_all("link") {
        let Ok(text) = value.to_str() else { continue };
        let Some(target) = target_of(text, "next") else {
            continue;
        };
        let Ok(next) = answer.url.join(target) else {
            continue;
        };
        if next.origin() != answer.url.origin() {
            return Err(answer.error(ProviderErrorKind::Refused, "the next page lies on another host"));
        }
        return Ok(Some(next));
    }
    Ok(None)
}

/// The target of a relation in a `Link` header's value.
#[must_use]
pub fn target_of<'a>(links: &'a str, relation: &str) -> Option<&'a str> {
    let mut rest = links;
    // Targets may hold commas and semicolons, so the brackets lead.
    while let Some((target, after)) = rest.split_once('<').and_then(|(_, it)| it.split_once('>')) {
        let parameters = after.split_once('<').map_or(after, |(parameters, _)| parameters);
        let is_it = parameters.split([';', ',']).any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                let mut words = value.trim().trim_matches('"').split_ascii_whitespace();
                name.trim().eq_ignore_ascii_case("rel")
                    && words.any(|word| word.eq_ignore_ascii_case(relation))
            })
        });
        if is_it {
            return Some(target);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_relations() {
        let links =
            "<https://x/a?page=1>; rel=\"prev\", <https://x/a?page=3&q=a,b;c>; rel=\"next\", </z>; rel=last";
        assert_eq!(target_of(links, "next"), Some("https://x/a?page=3&q=a,b;c"));
        assert_eq!(target_of(links, "last"), Some("/z"));
        assert_eq!(target_of(links, "first"), None);
        assert_eq!(target_of("garbage", "next"), None);
    }
}
