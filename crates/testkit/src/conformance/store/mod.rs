//! The store's contract: one suite for memory, SQLite and PostgreSQL. A case fails by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests: it tells by panicking that a store breaks the contract"
)]

pub mod audit;
pub mod directory;
pub mod health;
pub mod links;
pub mod listing;
pub mod queue;
pub mod samples;
pub mod shipping;
pub mod units;
pub mod views;
pub mod workload;

use async_trait::async_trait;
use delivr_domain::key::EffectId;
use delivr_domain::ports::store::Store;
use std::time::Duration;

/// A store under test and what a test may do to it from outside.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The store.
    fn store(&self) -> &dyn Store;
    /// The database's clock goes forward.
    fn advance(&self, span: Duration);
    /// Replaces the stored effect by JSON that is none.
    async fn corrupt_effect(&self, effect: EffectId);
}

/// Makes stores.
#[async_trait]
pub trait StoreFixture: Send + Sync {
    /// An empty store with the current schema.
    async fn fresh(&self) -> Box<dyn Subject>;
}

macro_rules! cases {
    ($fixture:expr; $($module:ident :: { $($case:ident),* $(,)? })*) => {$($({
        let subject = $fixture.fresh().await;
        // The case's name stands in the output when it panics (captured output is shown for a failed test only).
        tell(concat!(stringify!($module), "::", stringify!($case)));
        $module::$case(&*subject).await;
    })*)*};
}

#[expect(
    clippy::print_stdout,
    reason = "names the case that fails; shown for failed tests only"
)]
fn tell(case: &str) {
    println!("case {case}");
}

/// Runs every case, each on a fresh store.
pub async fn all(fixture: &dyn StoreFixture) {
    cases! { fixture;
        queue::{
            a_row_has_one_claimer, an_expired_lease_is_taken_over_and_the_straggler_fenced,
            finish_is_idempotent_by_its_own_attempt, put_back_counts_failures_and_marks_the_unknown,
            claims_keep_to_the_limit, claims_are_fair_between_tenants, a_stop_stops_claims,
            a_stop_says_why_by_whom_and_since_when,
            an_integration_gets_no_more_claims_than_it_has_room_for, rows_without_room_do_not_stand_in_the_way, a_watch_is_due_again_and_never_claimed,
            enqueue_re_arms_ended_rows_only, end_leaves_a_claimed_row_alone, hasten_makes_a_ready_row_due,
            watching_lists_what_an_integration_reads,
            renew_extends_the_lease, an_unreadable_row_is_told_and_blocks_nobody, due_times_are_told,
            what_is_enqueued_may_be_claimed_with_it, attempts_are_recorded,
            exchanges_are_kept_with_attempts, heartbeats_are_kept,
        }
        units::{
            a_stale_version_is_a_conflict, two_writers_of_one_version_are_told_apart,
            a_dropped_unit_leaves_nothing, an_aggregate_comes_back_as_it_was_saved,
            derived_rows_follow_the_state, the_highest_of_a_line_is_found, agendas_are_due_by_the_database_clock,
            events_are_without_gap_and_the_feed_in_order, counters_never_give_a_number_twice,
            of_two_creations_one_finds_the_other,
            facts_tell_whether_they_changed, an_older_observation_replaces_no_newer_one, answers_are_kept_once_and_expire, deliveries_come_once,
            numbers_of_releases_are_unique,
            any_text_can_be_stored,
        }
        directory::{
            tenants_and_tokens, tenants_are_renamed, the_last_delivery_of_an_integration_is_known, settings_and_the_installation, integrations_guard_their_version,
            an_integration_is_found_by_its_id_alone,
            an_integration_in_use_is_not_deleted, pipelines_use_integrations_of_their_category,
            services_and_profiles, releases_are_listed_and_narrowed, children_of_a_release, a_family_has_one_name_and_one_history,
            correlation_finds_the_write_before_the_watch, tenants_never_see_each_other,
        }
        audit::{
            changes_of_the_set_up_leave_a_line_each, the_audit_is_narrowed_and_paged,
            two_changes_at_once_have_a_line_each,
        }
        health::{ health_is_merged_by_time_and_goes_with_its_integration }
        links::{ status_links_are_found_listed_and_revoked }
        listing::{ releases_stand_in_every_order, a_page_goes_on_while_releases_move }
        shipping::{
            what_was_shipped_stays_shipped, shipped_releases_are_counted_in_spans,
        }
        workload::{ live_effects_are_counted_by_what_they_are, effects_in_trouble_are_told_with_their_releases }
        views::{ views_belong_to_accounts_and_may_be_shared, an_account_begins_with_a_view }
    }
}
