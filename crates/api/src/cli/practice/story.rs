//! The practice organisation: who works there, and what happened in the last two weeks.

use super::office::{Office, id, is, list, text};
use super::team::{Admin, Team, settings};
use super::{hours, minutes};
use crate::wiring::practice::CatchingUp;
use anyhow::{Context as _, bail};
use chrono::TimeDelta;
use delivr_api::{Practice, Shared};
use delivr_app::usecases::access::{Principal, Role};
use delivr_sandbox::Running as Vendors;
use serde_json::{Value, json};

/// How long ago the story begins.
pub(super) const fn span() -> TimeDelta {
    TimeDelta::days(16)
}

/// Whoever opens practice.
const VISITOR: &str = "practice@shop.example";
const ADA: &str = "ada.lindqvist@shop.example";
const BEN: &str = "ben.okafor@shop.example";
const CHLOE: &str = "chloe.martin@shop.example";

/// Lives the past, and says how the organisation is opened.
///
/// # Errors
/// When anything is refused, or does not happen.
pub(super) async fn tell(shared: &Shared, vendors: &Vendors, clock: &CatchingUp) -> anyhow::Result<Practice> {
    let office = Office::open(shared, vendors, clock).await?;
    let visitor = office.person(VISITOR, Role::Owner).await?;
    let _colleague = office.person(CHLOE, Role::Member).await?;
    let story = Story {
        ada: office.person(ADA, Role::Owner).await?,
        ben: office.person(BEN, Role::Admin).await?,
        office,
    };
    let admin = Admin {
        office: &story.office,
        who: &story.ada,
    };
    let team = admin.set_up().await.context("connecting the vendors")?;
    story
        .finished(&team)
        .await
        .context("the release of two weeks ago")?;
    story.shipping(&team).await.context("the release that ships")?;
    let built = story
        .built(&team)
        .await
        .context("the release that is built for the stores")?;
    story
        .tested(&team)
        .await
        .context("the release between its cycles")?;
    story
        .broken(&team)
        .await
        .context("the release with a failed task")?;
    story.ahead(&team, &built).await.context("what is ahead")?;
    Ok(Practice {
        tenant: visitor.tenant.id,
        token: visitor.token,
    })
}

struct Story<'a> {
    office: Office<'a>,
    ada: Principal,
    ben: Principal,
}

/// Lays a document over another one.
fn over(mut under: Value, over: Value) -> Value {
    if let (Some(under), Value::Object(over)) = (under.as_object_mut(), over) {
        under.extend(over);
    }
    under
}

impl Story<'_> {
    /// Makes a release; gives its key.
    async fn release(&self, team: &Team, version: &str, title: &str, more: Value) -> anyhow::Result<String> {
        let named = json!({"version": version, "title": title});
        let body = over(over(team.parts.clone(), named), more);
        text(&self.office.post(&self.ada, "/releases", body).await?, "/key")
    }

    async fn act(&self, release: &str, action: &str, body: Value) -> anyhow::Result<Value> {
        self.office
            .post(&self.ada, &format!("/releases/{release}/{action}"), body)
            .await
    }

    /// From the end of regression into the stores.
    async fn through_pre_release(&self, release: &str) -> anyhow::Result<()> {
        let office = &self.office;
        office.phase(&self.ada, release, "AWAITING_PRE_RELEASE").await?;
        office.pass(hours(3), hours(3)).await?;
        self.act(release, "trigger-pre-release", json!({})).await?;
        office.phase(&self.ada, release, "AWAITING_DISTRIBUTION").await?;
        office
            .vendor(&json!({"vendor": "jira", "action": "set_status", "ticket": "all", "status": "Done"}))?;
        office.pass(hours(2), hours(2)).await?;
        let said = json!({
            "stage": "DISTRIBUTION", "decision": "APPROVED", "comment": "Store listing and notes are checked.",
        });
        let path = format!("/releases/{release}/approvals");
        office.post(&self.ben, &path, said).await?;
        self.act(release, "trigger-distribution", json!({})).await?;
        Ok(())
    }

    async fn targets(&self, release: &str) -> anyhow::Result<Vec<Value>> {
        let path = format!("/releases/{release}/distribution");
        let read = self.office.get(&self.ada, &path).await?;
        Ok(list(&read, "/targets").to_vec())
    }

    /// Releases what is approved to users, and raises Google's share so often, a day apart.
    async fn ship(&self, release: &str, raises: usize, reason: &str) -> anyhow::Result<()> {
        let mut raised = 0;
        for _ in 0..300 {
            let mut live = 0;
            for target in self.targets(release).await? {
                let newest = list(&target, "/submissions").last().cloned().unwrap_or_default();
                let asked = newest.get("releaseAsked").and_then(Value::as_bool);
                if is(&newest, "/status", "APPROVED") && asked == Some(false) {
                    let path = format!("/submissions/{}/release", id(&newest)?);
                    self.office.post(&self.ada, &path, json!({})).await?;
                }
                let Some(rollout) = target.get("rollout").filter(|it| it.is_object()) else {
                    continue;
                };
                let google = is(&target, "/target", "ANDROID_PLAY_STORE");
                if google && raised < raises && is(rollout, "/status", "ACTIVE") {
                    let path = format!("/rollouts/{}/advance", id(rollout)?);
                    self.office
                        .post(&self.ada, &path, json!({"reason": reason}))
                        .await?;
                    raised += 1;
                    self.office.pass(hours(20), hours(4)).await?;
                }
                if !google || raised == raises {
                    live += 1;
                }
            }
            if live == 2 {
                return Ok(());
            }
            self.office.pass(minutes(10), minutes(10)).await?;
        }
        bail!("{release} does not ship: {:?}", self.targets(release).await?)
    }

    /// Out, two weeks ago, to everybody.
    async fn finished(&self, team: &Team) -> anyhow::Result<()> {
        let office = &self.office;
        office.push(
            "main",
            "Chloe Martin",
            "feat(cards): Buy and send gift cards (#41)",
        )?;
        office.push(
            "main",
            "Ben Okafor",
            "feat(cards): Redeem a gift card at checkout (#44)",
        )?;
        let release = self
            .release(
                team,
                "5.3.0",
                "Gift cards",
                json!({
                    "pilot": BEN, "priority": "MEDIUM", "targetDate": office.at(TimeDelta::days(6)),
                    "description": "Gift cards can be bought, sent and redeemed.",
                    "slots": [{"at": office.at(hours(3))}],
                }),
            )
            .await?;
        self.through_pre_release(&release).await?;
        self.ship(&release, 3, "No new crashes at this share.").await?;
        for target in self.targets(&release).await? {
            let Some(rollout) = target.get("rollout").filter(|it| is(it, "/status", "ACTIVE")) else {
                continue;
            };
            let path = format!("/rollouts/{}/complete", id(rollout)?);
            let why = json!({"reason": "Crash-free sessions are above 99.8 % for three days."});
            office.post(&self.ada, &path, why).await?;
        }
        office.phase(&self.ada, &release, "COMPLETED").await?;
        Ok(())
    }

    /// In both stores since some days, and not with everybody yet: two cycles, with a fix between them.
    async fn shipping(&self, team: &Team) -> anyhow::Result<()> {
        let office = &self.office;
        office.reach(TimeDelta::days(7)).await?;
        office.push("main", "Ada Lindqvist", "feat(wishes): Share a wish list (#52)")?;
        office.push(
            "main",
            "Chloe Martin",
            "feat(checkout): Check out in one step (#55)",
        )?;
        office.push(
            "main",
            "Ben Okafor",
            "feat(prices): Show prices in the buyer's currency (#57)",
        )?;
        let release = self
            .release(
                team,
                "5.4.0",
                "Wish lists and faster checkout",
                json!({
                    "pilot": ADA, "priority": "HIGH", "targetDate": office.at(TimeDelta::days(9)),
                    "description": "Wish lists that can be shared, checkout in one step, prices in the buyer's currency.",
                    "slots": [{"at": office.at(hours(4))}, {"at": office.at(hours(28))}],
                }),
            )
            .await?;
        let first = office
            .until(&self.ada, &release, "its first cycle is over", one_cycle)
            .await?;
        office.push(
            &text(&first, "/branchRelease")?,
            "Ben Okafor",
            "fix(prices): Round yen correctly (#61)",
        )?;
        self.through_pre_release(&release).await?;
        self.ship(&release, 1, "Crash-free sessions 99.9 %, no new ANRs.")
            .await
    }

    /// Tested, tagged, and about to be built for the stores.
    async fn built(&self, team: &Team) -> anyhow::Result<String> {
        let office = &self.office;
        office.reach(hours(40)).await?;
        office.push("main", "Chloe Martin", "feat(search): Search by photo (#63)")?;
        office.push(
            "main",
            "Ada Lindqvist",
            "fix(search): Ask for the camera once (#66)",
        )?;
        let release = self
            .release(
                team,
                "5.5.0",
                "Search by photo",
                json!({
                    "pilot": CHLOE, "priority": "MEDIUM", "targetDate": office.at(TimeDelta::days(5)),
                    "slots": [{"at": office.at(hours(2))}],
                }),
            )
            .await?;
        office.phase(&self.ada, &release, "AWAITING_PRE_RELEASE").await?;
        Ok(release)
    }

    /// One cycle is over, the next is soon.
    async fn tested(&self, team: &Team) -> anyhow::Result<()> {
        let office = &self.office;
        office.reach(hours(26)).await?;
        office.push(
            "main",
            "Ben Okafor",
            "feat(loyalty): Collect points with every order (#70)",
        )?;
        let release = self
            .release(
                team,
                "5.6.0",
                "Loyalty points",
                json!({
                    "pilot": BEN, "priority": "MEDIUM", "targetDate": office.at(TimeDelta::days(8)),
                    "description": "Points with every order, and a page that says what they are worth.",
                    "slots": [
                        {"at": office.at(hours(1))}, {"at": office.at(hours(26) + minutes(12))},
                        {"at": office.at(hours(50))},
                    ],
                }),
            )
            .await?;
        let seen = office
            .until(&self.ada, &release, "its first cycle is over", one_cycle)
            .await?;
        office.push(
            &text(&seen, "/branchRelease")?,
            "Chloe Martin",
            "fix(loyalty): Count returned orders once (#72)",
        )?;
        Ok(())
    }

    /// A build failed, and waits for a person.
    async fn broken(&self, team: &Team) -> anyhow::Result<()> {
        let office = &self.office;
        office.reach(hours(3)).await?;
        let jenkins =
            |on: bool| json!({"vendor": "jenkins", "action": "auto", "on": on, "afterMs": 9 * 60_000});
        office.vendor(&jenkins(false))?;
        let release = self
            .release(
                team,
                "5.4.1",
                "Checkout stalls on slow networks",
                json!({
                    "type": "HOTFIX", "pilot": ADA, "priority": "CRITICAL", "targetDate": office.at(TimeDelta::days(1)),
                    "slots": [{"at": office.at(minutes(20))}],
                }),
            )
            .await?;
        let builds = |status: &'static str| {
            move |it: &Value| {
                let mut tasks = list(it, "/tasks").iter();
                tasks
                    .any(|task| is(task, "/type", "TRIGGER_REGRESSION_BUILDS") && is(task, "/status", status))
            }
        };
        office
            .until(&self.ada, &release, "is being built", builds("AWAITING_CALLBACK"))
            .await?;
        // What waits in Jenkins' queue has left it by the next step.
        office.pass(minutes(10), minutes(10)).await?;
        office.vendor(&json!({
            "vendor": "jenkins", "action": "finish", "job": "android-regression", "number": "all",
            "result": "FAILURE",
        }))?;
        office
            .until(&self.ada, &release, "its build failed", builds("FAILED"))
            .await?;
        office.vendor(&jenkins(true))
    }

    /// Today: one begins, one is planned, and the one that was tested is built for the stores.
    async fn ahead(&self, team: &Team, built: &str) -> anyhow::Result<()> {
        let office = &self.office;
        office.reach(minutes(30)).await?;
        // From today on shares rise by themselves, so that one can watch.
        let profile = office
            .get(&self.ada, &format!("/profiles/{}", team.profile))
            .await?;
        let changed = json!({"serviceId": profile.get("serviceId"), "settings": settings(Some(3))});
        office
            .ask(
                &self.ada,
                delivr_web::Call::with(
                    actix_web::http::Method::PUT,
                    format!("/profiles/{}", team.profile),
                    changed,
                ),
            )
            .await?;
        office.reach(TimeDelta::zero()).await?;
        self.act(built, "trigger-pre-release", json!({})).await?;
        office.push(
            "main",
            "Ada Lindqvist",
            "feat(orders): Follow the courier on a map (#75)",
        )?;
        self.release(
            team,
            "5.7.0",
            "Live order tracking",
            json!({
                "pilot": ADA, "priority": "HIGH", "targetDate": office.at(TimeDelta::days(10)),
                "description": "Customers see where their order is, on a map, while it comes.",
                "slots": [{"at": office.at(minutes(20))}, {"at": office.at(hours(24))}],
            }),
        )
        .await?;
        self.release(
            team,
            "5.8.0",
            "Gift wrapping",
            json!({
                "pilot": CHLOE, "priority": "LOW", "kickoffAt": office.at(TimeDelta::days(4)),
                "slots": [{"at": office.at(TimeDelta::days(5))}, {"at": office.at(TimeDelta::days(6))}],
                "targetDate": office.at(TimeDelta::days(13)),
            }),
        )
        .await?;
        Ok(())
    }
}

fn one_cycle(release: &Value) -> bool {
    list(release, "/cycles")
        .iter()
        .any(|cycle| is(cycle, "/status", "DONE"))
}
