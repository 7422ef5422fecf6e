//! Review submissions and their items.

use serde_json::json;

use super::body::{Body, Kind};
use super::errors::{Outcome, attribute, not_found, not_reviewable, relationship, state};
use super::query::Query;
use super::state::{AppStore, EDITABLE, Item, NAME, Submission, Version};
use super::versions::PLATFORMS;
use super::views::Ref;
use crate::answer::Answer;
use crate::auto::Step;
use crate::call::Call;
use crate::world::Context;

impl AppStore {
    fn submission(&self, id: &str) -> Outcome<Submission> {
        let found = self.submissions.iter().find(|submission| submission.id == id);
        found.cloned().ok_or_else(|| not_found("reviewSubmissions", id))
    }

    fn store(&mut self, submission: Submission) {
        if let Some(place) = self.submissions.iter_mut().find(|one| one.id == submission.id) {
            *place = submission;
        }
    }

    fn submission_subject(&self, submission: &Submission) -> String {
        format!("{},{}", self.bundle(&submission.app), submission.platform)
    }

    pub(crate) fn create_submission(&mut self, ctx: &mut Context, call: &Call) -> Outcome<Answer> {
        let declared = [("platform", Kind::Choice(&PLATFORMS), false)];
        let body = Body::read(
            call,
            "reviewSubmissions",
            None,
            &declared,
            &[("app", "apps", true)],
        )?;
        let app = body.relation("app").to_owned();
        if self.app(&app).is_none() {
            return Err(relationship(
                "INVALID",
                "app",
                &format!("There is no resource of type 'apps' with id '{app}'"),
            ));
        }
        let submission = Submission {
            id: ctx.ids.uuid("appstore submission"),
            app,
            platform: body.text("platform").unwrap_or("IOS").to_owned(),
            state: "READY_FOR_REVIEW".to_owned(),
            submitted: None,
            items: Vec::new(),
            step: Step::at(ctx.now()),
        };
        let id = submission.id.clone();
        ctx.effect(
            NAME,
            "create_submission",
            &self.submission_subject(&submission),
            None,
            json!({"id": id}),
        );
        self.submissions.push(submission);
        Ok(self.single(&call.base, &Query::default(), 201, &Ref("reviewSubmissions", id)))
    }

    /// What a version lacks before it can be reviewed.
    fn reviewable(&self, version: &Version) -> Outcome<()> {
        let mut missing = Vec::new();
        if version.build.is_none() {
            missing.push(("build".to_owned(), "You must choose a build.".to_owned()));
        }
        for text in self
            .localizations
            .iter()
            .filter(|text| text.version == version.id)
        {
            if !version.first
                && text
                    .fields
                    .get("whatsNew")
                    .is_none_or(|text| text.trim().is_empty())
            {
                let detail = format!(
                    "You must provide a value for the attribute 'whatsNew' ({})",
                    text.locale
                );
                missing.push(("whatsNew".to_owned(), detail));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(not_reviewable(
            &format!("/v1/appStoreVersions/{}", version.id),
            &missing,
        ))
    }

    pub(crate) fn add_item(&mut self, ctx: &mut Context, call: &Call) -> Outcome<Answer> {
        let relations = [
            ("reviewSubmission", "reviewSubmissions", true),
            ("appStoreVersion", "appStoreVersions", true),
        ];
        let body = Body::read(call, "reviewSubmissionItems", None, &[], &relations)?;
        let mut submission = self.submission(body.relation("reviewSubmission"))?;
        let id = body.relation("appStoreVersion").to_owned();
        let version = self
            .version(&id)
            .cloned()
            .ok_or_else(|| not_found("appStoreVersions", &id))?;
        if self.submission_of(&id).is_some() {
            let detail =
                format!("appStoreVersions with id '{id}' was already added to another reviewSubmission.");
            return Err(relationship("INVALID", "appStoreVersion", &detail));
        }
        if submission.state != "READY_FOR_REVIEW" {
            return Err(state(
                "Items can be added to a submission before it is submitted only.",
            ));
        }
        if !EDITABLE.contains(&version.state.as_str())
            || (&version.app, &version.platform) != (&submission.app, &submission.platform)
        {
            return Err(state("appStoreVersions is not in valid state."));
        }
        self.reviewable(&version)?;
        let item = Item {
            id: ctx.ids.uuid("appstore item"),
            version: id.clone(),
            state: "READY_FOR_REVIEW".into(),
        };
        let item_id = item.id.clone();
        submission.items.push(item);
        self.store(submission);
        ctx.effect(
            NAME,
            "add_item",
            &self.subject(&version),
            None,
            json!({"id": item_id}),
        );
        self.move_version(ctx, &id, "READY_FOR_REVIEW");
        Ok(self.single(
            &call.base,
            &Query::default(),
            201,
            &Ref("reviewSubmissionItems", item_id),
        ))
    }

    pub(crate) fn delete_item(&mut self, ctx: &mut Context, id: &str) -> Outcome<Answer> {
        let found = self
            .submissions
            .iter()
            .find(|one| one.items.iter().any(|item| item.id == id))
            .cloned();
        let mut submission = found.ok_or_else(|| not_found("reviewSubmissionItems", id))?;
        if submission.state != "READY_FOR_REVIEW" {
            return Err(state(
                "Items can be removed from a submission before it is submitted only.",
            ));
        }
        let removed: Vec<Item> = submission.items.extract_if(.., |item| item.id == id).collect();
        self.store(submission);
        for item in removed {
            if let Some(version) = self.version(&item.version).cloned() {
                let subject = self.subject(&version);
                ctx.effect(NAME, "remove_item", &subject, None, json!({"id": id}));
                ctx.spend(NAME, "add_item", &subject);
            }
            self.move_version(ctx, &item.version, "PREPARE_FOR_SUBMISSION");
        }
        Ok(Answer::empty(204))
    }

    pub(crate) fn update_submission(&mut self, ctx: &mut Context, call: &Call, id: &str) -> Outcome<Answer> {
        let declared = [
            ("platform", Kind::Choice(&PLATFORMS), false),
            ("submitted", Kind::Flag, false),
            ("canceled", Kind::Flag, false),
        ];
        let body = Body::read(call, "reviewSubmissions", Some(id), &declared, &[])?;
        let submission = self.submission(id)?;
        match (body.flag("submitted"), body.flag("canceled")) {
            (true, false) => self.submit(ctx, submission)?,
            (false, true) => self.cancel(ctx, submission)?,
            _ => {
                return Err(attribute(
                    "INVALID",
                    "submitted",
                    "Either 'submitted' or 'canceled' must be true.",
                ));
            }
        }
        Ok(self.single(
            &call.base,
            &Query::default(),
            200,
            &Ref::of("reviewSubmissions", id),
        ))
    }

    fn submit(&mut self, ctx: &mut Context, mut submission: Submission) -> Outcome<()> {
        if !["READY_FOR_REVIEW", "UNRESOLVED_ISSUES"].contains(&submission.state.as_str()) {
            return Err(state(&format!(
                "The submission is already in the state {}.",
                submission.state
            )));
        }
        if submission.items.is_empty() {
            return Err(state("The submission has no items to review."));
        }
        let versions: Vec<Version> = submission
            .items
            .iter()
            .filter_map(|item| self.version(&item.version))
            .cloned()
            .collect();
        for version in &versions {
            self.reviewable(version)?;
        }
        let now = ctx.now();
        submission.state = "WAITING_FOR_REVIEW".to_owned();
        submission.submitted = Some(now);
        submission.step = Step::at(now);
        for item in &mut submission.items {
            item.state = "READY_FOR_REVIEW".to_owned();
        }
        let id = submission.id.clone();
        self.store(submission);
        for version in versions {
            ctx.effect(
                NAME,
                "submit",
                &self.submit_subject(&version),
                None,
                json!({"submission": id}),
            );
            self.move_version(ctx, &version.id, "WAITING_FOR_REVIEW");
        }
        Ok(())
    }

    fn cancel(&mut self, ctx: &mut Context, mut submission: Submission) -> Outcome<()> {
        if ["CANCELING", "COMPLETING", "COMPLETE"].contains(&submission.state.as_str()) {
            return Err(state(&format!(
                "The submission cannot be canceled in the state {}.",
                submission.state
            )));
        }
        ctx.effect(
            NAME,
            "cancel_submission",
            &submission.id,
            None,
            json!({"state": submission.state}),
        );
        submission.state = "CANCELING".to_owned();
        submission.step = Step::at(ctx.now());
        self.store(submission);
        Ok(())
    }

    /// The end of a cancellation: only now may the version be edited again.
    pub(crate) fn finish_cancel(&mut self, ctx: &mut Context, id: &str) {
        self.close(ctx, id, "REMOVED");
        let Ok(submission) = self.submission(id) else {
            return;
        };
        for item in submission.items {
            let Some(version) = self.version(&item.version).cloned() else {
                continue;
            };
            self.spend_review(ctx, &version);
            if ["WAITING_FOR_REVIEW", "IN_REVIEW"].contains(&version.state.as_str()) {
                self.move_version(ctx, &version.id, "DEVELOPER_REJECTED");
            } else if version.state == "READY_FOR_REVIEW" {
                self.move_version(ctx, &version.id, "PREPARE_FOR_SUBMISSION");
            }
        }
    }

    fn spend_review(&self, ctx: &mut Context, version: &Version) {
        ctx.spend(NAME, "submit", &self.submit_subject(version));
        ctx.spend(NAME, "add_item", &self.subject(version));
    }

    fn close(&mut self, ctx: &mut Context, id: &str, items: &str) {
        let Ok(mut submission) = self.submission(id) else {
            return;
        };
        submission.state = "COMPLETE".to_owned();
        for item in &mut submission.items {
            item.state = items.to_owned();
        }
        ctx.spend(NAME, "create_submission", &self.submission_subject(&submission));
        self.store(submission);
    }

    fn mark(&mut self, version: &str, state: &str, items: Option<&str>) {
        let Some(id) = self
            .submission_of(version)
            .map(|submission| submission.id.clone())
        else {
            return;
        };
        let Ok(mut submission) = self.submission(&id) else {
            return;
        };
        submission.state = state.to_owned();
        for item in &mut submission.items {
            if let Some(state) = items {
                item.state = state.to_owned();
            }
        }
        self.store(submission);
    }

    /// A reviewer opens the version.
    pub(crate) fn begin_review(&mut self, ctx: &mut Context, version: &str) {
        self.mark(version, "IN_REVIEW", None);
        self.move_version(ctx, version, "IN_REVIEW");
    }

    /// The review passes; what follows depends on the release type.
    pub(crate) fn approve(&mut self, ctx: &mut Context, version: &str) {
        if let Some(id) = self
            .submission_of(version)
            .map(|submission| submission.id.clone())
        {
            self.close(ctx, &id, "APPROVED");
        }
        let next = match self.version(version).map(|version| version.release_type.as_str()) {
            Some("MANUAL") => "PENDING_DEVELOPER_RELEASE",
            Some("SCHEDULED") => "PENDING_APPLE_RELEASE",
            _ => "PROCESSING_FOR_DISTRIBUTION",
        };
        self.move_version(ctx, version, next);
    }

    /// The review fails; the same contents may be submitted anew.
    pub(crate) fn reject(&mut self, ctx: &mut Context, id: &str, to: &str) {
        self.mark(id, "UNRESOLVED_ISSUES", Some("REJECTED"));
        let Some(version) = self.version(id).cloned() else {
            return;
        };
        self.spend_review(ctx, &version);
        ctx.spend(
            NAME,
            "create_submission",
            &format!("{},{}", self.bundle(&version.app), version.platform),
        );
        self.move_version(ctx, id, to);
    }
}
