//! Checkmate, the test-management system: runs with swapped 401/403, an envelope around every answer, run names
//! that are not unique.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::look::Page;
use crate::vendor::{Event, Vendor};
use crate::world::Context;

const NAME: &str = "checkmate";
const TOKEN: &str = "sandbox-checkmate-token";
const ORG: i64 = 1;
const PROJECT: i64 = 1;
/// Tests a run gets unless told otherwise.
const TESTS: i64 = 50;

/// Counts of results of one run.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    passed: i64,
    failed: i64,
    blocked: i64,
    retest: i64,
    skipped: i64,
    untested: i64,
}

impl Totals {
    fn total(self) -> i64 {
        self.passed + self.failed + self.blocked + self.retest + self.skipped + self.untested
    }
}

#[derive(Debug)]
struct Run {
    id: i64,
    name: String,
    description: String,
    status: &'static str,
    created: String,
    totals: Totals,
}

/// The vendor.
#[derive(Debug, Default)]
pub(crate) struct Checkmate {
    runs: Vec<Run>,
}

impl Vendor for Checkmate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn operation(&self, call: &Call) -> &'static str {
        let parts = call.parts();
        match (call.method.as_str(), parts.get(2..).unwrap_or_default()) {
            (_, ["orgs"]) => "orgs",
            (_, ["projects"]) => "projects",
            (_, ["runs"]) => "list_runs",
            ("POST", ["run", "create"]) => "create_run",
            ("PUT", ["run", "reset"]) => "reset_run",
            ("PUT", ["run", "lock"]) => "lock_run",
            (_, ["run", "detail"]) => "run_detail",
            (_, ["run", "state-detail"]) => "run_totals",
            _ => "other",
        }
    }

    fn handle(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        let parts = call.parts();
        let rest = match parts.as_slice() {
            ["healthcheck"] => return Answer::text(200, "OK"),
            ["api", "v1", rest @ ..] => rest,
            _ => return Answer::html(404, "<html><body>404</body></html>"),
        };
        let access = ctx.access(NAME);
        // The real server's codes are swapped: 403 says who are you, 401 says you may not.
        if call.bearer() != Some(TOKEN) || access.revoked {
            return Answer::json(403, &json!({"error": "Authentication Error", "status": 403}));
        }
        if call.method != "GET" && access.forbidden {
            return failed(401, "You are not authorized to perform this action");
        }
        match (call.method.as_str(), rest) {
            ("GET", ["orgs"]) => done(&json!([{"orgId": ORG, "orgName": "Example"}])),
            ("GET", ["projects"]) => match number(call, "orgId") {
                Some(ORG) => done(&json!({
                    "projectsList": [{"projectId": PROJECT, "projectName": "Mobile", "orgId": ORG, "status": "Active"}],
                    "projectCount": [{"count": 1}]})),
                _ => done(&json!({"projectsList": [], "projectCount": [{"count": 0}]})),
            },
            ("GET", ["runs"]) => self.list(call),
            ("POST", ["run", "create"]) => self.create(ctx, call),
            ("PUT", ["run", "reset"]) => self.reset(ctx, call),
            ("PUT", ["run", "lock"]) => self.lock(ctx, call),
            ("GET", ["run", "detail"]) => match self.of(number(call, "runId")) {
                Some(run) => done(&view(run)),
                None => done(&Value::Null),
            },
            ("GET", ["run", "state-detail"]) => match self.of(number(call, "runId")) {
                Some(run) => done(&totals(run.totals)),
                None => done(&totals(Totals::default())),
            },
            _ => failed(404, "Not found"),
        }
    }

    fn page(&self, call: &Call) -> Option<Page> {
        let parts = call.parts();
        let ["project", _, "run", id] = parts.as_slice() else {
            return None;
        };
        let run = self.of(id.parse().ok())?;
        let totals = run.totals;
        let page = Page::of(format!("Run {}: {}", run.id, run.name))
            .fact("Status", run.status)
            .fact("Description", &run.description)
            .fact("Begun", &run.created);
        let counts = [
            ("Passed", totals.passed),
            ("Failed", totals.failed),
            ("Blocked", totals.blocked),
            ("To be tested again", totals.retest),
            ("Skipped", totals.skipped),
            ("Untested", totals.untested),
        ];
        let counted = counts.into_iter();
        Some(counted.fold(page, |page, (name, count)| page.fact(name, count.to_string())))
    }

    fn advance(&mut self, _ctx: &mut Context, action: &str, args: &Value) -> Result<Value, String> {
        let id = args.get("run").and_then(Value::as_i64);
        let run = self.runs.iter_mut().rfind(|run| id.is_none_or(|id| id == run.id));
        let run = run.ok_or("no such run")?;
        match action {
            "results" => {
                let count = |name: &str| args.get(name).and_then(Value::as_i64).unwrap_or(0);
                let all = run.totals.total();
                let mut new = Totals {
                    passed: count("passed"),
                    failed: count("failed"),
                    blocked: count("blocked"),
                    retest: count("retest"),
                    skipped: count("skipped"),
                    untested: 0,
                };
                new.untested = (all - new.total()).max(0);
                run.totals = new;
                Ok(totals(new))
            }
            "pass_all" => {
                run.totals = Totals {
                    passed: run.totals.total(),
                    ..Totals::default()
                };
                Ok(totals(run.totals))
            }
            "set_status" => {
                let wanted = args.get("status").and_then(Value::as_str).unwrap_or_default();
                let known = ["Active", "Locked", "Archived", "Deleted"];
                run.status = known
                    .into_iter()
                    .find(|status| *status == wanted)
                    .ok_or("no such status")?;
                Ok(view(run))
            }
            other => Err(format!("no action of checkmate is called {other}")),
        }
    }

    /// Automation writes its results into the open run of its version and platform; what has a result keeps it.
    fn on_event(&mut self, _ctx: &mut Context, event: &Event) {
        let Event::TestsFinished {
            version,
            platform,
            passed,
        } = event
        else {
            return;
        };
        let tested = |run: &&mut Run| {
            run.status == "Active"
                && run.name.contains(version.as_str())
                && platform
                    .as_ref()
                    .is_none_or(|platform| run.name.contains(platform.as_str()))
        };
        if let Some(run) = self.runs.iter_mut().rev().find(tested) {
            // A reset run's tests wait for a retest.
            let open = run.totals.untested + run.totals.retest;
            let failed = i64::from(!*passed && open > 0);
            run.totals.failed += failed;
            run.totals.passed += open - failed;
            run.totals.untested = 0;
            run.totals.retest = 0;
        }
    }

    fn credentials(&self, base: &str) -> Value {
        json!({
            "key": "checkmate",
            "config": {"baseUrl": base, "orgId": ORG, "projectId": PROJECT},
            "credentials": {"token": TOKEN},
        })
    }

    fn refused(&self, status: u16) -> Answer {
        failed(status, "Unexpected Server Error")
    }
}

fn done(data: &Value) -> Answer {
    Answer::json(200, &json!({"data": data, "error": null, "status": 200}))
}

fn failed(status: u16, error: &str) -> Answer {
    Answer::json(status, &json!({"data": null, "error": error, "status": status}))
}

fn number(call: &Call, name: &str) -> Option<i64> {
    call.query(name)?.parse().ok()
}

fn view(run: &Run) -> Value {
    json!({"runId": run.id, "runName": run.name, "status": run.status, "runDescription": run.description,
           "createdOn": run.created, "createdByUserName": "Delivr"})
}

fn totals(of: Totals) -> Value {
    json!({"total": of.total(), "passed": of.passed, "failed": of.failed, "untested": of.untested,
           "blocked": of.blocked, "retest": of.retest, "archived": 0, "skipped": of.skipped, "inprogress": 0})
}

impl Checkmate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn of(&self, id: Option<i64>) -> Option<&Run> {
        self.runs.iter().find(|run| Some(run.id) == id)
    }

    fn list(&self, call: &Call) -> Answer {
        let search = call.query("search").unwrap_or_default().to_lowercase();
        let status = call.query("status");
        let fits = |run: &&Run| {
            run.name.to_lowercase().contains(&search) && status.is_none_or(|status| status == run.status)
        };
        let (Some(PROJECT), Some(page), Some(size)) = (
            number(call, "projectId"),
            number(call, "page"),
            number(call, "pageSize"),
        ) else {
            return failed(400, "Data validation error: projectId, page, pageSize");
        };
        let all: Vec<&Run> = self.runs.iter().rev().filter(fits).collect();
        let skip = usize::try_from((page - 1).max(0) * size).unwrap_or(0);
        let take = usize::try_from(size).unwrap_or(0);
        let shown: Vec<Value> = all.iter().skip(skip).take(take).map(|run| view(run)).collect();
        done(&json!({"runsData": {"runsData": shown, "runsCount": [{"count": all.len()}]}}))
    }

    fn create(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        let body = match call.json() {
            Ok(body) => body,
            Err(error) => return failed(400, &error),
        };
        let name = body.get("runName").and_then(Value::as_str).unwrap_or_default();
        let length = name.chars().count();
        if !(5..=50).contains(&length) {
            return failed(
                400,
                "Data validation error: runName: runName must be between 5 and 50 characters",
            );
        }
        if body
            .get("squadIds")
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty)
        {
            return failed(400, "Data validation error: squadIds: Empty squadIds provided");
        }
        match body.get("projectId").and_then(Value::as_i64) {
            Some(PROJECT) => {}
            Some(_) => return failed(500, "`projectId` does not exist"),
            None => return failed(400, "Data validation error: projectId: Required"),
        }
        if !matches!(body.get("filterType").and_then(Value::as_str), Some("and" | "or")) {
            return failed(400, "Data validation error: filterType: Required");
        }
        let sections = body.get("sectionIds").and_then(Value::as_array);
        if sections.is_some_and(|ids| ids.iter().any(|id| id.as_i64() == Some(404))) {
            return failed(500, "No tests found for the given filter");
        }
        let description = body.get("runDescription").and_then(Value::as_str);
        let description = description.unwrap_or_default().to_owned();
        let id = i64::try_from(ctx.ids.next("checkmate run")).unwrap_or(0);
        self.runs.push(Run {
            id,
            name: name.to_owned(),
            description: description.clone(),
            status: "Active",
            created: ctx.timestamp(),
            totals: Totals {
                untested: TESTS,
                ..Totals::default()
            },
        });
        let mark = description
            .lines()
            .find_map(|line| line.strip_prefix("delivr_key: "));
        // The mark in brackets at the end of the name belongs to the caller's key, not to the subject.
        let subject = name.rsplit_once(" [").map_or(name, |(plain, _)| plain);
        ctx.effect(
            NAME,
            "create_run",
            &format!("{PROJECT} {subject}"),
            mark,
            json!({"run": id}),
        );
        done(&json!({"runName": name, "runId": id, "testsAdded": TESTS,
            "message": format!("{TESTS} tests added to the run")}))
    }

    fn reset(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        let body = call.json().unwrap_or_default();
        let id = body.get("runId").and_then(Value::as_i64);
        let Some(run) = self.runs.iter_mut().find(|run| Some(run.id) == id) else {
            return failed(400, "Data validation error: runId: no such run");
        };
        if run.status != "Active" {
            return failed(423, "Run is not active");
        }
        let count = run.totals.passed;
        run.totals.retest += count;
        run.totals.passed = 0;
        if count > 0 {
            let (id, subject) = (run.id, format!("run {}", run.id));
            ctx.effect(
                NAME,
                "reset_run",
                &subject,
                None,
                json!({"run": id, "count": count}),
            );
            // Results may come again, and then the next cycle resets the same run.
            ctx.spend(NAME, "reset_run", &subject);
        }
        done(&json!({"count": count, "message": format!("{count} tests marked as retest"), "testIds": []}))
    }

    fn lock(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        let body = call.json().unwrap_or_default();
        let id = body.get("runId").and_then(Value::as_i64);
        let Some(run) = self.runs.iter_mut().find(|run| Some(run.id) == id) else {
            return failed(400, "Data validation error: runId: no such run");
        };
        if run.status == "Locked" {
            return Answer::json(
                200,
                &json!({"data": null, "error": "Run is already locked", "status": 200}),
            );
        }
        run.status = "Locked";
        ctx.effect(NAME, "lock_run", &format!("run {}", run.id), None, Value::Null);
        done(&json!({"success": true, "message": "Run locked"}))
    }
}
