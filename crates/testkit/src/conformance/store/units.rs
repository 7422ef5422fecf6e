//! Cases of units of work: versions, roll-back, events, counters, facts, answers, deliveries.

use super::Subject;
use super::samples::{
    self, DAY, append, claim_one, enqueue, event, id, insert, instant, perform, release, release_id, tenant,
};
use chrono::TimeDelta;
use delivr_domain::effect::FactKind;
use delivr_domain::ids::{DeliveryId, IntegrationId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{
    AggregateRow, BuildRow, CycleRow, Fact, Finished, LineRow, RowEnd, RowState, Sought, Standing,
    StoredAnswer, StoredDelivery, TargetRow, TaskRow,
};
use futures_util::future::join_all;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// A save with another version than the stored one changes nothing.
pub async fn a_stale_version_is_a_conflict(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let mut row = release(tenant, "app", 1);
    insert(subject, &row).await;
    row.version = 2;
    let save = async |expected: Option<u64>| {
        let mut unit = subject.store().begin().await?;
        unit.save(&row, expected).await?;
        unit.commit().await
    };
    assert!(matches!(save(Some(7)).await, Err(StoreError::Conflict)));
    assert!(
        matches!(save(None).await, Err(StoreError::Conflict)),
        "it exists already"
    );
    save(Some(1)).await.unwrap();
    assert!(matches!(save(Some(1)).await, Err(StoreError::Conflict)));
    assert_eq!(subject.store().peek(row.id).await.unwrap().unwrap().version, 2);
}

/// Many writers that read the same version: each change is made on top of the one before, none is lost.
pub async fn two_writers_of_one_version_are_told_apart(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    insert(subject, &release(tenant, "app", 1)).await;
    let writer = async || {
        loop {
            let attempt = async {
                let mut unit = subject.store().begin().await?;
                let mut row = unit
                    .load_for_update(release_id("app"))
                    .await?
                    .expect("the release");
                let before = row.version;
                row.version += 1;
                unit.save(&row, Some(before)).await?;
                unit.append(tenant, &[event(row.id, row.version)]).await?;
                unit.commit().await
            };
            match attempt.await {
                Ok(()) => break,
                Err(StoreError::Conflict) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    join_all((0..6).map(|_| writer())).await;
    let row = subject.store().peek(release_id("app")).await.unwrap().unwrap();
    assert_eq!(row.version, 7);
    let events = subject
        .store()
        .events(tenant, release_id("app"), 0, 100)
        .await
        .unwrap();
    let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [2, 3, 4, 5, 6, 7]);
}

/// Dropping a unit undoes all of it, also the end of a claim's row.
pub async fn a_dropped_unit_leaves_nothing(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let effect = perform(release_id("app"), 0);
    enqueue(subject, tenant, std::slice::from_ref(&effect)).await;
    let claim = claim_one(subject).await;
    {
        let mut unit = subject.store().begin().await.unwrap();
        assert_eq!(unit.finish(&claim, RowEnd::Done).await.unwrap(), Finished::Now);
        unit.save(&release(tenant, "app", 1), None).await.unwrap();
        unit.append(tenant, &[event(release_id("app"), 1)]).await.unwrap();
        unit.enqueue(tenant, &perform(release_id("app"), 1), Duration::ZERO, DAY)
            .await
            .unwrap();
        assert_eq!(unit.next_number(tenant, "release").await.unwrap(), 1);
    }
    let store = subject.store();
    assert_eq!(store.peek(release_id("app")).await.unwrap(), None);
    assert!(store.feed(tenant, 0, 10).await.unwrap().is_empty());
    let rows = store.rows(release_id("app"), true).await.unwrap();
    assert!(rows.len() == 1 && rows[0].state == RowState::Claimed);
    let mut unit = store.begin().await.unwrap();
    assert_eq!(unit.finish(&claim, RowEnd::Done).await.unwrap(), Finished::Now);
    // But a number may be left out: drawing it must not make anybody wait for the rest.
    let next = unit.next_number(tenant, "release").await.unwrap();
    assert!((1..=2).contains(&next), "{next}");
    unit.commit().await.unwrap();
}

fn parts(number: u16) -> (TaskRow, CycleRow, BuildRow, TargetRow) {
    let name = number.to_string();
    (
        TaskRow {
            id: id(&format!("task {name}")),
            key: format!("CREATE_RC_TAG/-/{name}"),
            kind: "CREATE_RC_TAG".to_owned(),
            stage: "REGRESSION".to_owned(),
            status: "PENDING".to_owned(),
            external_id: Some("v1.4.0-rc.1".to_owned()),
            external_data: json!({"urls": ["https://example.invalid"]}),
        },
        CycleRow {
            id: id(&format!("cycle {name}")),
            number,
            status: "ACTIVE".to_owned(),
            tag: None,
            sha: Some("0123".to_owned()),
        },
        BuildRow {
            id: id(&format!("build {name}")),
            target: "ANDROID_PLAY_STORE".to_owned(),
            status: "RUNNING".to_owned(),
            build_number: None,
            sha: None,
            correlation: Some(name.clone()),
        },
        TargetRow {
            target: format!("TARGET_{name}"),
            version: "1.4.0".to_owned(),
            status: "PENDING".to_owned(),
            exposure: 10_000,
        },
    )
}

fn place(number: u16) -> LineRow {
    LineRow {
        service: id("shop"),
        mark: format!("VERSION/{number}"),
        rank: "1.4".to_owned(),
        value: "1.4.0".to_owned(),
    }
}

/// What stands highest on the line of a service is found, of that service and tenant only.
pub async fn the_highest_of_a_line_is_found(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let (shop, bank) = (samples::service(one, "shop"), samples::service(one, "bank"));
    for service in [&shop, &bank] {
        subject.store().insert_service(service).await.unwrap();
    }
    let places = [
        ("a", 1, &shop, &[("VERSION", "1"), ("TAG", "")][..]),
        ("b", 2, &shop, &[("VERSION", "3")]),
        ("c", 3, &shop, &[("VERSION", "2")]),
        ("d", 4, &bank, &[("VERSION", "9"), ("BRANCH", "")]),
        ("e", 5, &shop, &[]),
    ];
    for (name, number, service, marks) in places {
        let mut row = release(one, name, number);
        row.projection.parent = Some(service.id.uuid());
        for (mark, rank) in marks {
            row.projection.line.push(LineRow {
                service: service.id.uuid(),
                mark: (*mark).to_owned(),
                rank: (*rank).to_owned(),
                value: format!("of {number}"),
            });
        }
        insert(subject, &row).await;
    }
    let sought = ["VERSION", "TAG", "BRANCH"].map(|mark| Sought::highest(mark.to_owned()));
    let store = subject.store();
    let values = |found: Vec<Standing>| {
        found
            .into_iter()
            .map(|it| (it.key, it.row.value))
            .collect::<Vec<_>>()
    };
    let of = |number: i64| (format!("REL-{number}"), format!("of {number}"));
    let found = store.standing(one, shop.id, &sought).await.unwrap();
    assert_eq!(values(found), [of(2), of(1)]);
    let exactly = [Sought::exactly("VERSION".to_owned(), "2".to_owned())];
    assert_eq!(
        values(store.standing(one, shop.id, &exactly).await.unwrap()),
        [of(3)]
    );
    let none = [Sought::exactly("VERSION".to_owned(), "9".to_owned())];
    assert_eq!(store.standing(one, shop.id, &none).await.unwrap(), []);
    assert_eq!(store.standing(one, shop.id, &[]).await.unwrap(), []);
    assert_eq!(store.standing(other, shop.id, &sought).await.unwrap(), []);
    // A release that no longer stands for anything is passed over.
    let mut over = store.read(one, release_id("b")).await.unwrap().unwrap();
    over.version += 1;
    over.projection.line.clear();
    let mut unit = store.begin().await.unwrap();
    unit.save(&over, Some(over.version - 1)).await.unwrap();
    unit.commit().await.unwrap();
    let found = store.standing(one, shop.id, &sought).await.unwrap();
    assert_eq!(values(found), [of(3), of(1)]);
}

/// Every column survives, instants to the microsecond.
pub async fn an_aggregate_comes_back_as_it_was_saved(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let mut row = release(tenant, "app", 7);
    row.wake_at = Some(instant());
    row.projection.kickoff_at = Some(instant() + TimeDelta::microseconds(1));
    row.projection.target_date = Some(instant() - TimeDelta::days(40_000));
    row.projection.terminal = true;
    row.projection.integrations = vec![IntegrationId::from_uuid(id("x"))];
    let (task, cycle, build, target) = parts(1);
    row.projection.tasks = vec![task];
    row.projection.cycles = vec![cycle];
    row.projection.builds = vec![build];
    row.projection.targets = vec![target];
    row.projection.line = vec![place(1)];
    insert(subject, &row).await;
    assert_eq!(
        subject.store().read(tenant, row.id).await.unwrap().as_ref(),
        Some(&row)
    );
    // Whoever asks for the machine needs the state alone, and may get no more.
    let peeked = subject.store().peek(row.id).await.unwrap().unwrap();
    assert_eq!(without_parts(peeked), without_parts(row.clone()));
    let mut unit = subject.store().begin().await.unwrap();
    let loaded = unit.load_for_update(row.id).await.unwrap().unwrap();
    assert_eq!(without_parts(loaded), without_parts(row));
}

fn without_parts(mut row: AggregateRow) -> AggregateRow {
    row.projection.tasks.clear();
    row.projection.cycles.clear();
    row.projection.builds.clear();
    row.projection.targets.clear();
    row.projection.line.clear();
    row
}

/// Derived rows are added, changed, moved and removed with the saves.
pub async fn derived_rows_follow_the_state(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let mut row = release(tenant, "app", 1);
    insert(subject, &row).await;
    for wanted in [vec![1, 2, 3], vec![1, 2, 3], vec![3, 1, 4], vec![4], vec![]] {
        let before = row.version;
        row.version += 1;
        row.projection.tasks.clear();
        row.projection.cycles.clear();
        row.projection.builds.clear();
        row.projection.targets.clear();
        row.projection.line.clear();
        for number in &wanted {
            let (mut task, cycle, build, target) = parts(*number);
            task.status = format!("IN_VERSION_{}", row.version);
            row.projection.tasks.push(task);
            row.projection.cycles.push(cycle);
            row.projection.builds.push(build);
            row.projection.targets.push(target);
            row.projection.line.push(place(*number));
        }
        let mut unit = subject.store().begin().await.unwrap();
        unit.save(&row, Some(before)).await.unwrap();
        unit.commit().await.unwrap();
        assert_eq!(
            subject.store().read(tenant, row.id).await.unwrap().as_ref(),
            Some(&row),
            "{wanted:?}"
        );
    }
}

/// The scheduler sees agendas that are due by the database's clock, the earliest first.
pub async fn agendas_are_due_by_the_database_clock(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let now = subject.store().now().await.unwrap();
    for (number, name, wait) in [(1, "later", 7_200), (2, "soon", 3_600), (3, "past", -5)] {
        let mut row = release(tenant, name, number);
        row.wake_at = Some(now + TimeDelta::seconds(wait));
        insert(subject, &row).await;
    }
    insert(subject, &release(tenant, "never", 4)).await;
    let due = async || -> Vec<_> {
        let due = subject.store().due_aggregates(10).await.unwrap();
        due.into_iter().map(|(id, _wake)| id).collect()
    };
    assert_eq!(due().await, [release_id("past")]);
    subject.advance(Duration::from_secs(3_700));
    assert_eq!(due().await, [release_id("past"), release_id("soon")]);
    subject.advance(Duration::from_secs(3_700));
    assert_eq!(due().await.len(), 3);
    assert_eq!(subject.store().due_aggregates(1).await.unwrap().len(), 1);
}

/// A sequence number exists once; the feed tells events in the order of their commits, forwards and backwards.
pub async fn events_are_without_gap_and_the_feed_in_order(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let names = ["a", "b", "c"];
    join_all(names.map(|name| async move {
        for sequence in 1..=4 {
            append(subject, tenant, release_id(name), sequence).await;
        }
    }))
    .await;
    let again = async {
        let mut unit = subject.store().begin().await?;
        unit.append(tenant, &[event(release_id("a"), 4)]).await?;
        unit.commit().await
    };
    assert!(matches!(again.await, Err(StoreError::Conflict)));
    let store = subject.store();
    let all = store.feed(tenant, 0, 100).await.unwrap();
    assert_eq!(all.len(), 12);
    assert!(all.windows(2).all(|pair| pair[0].position < pair[1].position));
    for name in names {
        let of_one = all.iter().filter(|event| event.owner == release_id(name));
        let sequences: Vec<u64> = of_one.map(|event| event.sequence).collect();
        assert_eq!(sequences, [1, 2, 3, 4]);
        let events = store.events(tenant, release_id(name), 1, 2).await.unwrap();
        assert_eq!(
            events.iter().map(|event| event.sequence).collect::<Vec<_>>(),
            [2, 3]
        );
        assert_eq!(
            (events[0].at, &events[0].payload),
            (instant(), &json!({"v": 1, "n": 2}))
        );
    }
    let rest = store.feed(tenant, all[4].position, 3).await.unwrap();
    assert_eq!(rest, all[5..8]);
    let mut newest = store.feed_backwards(tenant, None, 2).await.unwrap();
    newest.reverse();
    assert_eq!(newest, all[10..]);
    let before = store
        .feed_backwards(tenant, Some(all[2].position), 10)
        .await
        .unwrap();
    assert_eq!(before, [all[1].clone(), all[0].clone()]);
}

/// Numbers of a tenant's counter are 1, 2, 3, ... whoever asks, each tenant and counter for itself. (A database may leave
/// one out that was drawn by a unit that came to nothing.)
pub async fn counters_never_give_a_number_twice(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let draw = async |tenant: TenantId, counter: &str| {
        loop {
            let attempt = async {
                let mut unit = subject.store().begin().await?;
                let number = unit.next_number(tenant, counter).await?;
                unit.commit().await.map(|()| number)
            };
            match attempt.await {
                Ok(number) => break number,
                Err(StoreError::Conflict) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    let drawn = join_all((0..12).map(|_| draw(one, "release"))).await;
    assert_eq!(drawn.into_iter().collect::<BTreeSet<i64>>(), (1..=12).collect());
    assert_eq!(draw(one, "sprint").await, 1);
    assert_eq!(draw(other, "release").await, 1);
}

/// Of creations for one service at the same time each sees what the one before it left: of those that want the same place
/// on its line, one gets it.
pub async fn of_two_creations_one_finds_the_other(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let shop = samples::service(tenant, "shop");
    subject.store().insert_service(&shop).await.unwrap();
    let place = LineRow {
        service: shop.id.uuid(),
        mark: "VERSION/app".to_owned(),
        rank: "0001".to_owned(),
        value: "1".to_owned(),
    };
    let sought = [Sought::exactly(place.mark.clone(), place.rank.clone())];
    let create = async |name: String| {
        loop {
            let attempt = async {
                let mut unit = subject.store().begin().await?;
                if !unit.standing(tenant, shop.id, &sought).await?.is_empty() {
                    return Ok(false);
                }
                let number = unit.next_number(tenant, "release").await?;
                let mut row = release(tenant, &name, number);
                row.projection.parent = Some(shop.id.uuid());
                row.projection.line = vec![place.clone()];
                unit.save(&row, None).await?;
                unit.commit().await.map(|()| true)
            };
            match attempt.await {
                Ok(created) => break created,
                Err(StoreError::Conflict) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    let created = join_all((0..6).map(|creation| create(format!("app {creation}")))).await;
    assert_eq!(created.into_iter().filter(|created| *created).count(), 1);
    let standing = subject.store().standing(tenant, shop.id, &sought).await.unwrap();
    assert_eq!(standing.len(), 1);
}

/// Readers answer in any order: what was observed earlier changes nothing, whatever it says. A fact needs an owner.
pub async fn an_older_observation_replaces_no_newer_one(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    insert(subject, &release(tenant, "app", 1)).await;
    let fact = |value: &str, seconds: i64| Fact {
        value: value.to_owned(),
        observed_at: instant() + TimeDelta::seconds(seconds),
    };
    let put = async |owner, fact: Fact| {
        let mut unit = subject.store().begin().await.unwrap();
        let changed = unit.put_fact(owner, FactKind::BranchHead, &fact).await?;
        unit.commit().await.map(|()| changed)
    };
    let app = release_id("app");
    for (observed, changed, kept) in [
        (fact("new", 10), true, fact("new", 10)),
        (fact("old", 9), false, fact("new", 10)),
        (fact("new", 8), false, fact("new", 10)),
        // Of one instant the later word counts.
        (fact("same", 10), true, fact("same", 10)),
        (fact("next", 11), true, fact("next", 11)),
    ] {
        assert_eq!(put(app, observed.clone()).await.unwrap(), changed, "{observed:?}");
        let facts = subject.store().read_facts(app).await.unwrap();
        assert_eq!(facts.get(&FactKind::BranchHead), Some(&kept), "{observed:?}");
    }
    assert!(matches!(
        put(release_id("none"), fact("x", 1)).await,
        Err(StoreError::Reference(_))
    ));
}

/// Only another value is a change; a newer observation's time is kept all the same.
pub async fn facts_tell_whether_they_changed(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    insert(subject, &release(tenant, "app", 1)).await;
    for (value, seconds, changed) in [("abc", 0, true), ("abc", 1, false), ("def", 2, true)] {
        let fact = Fact {
            value: value.to_owned(),
            observed_at: instant() + TimeDelta::seconds(seconds),
        };
        let mut unit = subject.store().begin().await.unwrap();
        assert_eq!(
            unit.put_fact(release_id("app"), FactKind::BranchHead, &fact)
                .await
                .unwrap(),
            changed
        );
        assert_eq!(
            unit.facts(release_id("app"))
                .await
                .unwrap()
                .get(&FactKind::BranchHead),
            Some(&fact)
        );
        unit.commit().await.unwrap();
        let facts = subject.store().read_facts(release_id("app")).await.unwrap();
        assert_eq!(
            facts.into_iter().collect::<Vec<_>>(),
            [(FactKind::BranchHead, fact)]
        );
    }
}

/// A key holds one answer until it expires, with or without a transaction.
pub async fn answers_are_kept_once_and_expire(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let store = subject.store();
    let answer = StoredAnswer {
        request: "digest".to_owned(),
        status: 201,
        body: "{\"ü\":1}".to_owned(),
        expires_at: store.now().await.unwrap() + TimeDelta::hours(1),
    };
    store.insert_answer(tenant, "k", &answer).await.unwrap();
    assert_eq!(store.answer(tenant, "k").await.unwrap().as_ref(), Some(&answer));
    assert!(matches!(
        store.insert_answer(tenant, "k", &answer).await,
        Err(StoreError::Duplicate(_))
    ));
    let in_unit = async || {
        let mut unit = store.begin().await?;
        unit.put_answer(tenant, "k", &answer).await?;
        unit.commit().await
    };
    assert!(matches!(in_unit().await, Err(StoreError::Duplicate(_))));
    subject.advance(Duration::from_secs(3_601));
    assert_eq!(store.answer(tenant, "k").await.unwrap(), None);
    in_unit().await.unwrap();
}

/// A sender's id is taken once per integration and source; processed deliveries are not open any more.
pub async fn deliveries_come_once(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let store = subject.store();
    let delivery = |number: &str, tenant, integration: Option<&str>| StoredDelivery {
        id: DeliveryId::from_uuid(id(number)),
        tenant,
        integration: integration.map(|name| IntegrationId::from_uuid(id(name))),
        source: "callback".to_owned(),
        external: "same".to_owned(),
        payload: json!({"number": number}),
        at: instant(),
    };
    let first = delivery("1", one, Some("ci"));
    assert!(store.insert_delivery(&first).await.unwrap());
    assert!(
        !store
            .insert_delivery(&delivery("2", one, Some("ci")))
            .await
            .unwrap()
    );
    assert!(
        store
            .insert_delivery(&delivery("3", one, Some("scm")))
            .await
            .unwrap()
    );
    assert!(store.insert_delivery(&delivery("4", one, None)).await.unwrap());
    assert!(!store.insert_delivery(&delivery("5", one, None)).await.unwrap());
    assert!(
        store.insert_delivery(&delivery("6", other, None)).await.unwrap(),
        "of another tenant"
    );
    let open = store.open_deliveries(10).await.unwrap();
    assert!(open.len() == 4 && open[0] == first);
    let mut unit = store.begin().await.unwrap();
    unit.finish_delivery(first.id).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(store.open_deliveries(10).await.unwrap().len(), 3);
    assert_eq!(store.open_deliveries(1).await.unwrap().len(), 1);
    assert!(
        !store
            .insert_delivery(&delivery("7", one, Some("ci")))
            .await
            .unwrap(),
        "processed is not forgotten"
    );
}

/// Two releases of a tenant never share a number; those of two tenants may.
pub async fn numbers_of_releases_are_unique(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    insert(subject, &release(one, "app", 1)).await;
    insert(subject, &release(other, "tool", 1)).await;
    let mut unit = subject.store().begin().await.unwrap();
    let again = unit.save(&release(one, "web", 1), None).await;
    assert!(matches!(again, Err(StoreError::Duplicate(_))), "{again:?}");
}

/// Whatever a vendor writes can be stored. A NUL, which PostgreSQL keeps nowhere, may come back as U+FFFD.
pub async fn any_text_can_be_stored(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let text = "a\0b 'quoted' \"twice\" \\ $1 ? \u{1f680} \u{202e}\r\n";
    let mut row = release(tenant, "app", 1);
    row.projection.title = text.to_owned();
    row.state = json!({"vendor": [text], "a\0b": 9_007_199_254_740_993_i64}).into();
    insert(subject, &row).await;
    let read = subject.store().peek(row.id).await.unwrap().unwrap();
    let plain = |text: &str| text.replace('\0', "\u{fffd}");
    assert_eq!(plain(&read.projection.title), plain(text));
    assert_eq!(plain(read.state["vendor"][0].as_str().unwrap()), plain(text));
    let number = read
        .state
        .as_object()
        .unwrap()
        .values()
        .find_map(serde_json::Value::as_i64);
    assert_eq!(number, Some(9_007_199_254_740_993), "numbers keep every digit");
}
