//! The table of refusals, the more special one first.

use delivr_domain::ports::error::ProviderErrorKind;

/// One row: HTTP status (0 for any), piece of reason or message (lower case), kind, sentence.
pub(super) struct Row(
    pub(super) u16,
    pub(super) &'static str,
    pub(super) ProviderErrorKind,
    pub(super) &'static str,
);

const MINUTE: &str = "Google Play takes no more requests for this minute; it is tried again later.";
/// Of a quota that is full again the next day only.
pub(super) const DAY: &str = "The day's quota of Google Play's API is used up; it is tried again each hour. More can be asked for in Google \
     Cloud, APIs and services, Quotas.";
const API_OFF: &str = "The Google Play Android Developer API is switched off in the service account's Google Cloud \
                       project; an admin must enable it there, under APIs and services, Library.";
const AGREEMENT: &str =
    "Google has new terms for the developer account; its owner must accept them in Play Console.";
/// The edit has come to its end before its commit.
pub(super) const MEANWHILE: &str =
    "Somebody else changed the app in Google Play meanwhile; it is tried again with their change.";
/// Google would have cancelled a review.
pub(super) const IN_REVIEW: &str = "Changes of the app are in Google's review, and this one would cancel it. Try again when the review is over, or \
     remove the changes from review in Play Console, Publishing overview.";
/// To open an edit an account must be invited at all.
pub(super) const INVITE: &str = "The service account may not see or change this app; an admin must invite it in Play Console, Users and \
     permissions, and add this app with View app information (a new permission can take a day).";
/// An account that may change the app needs more to release it.
pub(super) const RELEASE: &str = "The service account may see the app but not release it; an admin must give it Release to production, or Release \
     apps to testing tracks where the track is one, in Play Console, Users and permissions (it can take a day).";

/// Notes in a language that the app is not described in.
const NO_LISTING: &str = "The app has no store listing in a language of the release notes; add it in Play Console, Grow users, Store presence, \
     Main store listing, or take these notes out.";

pub(super) const ROWS: &[Row] = &[
    Row(
        0,
        "invalid_grant",
        ProviderErrorKind::Unauthenticated,
        "Google refuses the service account's key: an admin must check that it is not deleted and that this server's \
         clock is right, or make a new key in Google Cloud, IAM, Service accounts.",
    ),
    Row(
        0,
        "invalid_client",
        ProviderErrorKind::Unauthenticated,
        "Google does not know the service account; an admin must paste the key file of an existing one.",
    ),
    Row(
        0,
        "invalid_scope",
        ProviderErrorKind::Misconfigured,
        "Google does not grant the Android Publisher scope; enable the Google Play Android Developer API in the \
         service account's project.",
    ),
    Row(
        401,
        "",
        ProviderErrorKind::Unauthenticated,
        "Google does not accept the access token; an admin must check the service account's key.",
    ),
    Row(0, "dailylimitexceeded", ProviderErrorKind::Throttled, DAY),
    Row(0, "per day", ProviderErrorKind::Throttled, DAY),
    Row(0, "ratelimitexceeded", ProviderErrorKind::Throttled, MINUTE),
    Row(0, "quotaexceeded", ProviderErrorKind::Throttled, MINUTE),
    Row(429, "", ProviderErrorKind::Throttled, MINUTE),
    Row(0, "accessnotconfigured", ProviderErrorKind::Forbidden, API_OFF),
    Row(0, "service_disabled", ProviderErrorKind::Forbidden, API_OFF),
    Row(
        0,
        "has not been used in project",
        ProviderErrorKind::Forbidden,
        API_OFF,
    ),
    Row(
        0,
        "projectnotlinked",
        ProviderErrorKind::Forbidden,
        "The service account's Google Cloud project is not linked with the developer account; its owner must invite the \
         service account in Play Console, Users and permissions (an old account: Setup, API access).",
    ),
    Row(
        0,
        "insufficient authentication scopes",
        ProviderErrorKind::Misconfigured,
        "The access token is not good for Google Play's API; an admin must paste the key file of a service account, and \
         leave the token address empty.",
    ),
    Row(
        0,
        "insufficient permissions to perform",
        ProviderErrorKind::Forbidden,
        RELEASE,
    ),
    Row(0, "terms of service", ProviderErrorKind::Forbidden, AGREEMENT),
    Row(
        0,
        "distribution agreement",
        ProviderErrorKind::Forbidden,
        AGREEMENT,
    ),
    Row(
        0,
        "account has been",
        ProviderErrorKind::Forbidden,
        "Google has closed or suspended the developer account; its owner must look in Play Console and in Google's mail.",
    ),
    Row(
        0,
        "edit has been deleted",
        ProviderErrorKind::Precondition,
        MEANWHILE,
    ),
    Row(0, "edit has expired", ProviderErrorKind::Precondition, MEANWHILE),
    Row(0, "edit not found", ProviderErrorKind::Precondition, MEANWHILE),
    Row(410, "", ProviderErrorKind::Precondition, MEANWHILE),
    Row(409, "", ProviderErrorKind::Precondition, MEANWHILE),
    Row(0, "editnotfound", ProviderErrorKind::Precondition, MEANWHILE),
    Row(0, "changes in review", ProviderErrorKind::Conflict, IN_REVIEW),
    Row(0, "changes are in review", ProviderErrorKind::Conflict, IN_REVIEW),
    Row(0, "changesinreview", ProviderErrorKind::Conflict, IN_REVIEW),
    Row(0, "error_if_in_review", ProviderErrorKind::Conflict, IN_REVIEW),
    Row(
        0,
        "cannot be sent for review automatically",
        ProviderErrorKind::Precondition,
        "Google wants the changes to be sent for review by hand in Play Console, Publishing overview.",
    ),
    Row(
        0,
        "changesnotsentforreview must not be set",
        ProviderErrorKind::Precondition,
        "Google sends the changes for review by itself again; it is tried again so.",
    ),
    Row(
        0,
        "only releases with status draft",
        ProviderErrorKind::Invalid,
        "The app was never published and takes drafts only: an owner must publish its first release by hand in Play \
         Console (fill in App content and the store listing there); after that releases are made here.",
    ),
    Row(
        0,
        "first release on a track cannot be staged",
        ProviderErrorKind::Invalid,
        "The first release on a track goes to everybody; set the first rollout step to 100 per cent.",
    ),
    Row(
        0,
        "does not allow any existing users to upgrade",
        ProviderErrorKind::Conflict,
        "A version code as high or higher is live already; ship a build with a higher version code.",
    ),
    Row(
        0,
        "targeting no countries",
        ProviderErrorKind::Invalid,
        "The track has no countries; choose some in Play Console, Production, Countries and regions.",
    ),
    Row(
        0,
        "fully released can not be staged",
        ProviderErrorKind::Unsupported,
        "The release went to everybody; Google Play does not take it back to a part of the users.",
    ),
    Row(
        0,
        "already been used",
        ProviderErrorKind::Conflict,
        "The version code was used before; ship a build with a higher version code.",
    ),
    Row(
        0,
        "still being processed",
        ProviderErrorKind::Precondition,
        "Google Play is still processing the bundle; it is tried again in a while.",
    ),
    Row(
        0,
        "in-app update priority",
        ProviderErrorKind::Unsupported,
        "Google Play does not change the in-app update priority of a release that is out; it counts from the next release.",
    ),
    Row(
        0,
        "country code",
        ProviderErrorKind::Invalid,
        "Google Play does not know a country of the integration's settings; use two-letter codes, such as DE.",
    ),
    Row(
        0,
        "country targeting",
        ProviderErrorKind::Invalid,
        "Google Play does not take countries for this release; leave them out of the integration's settings, or choose \
         them in Play Console.",
    ),
    Row(
        0,
        "does not exist",
        ProviderErrorKind::Precondition,
        "Google Play does not have a bundle of this version code (yet); upload it to the internal track.",
    ),
    Row(
        0,
        "cannot be lowered",
        ProviderErrorKind::Unsupported,
        "Google Play cannot lower a rollout's percentage; halt the rollout instead.",
    ),
    Row(
        0,
        "too long",
        ProviderErrorKind::Invalid,
        "The release notes are longer than Google Play takes; shorten them.",
    ),
    Row(
        0,
        "language is not associated with the app",
        ProviderErrorKind::Invalid,
        NO_LISTING,
    ),
    Row(
        0,
        "recentchangesaddedformissinglanguage",
        ProviderErrorKind::Invalid,
        NO_LISTING,
    ),
    Row(
        0,
        "language code",
        ProviderErrorKind::Invalid,
        "Google Play does not know a language of the release notes; use its codes, such as en-US.",
    ),
    Row(
        0,
        "package not found",
        ProviderErrorKind::NotFound,
        "Google Play has no such package, or its first bundle was never uploaded by hand; correct the package name.",
    ),
    Row(
        0,
        "track not found",
        ProviderErrorKind::NotFound,
        "Google Play has no such track for this app; correct the track of the integration.",
    ),
    Row(
        0,
        "issues with your account",
        ProviderErrorKind::Forbidden,
        "Google reports issues with the developer account; the owner must resolve them in Play Console.",
    ),
    Row(
        0,
        "declaration",
        ProviderErrorKind::Invalid,
        "Google asks for a declaration about the app; fill it in under Play Console, App content.",
    ),
    Row(403, "", ProviderErrorKind::Forbidden, INVITE),
    Row(
        404,
        "",
        ProviderErrorKind::NotFound,
        "It does not exist in Google Play, or the service account may not see it; check package name and track.",
    ),
    Row(
        0,
        "failed_precondition",
        ProviderErrorKind::Precondition,
        "The app in Google Play is not in a state that allows this now; it is tried again in a while.",
    ),
];
