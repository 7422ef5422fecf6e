//! Queries of the address, read strictly, and pages of lists that are short enough to be read whole.

use crate::body::{at_field, pointer_of};
use crate::check::Checks;
use crate::context::caller;
use crate::problem::Problem;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The query of the address. Types deny unknown fields, so that a mistyped filter is noticed.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            caller(&request).await?;
            read(request.query_string()).map(Self)
        }
        .boxed_local()
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let reader = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let said = error.inner().to_string();
        let pointer = at_field(pointer_of(String::new(), error.path()), &said);
        // The words of the standard library for numbers.
        let number = ["invalid digit", "cannot parse integer", "number too"];
        let detail = match number.iter().any(|lead| said.starts_with(lead)) {
            true => "must be a whole number, and not too large".to_owned(),
            false => said,
        };
        Problem::malformed_at(pointer, detail)
    })
}

/// Items of a page, if nothing else is said.
pub(crate) const DEFAULT_LIMIT: u16 = 50;
/// Items of a page, at most.
pub(crate) const MOST: u16 = 200;

/// Which page of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// Items of a page, 1 to 200; 50 if left out.
    limit: Option<u16>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

impl Paging {
    /// The limit, checked.
    pub(crate) fn limit(&self) -> Result<u16, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        Checks::new()
            .holds("/limit", (1..=MOST).contains(&limit), "must be 1 to 200")
            .done()?;
        Ok(limit)
    }

    /// The cursor, as given.
    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// One page of a list in stable order, and where the next one begins. The cursor is the id of the last item.
    pub(crate) fn page<T>(
        &self,
        items: Vec<T>,
        id: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let limit = usize::from(self.limit()?);
        let skipped = match &self.cursor {
            None => 0,
            Some(cursor) => items
                .iter()
                .position(|item| id(item) == *cursor)
                .map(|at| at.saturating_add(1))
                .ok_or_else(|| {
                    Problem::malformed_at("/cursor", "is of no item of this list; begin with the first page")
                })?,
        };
        let more = items.len() > skipped.saturating_add(limit);
        let page: Vec<T> = items.into_iter().skip(skipped).take(limit).collect();
        let next = page.last().filter(|_last| more).map(&id);
        Ok((page, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paging(limit: Option<u16>, cursor: Option<&str>) -> Paging {
        Paging {
            limit,
            cursor: cursor.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn pages_cover_a_list_once() {
        let all: Vec<u32> = (0..7).collect();
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let asked = paging(Some(3), cursor.as_deref());
            let (page, next) = asked.page(all.clone(), ToString::to_string).unwrap();
            assert!(page.len() <= 3);
            seen.extend(page);
            match next {
                Some(_) => cursor = next,
                None => break,
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn wrong_limits_and_cursors_are_refused() {
        let items = vec![1, 2];
        for (limit, cursor) in [(Some(0), None), (Some(201), None), (None, Some("9"))] {
            assert!(
                paging(limit, cursor)
                    .page(items.clone(), ToString::to_string)
                    .is_err()
            );
        }
    }
}
