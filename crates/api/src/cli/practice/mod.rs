//! `delivr-api practice`: an organisation to try everything on, in one process and without any credential.
//!
//! Everything is as in an installation (database, sealed credentials, worker, API, pages), but for what is around it: the
//! vendors are simulated inside the process, no other address is called, and nobody but this machine reaches the pages.
//! The organisation's last two weeks are lived on a clock that catches up; then time is real, and the vendors go on by
//! themselves.

mod ground;
mod office;
mod story;
mod team;

use super::serve::{self, Embedded};
use super::{operate, say};
use crate::wiring::practice::{CatchingUp, Ground, Log};
use crate::wiring::wire::Installation;
use crate::wiring::{shutdown, telemetry, wire};
use anyhow::{Context as _, bail, ensure};
use chrono::TimeDelta;
use delivr_sandbox::{Running as Vendors, Sandbox};
use serde_json::json;
use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Seed of the vendors' ids: the same story every time.
const SEED: u64 = 7;

/// How long a build, a test or a review takes once somebody looks, in milliseconds.
const STEP: i64 = 20_000;
/// How long a day of Apple's phased release takes then, in milliseconds.
const DAY: i64 = 300_000;
/// How often the people and limits around the vendors move on.
const COLLEAGUES: Duration = Duration::from_secs(45);

/// Options of `practice`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of the practice; made where it is missing, begun anew where practice was here before, refused where
    /// anything else is.
    #[arg(long, value_name = "DIR", default_value = "delivr-practice")]
    directory: PathBuf,
    /// Address of the pages; only of this machine.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    bind: SocketAddr,
}

/// Makes the organisation and serves it until the process is asked to end.
pub(super) async fn practise(args: &Args, files: &[PathBuf]) -> anyhow::Result<()> {
    let log = Log::read(files)?;
    ensure!(
        args.bind.ip().is_loopback(),
        "--bind {}: practice opens without a credential, so that only this machine may reach it: name a loopback address \
         like 127.0.0.1:8080",
        args.bind
    );
    let listener = listen(args.bind)?;
    let address = listener.local_addr().context("the address")?;
    let place = ground::take(&args.directory)?;
    let clock = Arc::new(CatchingUp::behind(story::span()));
    let vendors = Sandbox::start_behind((Ipv4Addr::LOCALHOST, 0).into(), SEED, clock.left().num_seconds())
        .await
        .context("the simulated vendors")?;
    let ground = Ground {
        folder: place.folder().to_owned(),
        listen: address,
        vendors: vendors.address(),
    };
    operate::write_key(&ground.key())?;
    let settings = ground.settings(log)?;
    telemetry::logs(&settings)?;
    let Installation { app, store } = wire::practise(&settings, clock.clone()).await?;

    let mut asked = pin!(shutdown::asked());
    let shared = serve::shared(&settings, &app, &store)?;
    let telling = async {
        let _unheard = writeln!(
            std::io::stderr().lock(),
            "making the practice organisation: two weeks in some seconds"
        );
        story::tell(&shared, &vendors, &clock).await
    };
    // Listened for before anything is said, so that whoever hears of it can end it.
    let told = tokio::select! {
        biased;
        asked = &mut asked => {
            asked.context("listening for signals")?;
            vendors.stop().await;
            return Ok(());
        }
        told = telling => told.context("making the practice organisation")?,
    };
    live(&vendors)?;
    let shared = shared.practising(told);
    let server = delivr_api::serve(shared.clone(), listener).context("serving the API")?;
    let worker = Embedded::start(&settings, app, store);
    say(&format!("practice is open at http://{address}"));
    let served = tokio::select! {
        served = serve::run(server, &shared, worker, asked) => served,
        () = colleagues(&vendors) => Ok(()),
    };
    vendors.stop().await;
    drop(place);
    served
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "{address} is in use by another program; name another address with --bind, like --bind 127.0.0.1:{}",
            address.port().saturating_add(1).max(1024)
        ),
        Err(error) => Err(error).with_context(|| format!("the address {address}")),
    }
}

/// From now on the vendors do their work in times that somebody can watch.
fn live(vendors: &Vendors) -> anyhow::Result<()> {
    vendors.advance(&json!({
        "vendor": "*", "action": "auto", "on": true, "afterMs": STEP, "dayMs": DAY,
    }))?;
    Ok(())
}

/// What nobody in practice can do at the vendors themselves: tickets are approved there after a while, and Apple's
/// requests of the hour do not run out. Never ends.
async fn colleagues(vendors: &Vendors) {
    let mut beat = interval(COLLEAGUES);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        for action in [
            json!({"vendor": "jira", "action": "set_status", "ticket": "all", "status": "Done"}),
            json!({"vendor": "appstore", "action": "rate", "remaining": 3500}),
        ] {
            if let Err(error) = vendors.advance(&action) {
                tracing::warn!(%error, "a simulated vendor does not go on");
            }
        }
    }
}

/// How a duration of the story is said, in hours.
const fn hours(count: i64) -> TimeDelta {
    TimeDelta::hours(count)
}

/// The same in minutes.
const fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}
