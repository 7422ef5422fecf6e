//! Texts of versions, per locale.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::body::{Body, Kind};
use super::errors::{Outcome, attribute, not_found};
use super::query::Query;
use super::state::{AppStore, Localization, NAME, Version};
use super::views::Ref;
use crate::answer::Answer;
use crate::call::Call;
use crate::world::Context;

const LOCALES: [&str; 39] = [
    "ar-SA", "ca", "cs", "da", "de-DE", "el", "en-AU", "en-CA", "en-GB", "en-US", "es-ES", "es-MX", "fi",
    "fr-CA", "fr-FR", "he", "hi", "hr", "hu", "id", "it", "ja", "ko", "ms", "nl-NL", "no", "pl", "pt-BR",
    "pt-PT", "ro", "ru", "sk", "sv", "th", "tr", "uk", "vi", "zh-Hans", "zh-Hant",
];
const TEXTS: [(&str, Kind, bool); 6] = [
    ("description", Kind::Text(4000), false),
    ("keywords", Kind::Text(100), false),
    ("marketingUrl", Kind::Text(2000), false),
    ("promotionalText", Kind::Text(170), false),
    ("supportUrl", Kind::Text(2000), false),
    ("whatsNew", Kind::Text(4000), false),
];

impl AppStore {
    /// A new version starts with the locales and lasting texts of the one before.
    pub(crate) fn copy_texts(&mut self, ctx: &mut Context, before: Option<&str>, id: &str) {
        let old = self
            .localizations
            .iter()
            .filter(|text| Some(text.version.as_str()) == before)
            .cloned();
        let mut texts: Vec<Localization> = old.collect();
        if texts.is_empty() {
            let empty = Localization {
                id: String::new(),
                version: String::new(),
                locale: "en-US".into(),
                fields: BTreeMap::new(),
            };
            texts.push(empty);
        }
        for mut text in texts {
            text.id = ctx.ids.uuid("appstore localization");
            id.clone_into(&mut text.version);
            text.fields.remove("whatsNew");
            self.localizations.push(text);
        }
    }

    pub(crate) fn create_localization(&mut self, ctx: &mut Context, call: &Call) -> Outcome<Answer> {
        let mut declared = TEXTS.to_vec();
        declared.push(("locale", Kind::Choice(&LOCALES), true));
        let relations = [("appStoreVersion", "appStoreVersions", true)];
        let body = Body::read(call, "appStoreVersionLocalizations", None, &declared, &relations)?;
        let version = self.editable(body.relation("appStoreVersion"))?;
        let locale = body.text("locale").unwrap_or_default().to_owned();
        if self
            .localizations
            .iter()
            .any(|text| text.version == version.id && text.locale == locale)
        {
            let detail = "The attribute value has already been used: a localization for this locale exists.";
            return Err(attribute("INVALID.DUPLICATE", "locale", detail));
        }
        let id = ctx.ids.uuid("appstore localization");
        let text = Localization {
            id: id.clone(),
            version: version.id.clone(),
            locale,
            fields: BTreeMap::new(),
        };
        self.write_texts(ctx, &version, text, &body)?;
        Ok(self.single(
            &call.base,
            &Query::default(),
            201,
            &Ref("appStoreVersionLocalizations", id),
        ))
    }

    pub(crate) fn update_localization(
        &mut self,
        ctx: &mut Context,
        call: &Call,
        id: &str,
    ) -> Outcome<Answer> {
        let text = self.localizations.iter().find(|text| text.id == id).cloned();
        let text = text.ok_or_else(|| not_found("appStoreVersionLocalizations", id))?;
        let body = Body::read(call, "appStoreVersionLocalizations", Some(id), &TEXTS, &[])?;
        let version = self.editable(&text.version)?;
        self.write_texts(ctx, &version, text, &body)?;
        Ok(self.single(
            &call.base,
            &Query::default(),
            200,
            &Ref::of("appStoreVersionLocalizations", id),
        ))
    }

    fn write_texts(
        &mut self,
        ctx: &mut Context,
        version: &Version,
        mut text: Localization,
        body: &Body,
    ) -> Outcome<()> {
        if version.first && body.text("whatsNew").is_some() {
            return Err(attribute(
                "INVALID.INVALID_STATE",
                "whatsNew",
                "The attribute 'whatsNew' cannot be edited at this time.",
            ));
        }
        let before = text.fields.clone();
        for (name, value) in body.attributes().iter().filter(|(name, _)| *name != "locale") {
            match value.as_str() {
                Some(value) => text.fields.insert(name.clone(), value.to_owned()),
                None => text.fields.remove(name),
            };
        }
        let known = self.localizations.iter().position(|one| one.id == text.id);
        if known.is_none() || before != text.fields {
            let subject = |fields: &BTreeMap<String, String>| {
                let content = ctx.ids.hash(&format!("{fields:?}"), 12);
                format!("{},{},{content}", self.subject(version), text.locale)
            };
            let (old, new) = (subject(&before), subject(&text.fields));
            ctx.spend(NAME, "set_notes", &old);
            ctx.effect(
                NAME,
                "set_notes",
                &new,
                None,
                json!({"locale": text.locale, "whatsNew": text.fields.get("whatsNew")}),
            );
        }
        match known.and_then(|position| self.localizations.get_mut(position)) {
            Some(place) => *place = text,
            None => self.localizations.push(text),
        }
        Ok(())
    }

    pub(crate) fn delete_localization(&mut self, ctx: &mut Context, id: &str) -> Outcome<Answer> {
        let text = self.localizations.iter().find(|text| text.id == id);
        let text = text.ok_or_else(|| not_found("appStoreVersionLocalizations", id))?;
        let version = self.editable(&text.version)?;
        let subject = format!("{},{}", self.subject(&version), text.locale);
        ctx.effect(NAME, "delete_localization", &subject, None, Value::Null);
        self.localizations.retain(|text| text.id != id);
        Ok(Answer::empty(204))
    }
}
