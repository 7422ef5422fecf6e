//! Cases of lists of releases in every order.

use super::Subject;
use super::samples::{id, insert, instant, release, service, tenant};
use chrono::TimeDelta;
use delivr_domain::ids::{ServiceId, TenantId};
use delivr_domain::ports::store::{
    AggregateRow, Attention, Due, Listing, Page, ReleaseFilter, Sort, SortBy, listing,
};
use delivr_domain::release::view::Status;

/// Releases of many kinds: each column has values that several share, and most may have none.
async fn furnished(subject: &dyn Subject, tenant: TenantId, name: &str) -> Vec<AggregateRow> {
    let slugs = ["app", "shop", "shop-2"].map(|slug| format!("{name}-{slug}"));
    for slug in &slugs {
        subject
            .store()
            .insert_service(&service(tenant, slug))
            .await
            .unwrap();
    }
    let pick = |words: &[&'static str], number: usize| words[number % words.len()];
    let mut all = Vec::new();
    for number in 1..=23_usize {
        let at = instant() + TimeDelta::hours(i64::try_from(number * 7 % 5).unwrap());
        let mut row = release(
            tenant,
            &format!("{name} {number}"),
            i64::try_from(number).unwrap(),
        );
        let slug = &slugs[number * 2 / 3 % slugs.len()];
        let it = &mut row.projection;
        it.title = format!("Release {} of it", pick(&["spring", "summer"], number));
        it.parent = Some(service(tenant, slug).id.uuid());
        // The last is a word of a version to come.
        let words = [
            "PLANNING",
            "IN_STAGING",
            "READY_PRODUCTION",
            "DEPLOYED",
            "PONDERED",
        ];
        it.status = pick(&words, number * 3).to_owned();
        it.phase = pick(&["NOT_STARTED", "REGRESSION"], number).to_owned();
        // Nothing is over that is on its way.
        it.terminal = it
            .status
            .parse::<Status>()
            .map_or(number % 2 == 0, |status| status.over() && number % 4 != 0);
        it.kickoff_at = Some(at);
        it.target_date = (number % 3 != 0).then(|| at - TimeDelta::days(40));
        it.listing = Listing {
            service: slug.clone(),
            pilot: (number % 5 != 0).then(|| pick(&["ada@x.example", "bob"], number).to_owned()),
            attention: Attention::ALL[number % 3],
            changed_at: Some(at),
            turn: Some(listing::turn(pick(&["LOW", "HIGH"], number), at)),
        };
        insert(subject, &row).await;
        all.push(row);
    }
    all
}

fn filters(tenant: TenantId) -> Vec<ReleaseFilter> {
    let any = ReleaseFilter::default;
    let text = |word: &str| Some(word.to_owned());
    // Some target dates lie before it, one is the very moment, and some lie after it.
    let middle = instant() + TimeDelta::hours(2) - TimeDelta::days(40);
    vec![
        any(),
        ReleaseFilter {
            status: text("DEPLOYED"),
            ..any()
        },
        ReleaseFilter {
            phase: text("REGRESSION"),
            open: true,
            ..any()
        },
        ReleaseFilter {
            service: Some(service(tenant, "one-shop").id),
            ..any()
        },
        ReleaseFilter {
            service: Some(ServiceId::from_uuid(id("none"))),
            ..any()
        },
        ReleaseFilter {
            pilot: text("ada@x.example"),
            open: true,
            ..any()
        },
        ReleaseFilter {
            attention: vec![Attention::Stopped],
            open: true,
            ..any()
        },
        ReleaseFilter {
            attention: vec![Attention::Nobody, Attention::Waiting],
            ..any()
        },
        ReleaseFilter {
            text: text("summ"),
            status: text("PLANNING"),
            ..any()
        },
        ReleaseFilter {
            due: Some((Due::Late, middle)),
            ..any()
        },
        ReleaseFilter {
            due: Some((Due::Upcoming, middle)),
            phase: text("REGRESSION"),
            open: true,
            ..any()
        },
    ]
}

/// Numbers of the whole list, page by page.
async fn paged(subject: &dyn Subject, tenant: TenantId, filter: &ReleaseFilter, limit: u16) -> Vec<i64> {
    let mut page = Page { limit, cursor: None };
    let mut numbers = Vec::new();
    loop {
        let listed = subject.store().releases(tenant, filter, &page).await.unwrap();
        assert!(listed.items.len() <= usize::from(limit));
        numbers.extend(listed.items.iter().map(|row| row.projection.number));
        match listed.next {
            Some(next) => page.cursor = Some(next),
            None => return numbers,
        }
        assert!(numbers.len() < 100, "the list has an end");
    }
}

fn sorts() -> impl Iterator<Item = Sort> {
    SortBy::ALL
        .iter()
        .flat_map(|by| [false, true].map(|descending| Sort { by: *by, descending }))
}

/// Every sort either way, narrowed in every way, in pages of every size, is the list sorted in memory; and is counted.
pub async fn releases_stand_in_every_order(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let all = furnished(subject, one, "one").await;
    furnished(subject, other, "other").await;
    let mut counted: Vec<(ReleaseFilter, u32, u32)> = Vec::new();
    for filter in filters(one) {
        for sort in sorts() {
            let filter = ReleaseFilter {
                sort,
                ..filter.clone()
            };
            let words = |row: &AggregateRow| {
                let word = filter.text.as_deref().unwrap_or_default();
                row.projection.title.contains(word)
            };
            let mut expected: Vec<&AggregateRow> = all
                .iter()
                .filter(|row| filter.fits(&row.projection) && words(row))
                .collect();
            listing::arrange(&mut expected, sort, |row| &row.projection);
            let expected: Vec<i64> = expected.iter().map(|row| row.projection.number).collect();
            for limit in [1, 4, 200] {
                let found = paged(subject, one, &filter, limit).await;
                assert_eq!(found, expected, "{filter:?} in pages of {limit}");
            }
            let many = u32::try_from(expected.len()).unwrap();
            for most in [2, 1_000] {
                let alone = std::slice::from_ref(&filter);
                let counted = subject.store().count_releases(one, alone, most).await.unwrap();
                assert_eq!(counted, [many.min(most)], "{filter:?}");
            }
            for most in [2, 1_000] {
                counted.push((filter.clone(), most, many.min(most)));
            }
        }
    }
    // Counted together, each is what it is alone.
    for most in [2, 1_000] {
        let of: Vec<_> = counted.iter().filter(|(_, to, _)| *to == most).collect();
        for some in of.chunks(17) {
            let lists: Vec<ReleaseFilter> = some.iter().map(|(filter, _, _)| filter.clone()).collect();
            let expected: Vec<u32> = some.iter().map(|(_, _, count)| *count).collect();
            let found = subject.store().count_releases(one, &lists, most).await.unwrap();
            assert_eq!(found, expected, "{lists:?}");
        }
    }
    assert_eq!(subject.store().count_releases(one, &[], 9).await.unwrap(), [0; 0]);
    assert!(!subject.store().unlisted(one).await.unwrap());
}

/// Who pages while releases change their value misses none that keeps its own, and sees none of those twice.
pub async fn a_page_goes_on_while_releases_move(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let mut all = furnished(subject, tenant, "one").await;
    for descending in [false, true] {
        let filter = ReleaseFilter {
            sort: Sort {
                by: SortBy::Changed,
                descending,
            },
            ..ReleaseFilter::default()
        };
        let mut page = Page {
            limit: 4,
            cursor: None,
        };
        let mut seen = Vec::new();
        let mut moved = Vec::new();
        loop {
            let listed = subject.store().releases(tenant, &filter, &page).await.unwrap();
            seen.extend(listed.items.iter().map(|row| row.projection.number));
            let Some(next) = listed.next else { break };
            page.cursor = Some(next);
            // One that was seen moves to the other end, and so does one that was not; and the page's own last one.
            let last = seen.last().copied();
            let unseen = all
                .iter()
                .map(|row| row.projection.number)
                .find(|it| !seen.contains(it));
            for number in [seen.first().copied(), last, unseen].into_iter().flatten() {
                let row = all
                    .iter_mut()
                    .find(|row| row.projection.number == number)
                    .unwrap();
                let away = if descending { -9 } else { 9 };
                row.projection.listing.changed_at = Some(instant() + TimeDelta::days(away));
                let before = row.version;
                row.version += 1;
                let mut unit = subject.store().begin().await.unwrap();
                unit.save(row, Some(before)).await.unwrap();
                unit.commit().await.unwrap();
                moved.push(number);
            }
        }
        let still = all
            .iter()
            .map(|row| row.projection.number)
            .filter(|it| !moved.contains(it));
        for number in still {
            let times = seen.iter().filter(|it| **it == number).count();
            assert_eq!(times, 1, "{number} in {seen:?}");
        }
    }
}
