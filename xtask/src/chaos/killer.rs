//! Who is struck when: at random moments of a seeded plan, or at one step of all, the next one in each run.

use super::database::Reader;
use super::manager::Followed;
use super::plan::{Blow, Timed};
use super::world::{World, lock};
use crate::system::list;
use anyhow::Result;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Lets things be for so long, or until the run is over.
fn rest(world: &World<'_>, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until && !world.over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Deals the planned blows, one after the other, as long as the run lasts.
pub(crate) fn at_random(world: &World<'_>, blows: &[Timed]) {
    for timed in blows {
        rest(world, Duration::from_millis(timed.after_ms));
        if world.over.load(Ordering::Relaxed) {
            return;
        }
        let ms = Duration::from_millis;
        let dealt = match timed.blow {
            Blow::Worker(number, down) => {
                world.kill_worker(number, ms(down));
                Ok(())
            }
            Blow::Api(down) => {
                world.kill_api(ms(down));
                Ok(())
            }
            Blow::All(down) => {
                world.kill_api(ms(down));
                world.kill_workers(ms(down));
                Ok(())
            }
            Blow::Stall(number, time) => world.stall_worker(number, ms(time)),
            Blow::Database => world.restart_database(),
        };
        if let Err(error) = dealt {
            world.note(format!("a blow missed: {error:#}"));
        }
    }
}

/// How many steps were made so far: effects at vendors, refs at git servers, events and claims in the database.
pub(crate) fn steps(world: &World<'_>, reader: &mut Reader) -> Result<u64> {
    let mut steps = 0;
    for tenant in &world.tenants {
        steps += list(&tenant.vendors.get("/_journal")?, "effects").len();
        for lane in &tenant.lanes {
            steps += lane.repository.received();
        }
    }
    let rows = "select {text:(select count(*) from state_history) + (select coalesce(sum(attempt), 0) from effects \
                where kind in ('PERFORM', 'RESOLVE', 'TELL'))}";
    Ok(u64::try_from(steps)? + reader.number(rows)?)
}

/// Strikes every worker (and the API, where it works too) as soon as this many steps were made; says whether it came to
/// that.
///
/// # Errors
/// When the steps cannot be counted at all.
pub(crate) fn at_step(world: &World<'_>, step: u64) -> Result<bool> {
    let mut reader = Reader::new(&world.database)?;
    let first = steps(world, &mut reader)?;
    while !world.over.load(Ordering::Relaxed) {
        if steps(world, &mut reader).is_ok_and(|made| made >= first + step) {
            world.note(format!("step {step} is made"));
            world.kill_workers(Duration::ZERO);
            if world.embedded {
                world.kill_api(Duration::ZERO);
            }
            return Ok(true);
        }
        // Far shorter than a vendor takes to answer in this mode.
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(false)
}

/// Follows all planned releases to their ends, those of a lane one after the other.
pub(crate) fn everybody(world: &World<'_>) -> Result<Vec<Followed>> {
    let found = Mutex::new(Vec::new());
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for tenant in &world.tenants {
            for lane in &tenant.lanes {
                let (found, failed) = (&found, &failed);
                scope.spawn(move || {
                    for plan in &lane.plan.releases {
                        match super::manager::follow(world, tenant, lane, plan) {
                            Ok(followed) => lock(found).push(followed),
                            Err(error) => *lock(failed) = Some(error),
                        }
                    }
                });
            }
        }
    });
    match lock(&failed).take() {
        Some(error) => Err(error),
        None => Ok(std::mem::take(&mut *lock(&found))),
    }
}
