//! Releases: made, read, moved by people, and followed live.

pub(crate) mod actions;
mod artifacts;
mod builds;
mod changes;
pub(crate) mod create;
mod distribution;
mod exchanges;
mod foresee;
mod gates;
pub(crate) mod list;
pub(crate) mod load;
mod parts;
mod plan;
mod read;
mod regression;
mod store_notes;
mod stream;
pub(crate) mod tasks;
pub(crate) mod ticket;
mod view;

pub(crate) use view::{HoldView, holds};

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list::list)
        .service(create::make)
        .service(foresee::foresee)
        .service(read::read)
        .service(read::change)
        .service(read::change_target)
        .service(read::remove)
        .service(actions::start)
        .service(actions::pause)
        .service(actions::resume)
        .service(actions::block)
        .service(actions::unblock)
        .service(actions::clear_drift)
        .service(actions::archive)
        .service(actions::close)
        .service(actions::reopen)
        .service(actions::trigger_regression)
        .service(actions::trigger_pre_release)
        .service(actions::trigger_distribution)
        .service(regression::list_slots)
        .service(regression::add_slot)
        .service(regression::change_slot)
        .service(regression::remove_slot)
        .service(regression::list_cycles)
        .service(regression::start_cycle)
        .service(regression::read_cycle)
        .service(regression::abandon_cycle)
        .service(regression::record_result)
        .service(builds::list)
        .service(builds::upload)
        .service(artifacts::upload)
        .service(artifacts::download)
        .service(tasks::list)
        .service(tasks::read)
        .service(tasks::change)
        .service(gates::blockers)
        .service(gates::list_approvals)
        .service(gates::decide)
        .service(distribution::read)
        .service(store_notes::read)
        .service(store_notes::change)
        .service(changes::read)
        .service(plan::read)
        .service(plan::replan)
        .service(actions::rework)
        .service(stream::events)
        .service(ticket::issue);
}
