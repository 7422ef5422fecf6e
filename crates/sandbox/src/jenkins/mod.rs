//! Jenkins: parameterized jobs, a queue that folds equal requests, builds, artifacts.

mod actions;
mod moves;
mod state;
mod views;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::look::Page;
use crate::vendor::Vendor;
use crate::world::Context;

pub(crate) use state::Jenkins;
use state::{Build, Job, NAME};

const USER: &str = "delivr";
const TOKEN: &str = "sandbox-token";
const PASSWORD: &str = "sandbox-password";
const CRUMB: &str = "sandbox-crumb";
const CRUMB_FIELD: &str = "Jenkins-Crumb";
const VERSION: &str = "2.528.1";

/// What a path below `/job/...` names.
struct Target<'a> {
    job: String,
    rest: Vec<&'a str>,
}

/// Takes `job/A/job/B` off the front.
fn target<'a>(parts: &[&'a str]) -> Option<Target<'a>> {
    let mut names = Vec::new();
    let mut rest = parts;
    while let ["job", name, more @ ..] = rest {
        // Names of multibranch jobs arrive encoded twice.
        names.push(crate::call::decode_segment(name));
        rest = more;
    }
    (!names.is_empty()).then(|| Target {
        job: names.join("/"),
        rest: rest.to_vec(),
    })
}

impl Jenkins {
    /// A build of a job.
    fn build(&self, job: &str, number: u64) -> Option<&Build> {
        let job = self.jobs.get(job)?;
        job.builds.iter().find(|build| build.number == number)
    }
}

/// A build as a person sees it.
fn look(job: &str, build: &Build) -> Page {
    let result = match (&build.result, build.building) {
        (Some(result), false) => result.as_str(),
        (Some(_) | None, _) => "under way",
    };
    let page = Page::of(format!("{job} #{}", build.number))
        .fact("Result", result)
        .fact("Branch", &build.branch)
        .fact("Commit", &build.sha);
    let given: Vec<String> = build
        .parameters
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    page.fact("Parameters", given.join(", "))
}

impl Vendor for Jenkins {
    fn name(&self) -> &'static str {
        NAME
    }

    fn operation(&self, call: &Call) -> &'static str {
        let parts = call.parts();
        let job = target(&parts);
        let rest = job.map(|target| target.rest);
        match (call.method.as_str(), parts.as_slice(), rest.as_deref()) {
            (_, ["me", ..], _) => "me",
            (_, ["crumbIssuer", ..], _) => "crumb",
            (_, ["queue", "item", ..], _) => "queue_item",
            ("POST", ["queue", "cancelItem"], _) => "cancel_item",
            (_, ["queue", ..], _) => "queue",
            (_, ["api", ..], _) => "list_jobs",
            ("POST", _, Some(["build" | "buildWithParameters"])) => "trigger",
            ("POST", _, Some([_, "stop" | "term" | "kill"])) => "stop",
            (_, _, Some(["api", _])) => "job",
            (_, _, Some(["config.xml"])) => "config",
            (_, _, Some([_, "artifact", ..])) => "artifact",
            (_, _, Some([_, "logText", ..])) => "log",
            (_, _, Some([_, "api", _])) => "build",
            _ => "other",
        }
    }

    fn handle(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        let answer = match authenticate(ctx, call) {
            Ok(()) => self.route(ctx, call),
            Err(answer) => answer,
        };
        answer.header("x-jenkins", VERSION)
    }

    fn page(&self, call: &Call) -> Option<Page> {
        let parts = call.parts();
        if let ["queue", "item", id] = parts.as_slice() {
            let id: u64 = id.parse().ok()?;
            // The item is gone some time after its build has begun.
            let mut builds = self
                .jobs
                .values()
                .flat_map(|job| job.builds.iter().map(move |it| (job, it)));
            if let Some((job, build)) = builds.find(|(_, build)| build.queue_id == id) {
                return Some(look(&job.name, build));
            }
            let item = self.queue.iter().find(|item| item.id == id)?;
            let state = if item.cancelled {
                "cancelled"
            } else {
                "waiting in the queue"
            };
            return Some(Page::of(format!("{}: {state}", item.job)).fact("Item", id.to_string()));
        }
        let target = target(&parts)?;
        let [number] = target.rest.as_slice() else {
            return None;
        };
        Some(look(&target.job, self.build(&target.job, number.parse().ok()?)?))
    }

    fn advance(&mut self, ctx: &mut Context, action: &str, args: &Value) -> Result<Value, String> {
        actions::perform(self, ctx, action, args)
    }

    fn tick(&mut self, ctx: &mut Context) {
        self.advance_by_itself(ctx);
    }

    fn credentials(&self, base: &str) -> Value {
        json!({
            "key": "jenkins",
            "config": {"baseUrl": base, "useCrumb": false},
            "credentials": {"username": USER, "apiToken": TOKEN, "webhookSecret": "sandbox-webhook-secret"},
        })
    }

    fn refused(&self, status: u16) -> Answer {
        problem(status, "Oops! A problem occurred while processing the request.")
    }
}

/// An HTML error page as Jenkins shows it, with the reason in it.
fn problem(status: u16, message: &str) -> Answer {
    Answer::html(
        status,
        &format!(
            "<html><head><title>Error {status}</title></head><body><h2>HTTP ERROR {status}</h2><p>{message}</p></body></html>"
        ),
    )
}

fn authenticate(ctx: &Context, call: &Call) -> Result<(), Answer> {
    let access = ctx.access(NAME);
    let writes = call.method == "POST";
    match call.basic() {
        None if call.header("authorization").is_none() => {
            if call.path.starts_with("/me/") {
                return Err(problem(404, "Not Found"));
            }
            Err(problem(403, "Authentication required").header("x-you-are-authenticated-as", "anonymous"))
        }
        Some((user, secret))
            if user == USER && !access.revoked && (secret == TOKEN || secret == PASSWORD) =>
        {
            if writes && access.forbidden {
                return Err(problem(403, "delivr is missing the Job/Build permission"));
            }
            let crumb = call.header(&CRUMB_FIELD.to_lowercase()) == Some(CRUMB)
                && call
                    .header("cookie")
                    .is_some_and(|cookie| cookie.contains("JSESSIONID"));
            if writes && secret == PASSWORD && !crumb {
                return Err(problem(403, "No valid crumb was included in the request"));
            }
            Ok(())
        }
        _ => Err(problem(401, "Invalid password/token for user: delivr")
            .header("www-authenticate", "Basic realm=\"Jenkins\"")),
    }
}

impl Jenkins {
    fn route(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        let parts = call.parts();
        match (call.method.as_str(), parts.as_slice()) {
            ("GET", ["me", "api", "json"]) => Answer::json(
                200,
                &json!({"_class": "hudson.model.User", "absoluteUrl": format!("{}/user/{USER}", call.base),
                        "fullName": "Delivr", "id": USER}),
            ),
            ("GET", ["crumbIssuer", "api", "json"]) => Answer::json(
                200,
                &json!({"_class": "hudson.security.csrf.DefaultCrumbIssuer", "crumb": CRUMB,
                        "crumbRequestField": CRUMB_FIELD}),
            )
            .header("set-cookie", "JSESSIONID=sandbox; Path=/; HttpOnly"),
            ("GET", ["api", "json"]) => Answer::json(
                200,
                &json!({"_class": "hudson.model.Hudson", "mode": "NORMAL", "url": format!("{}/", call.base),
                        "useCrumbs": true, "jobs": views::jobs(&call.base, &self.all(), "")}),
            ),
            ("GET", ["queue", "api", "json"]) => {
                let items = self.queue.iter().filter(|item| item.left.is_none());
                let items: Vec<Value> = items.map(|item| views::item(&call.base, item)).collect();
                Answer::json(200, &json!({"_class": "hudson.model.Queue", "items": items}))
            }
            ("GET", ["queue", "item", id, "api", "json"]) => {
                let item = self.queue.iter().find(|item| item.id.to_string() == *id);
                item.map_or_else(not_found, |item| {
                    Answer::json(200, &views::item(&call.base, item))
                })
            }
            ("POST", ["queue", "cancelItem"]) => self.cancel_item(ctx, call),
            (_, ["job", ..]) => self.job_route(ctx, call),
            _ => not_found(),
        }
    }

    fn all(&self) -> Vec<&Job> {
        self.jobs.values().collect()
    }

    fn cancel_item(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        let form = call.form();
        let id = call.query("id").or_else(|| state::value_of(&form, "id"));
        let waiting =
            |item: &&mut state::Item| item.left.is_none() && Some(item.id.to_string().as_str()) == id;
        let now = ctx.now();
        let Some(item) = self.queue.iter_mut().find(waiting) else {
            return not_found();
        };
        item.cancelled = true;
        item.left = Some(now);
        ctx.effect(NAME, "cancel_item", &item.id.to_string(), None, Value::Null);
        ctx.spend(NAME, "trigger", &item.subject);
        Answer::empty(204)
    }

    fn job_route(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        let parts = call.parts();
        let Some(Target { job: name, rest }) = target(&parts) else {
            return not_found();
        };
        let Some(job) = self.jobs.get_mut(&name) else {
            return self.folder(call, &name, &rest);
        };
        match (call.method.as_str(), rest.as_slice()) {
            ("GET", ["api", "json"]) => {
                let all = call.query("tree").and_then(views::range_of_all);
                let queued = self
                    .queue
                    .iter()
                    .find(|item| item.left.is_none() && item.job == name);
                Answer::json(200, &views::job(&call.base, job, queued, all))
            }
            ("GET", ["config.xml"]) => {
                let names = job.parameters.iter();
                let names = names.map(|parameter| format!("<name>{}</name>", parameter.name));
                let xml = format!(
                    "<flow-definition><properties>{}</properties></flow-definition>",
                    names.collect::<String>()
                );
                Answer::bytes(200, "application/xml", xml.into_bytes())
            }
            ("POST", ["build" | "buildWithParameters"]) => self.trigger(ctx, call, &name, rest == ["build"]),
            ("GET", ["build" | "buildWithParameters"]) => problem(405, "This URL requires POST"),
            (method, [number, below @ ..]) => self.build_route(ctx, call, &name, number, method, below),
            _ => not_found(),
        }
    }

    fn folder(&self, call: &Call, name: &str, rest: &[&str]) -> Answer {
        let inside = format!("{name}/");
        match rest {
            ["api", "json"] if self.jobs.keys().any(|job| job.starts_with(&inside)) => Answer::json(
                200,
                &json!({"_class": "com.cloudbees.hudson.plugins.folder.Folder", "name": name,
                        "fullName": name, "jobs": views::jobs(&call.base, &self.all(), name)}),
            ),
            _ => not_found(),
        }
    }

    fn trigger(&mut self, ctx: &mut Context, call: &Call, name: &str, plain: bool) -> Answer {
        let Some(job) = self.jobs.get(name) else {
            return not_found();
        };
        if !job.buildable {
            return problem(409, &format!("{name} is not buildable"));
        }
        if !plain && job.parameters.is_empty() {
            return problem(400, &format!("{name} is not parameterized"));
        }
        if plain && !job.parameters.is_empty() {
            return problem(400, "Nothing is submitted");
        }
        let mut given = call.form();
        given.extend(call.query.iter().cloned());
        for declared in &job.parameters {
            let value = state::value_of(&given, &declared.name);
            if let Some(value) = value.filter(|_| !declared.choices.is_empty())
                && !declared.choices.iter().any(|choice| choice == value)
            {
                return problem(
                    400,
                    &format!("Illegal choice for parameter {}: {value}", declared.name),
                );
            }
        }
        // Only declared parameters are kept; an undeclared one is dropped without a word.
        let kept = job.parameters.iter().map(|declared| {
            let value = state::value_of(&given, &declared.name).unwrap_or(&declared.default);
            (declared.name.clone(), value.to_owned())
        });
        let kept: Vec<(String, String)> = kept.collect();
        let (status, id) = match self.enqueue(ctx, name, kept) {
            Ok(id) => (201, id),
            // The core without parameters still answers 201 when it folds.
            Err(id) => (if plain { 201 } else { 303 }, id),
        };
        Answer::empty(status).header("location", format!("{}/queue/item/{id}/", call.base))
    }

    fn build_route(
        &mut self,
        ctx: &mut Context,
        call: &Call,
        name: &str,
        number: &str,
        method: &str,
        below: &[&str],
    ) -> Answer {
        let Some(job) = self.jobs.get_mut(name) else {
            return not_found();
        };
        let last = job.builds.last().map(|build| build.number);
        let number = if number == "lastBuild" {
            last
        } else {
            number.parse().ok()
        };
        let Some(position) = job.builds.iter().position(|build| Some(build.number) == number) else {
            return not_found();
        };
        if let Some(build) = job.builds.get_mut(position) {
            build.step.read();
        }
        let Some(build) = job.builds.get(position) else {
            return not_found();
        };
        match (method, below) {
            ("GET", ["api", "json"]) => Answer::json(200, &views::build(&call.base, job, build)),
            ("GET", ["artifact", path @ ..]) if build.result.as_deref() == Some("SUCCESS") => {
                let path = path.join("/");
                let facts = views::build_facts(job, build);
                if path == "out/build.json" {
                    Answer::json(200, &facts)
                } else if path == state::artifact_path(job, build) || path == "*zip*/archive.zip" {
                    let content = format!("simulated artifact {path}\n{facts}\n");
                    Answer::bytes(200, "application/octet-stream", content.into_bytes())
                } else {
                    not_found()
                }
            }
            ("GET", ["logText", "progressiveText"]) => {
                let mut text = format!("Started by user delivr\nChecking out Revision {}\n", build.sha);
                if let Some(result) = &build.result {
                    text.push_str(&format!("Finished: {result}\n"));
                }
                let start = call
                    .query("start")
                    .and_then(|start| start.parse().ok())
                    .unwrap_or(0);
                let answer = Answer::text(200, text.get(start..).unwrap_or_default())
                    .header("x-text-size", text.len().to_string());
                if build.building {
                    answer.header("x-more-data", "true")
                } else {
                    answer
                }
            }
            ("POST", ["stop" | "term" | "kill"]) => {
                let number = build.number;
                if build.building {
                    ctx.effect(NAME, "stop", &format!("{name}#{number}"), None, Value::Null);
                    self.finish(ctx, name, number, "ABORTED");
                }
                Answer::empty(302).header(
                    "location",
                    format!("{}{}{number}/", call.base, state::job_path(name)),
                )
            }
            _ => not_found(),
        }
    }
}

fn not_found() -> Answer {
    problem(404, "Not Found")
}
