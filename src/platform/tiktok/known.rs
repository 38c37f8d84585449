//! What is known of the creator's account, against a post: what would be refused. The facts may be old, so all of this
//! is warnings, and nothing of the payload depends on it.

use super::inquiry::posting_scope;
use super::options::Privacy;
use super::prepare::Draft;
use crate::domain::capability::{Known, RENEW};
use crate::domain::manifest::report::quote;
use crate::domain::media::{Medium, Probe};
use crate::domain::span::Span;

impl Draft<'_> {
    /// `privacy` is the one that the post would go out with.
    pub(super) fn check_known(&self, privacy: Option<Privacy>) {
        let Some(known) = self.account.known.known() else { return };
        self.check_scope(known);
        self.check_offered(known, privacy);
        self.check_disabled(known);
        self.check_duration(known);
        self.check_prefixes(known);
    }

    fn warn(&self, known: &Known, (code, span): (&'static str, Span), message: &str, key: &str, help: &str) {
        let finding = self.report.warning(code, span, format!("{message} ({})", known.when()));
        finding.help(format!("{help}; {RENEW} reads anew what the account may do")).elsewhere(
            "it is known from here",
            &known.path,
            known.place(key),
        );
    }

    fn check_scope(&self, known: &Known) {
        let scope = posting_scope(self.account.mode.value);
        if known.facts.scopes.as_ref().is_some_and(|scopes| !scopes.contains(scope)) {
            let message = format!("the login was not granted `{scope}`, which this needs");
            let help = "log in again and grant it";
            self.warn(known, ("account-scope-missing", self.place()), &message, "scopes", help);
        }
    }

    fn check_offered(&self, known: &Known, privacy: Option<Privacy>) {
        let written = self.options.privacy.as_ref().map(|privacy| privacy.value.span);
        let (Some(privacy), Some(span)) = (privacy, written) else { return };
        let Some(offered) = known.facts.privacy.as_ref().filter(|offered| !offered.contains(&privacy)) else {
            return;
        };
        let words: Vec<_> = offered.iter().map(|privacy| privacy.word()).collect();
        let help = match words.is_empty() {
            true => "look into the account's settings in TikTok's app".to_owned(),
            false => format!("choose one of: {}", words.join(", ")),
        };
        let message = format!("the account does not offer `{}`", privacy.word());
        self.warn(known, ("account-privacy-not-offered", span), &message, "privacy", &help);
    }

    fn check_disabled(&self, known: &Known) {
        let Some(disabled) = known.facts.disabled.as_ref().filter(|_| self.direct()) else { return };
        let allowed = self.options.allow.iter().flat_map(|allow| &allow.value);
        for word in allowed.filter(|word| disabled.contains(&word.value)) {
            let message =
                format!("`{}` has no effect: the creator has turned it off for all posts", word.value.word());
            let help = "remove it, or turn it on in TikTok's app";
            self.warn(known, ("account-allow-disabled", word.span), &message, "disabled", help);
        }
    }

    fn check_duration(&self, known: &Known) {
        let Some(max) = known.facts.video_seconds_max else { return };
        for (span, medium) in self.items() {
            if let Medium::File { probe: Probe::Video(video), .. } = medium
                && let Some(lasts_ms) = video.duration_ms.filter(|ms| *ms > max.saturating_mul(1_000))
            {
                let lasts = lasts_ms.div_ceil(1_000);
                let message = format!("the video lasts {lasts} s, the account may post {max} s");
                self.warn(known, ("account-video-too-long", span), &message, "video_seconds_max", "cut it");
            }
        }
    }

    /// Once for each post: its media lie together.
    fn check_prefixes(&self, known: &Known) {
        let outside = |medium: &Medium| match medium {
            Medium::Url { url } => Some(url.clone()),
            Medium::File { probe: Probe::Image(_), url: Some(url), .. } => Some(url.clone()),
            Medium::File { .. } => None,
        };
        let mut items = self.items().filter_map(|(span, medium)| Some((span, outside(medium)?)));
        if let Some((span, url)) = items.find(|(_, url)| !known.facts.may_pull(url)) {
            let message = format!("{} is below no address that is known to be verified", quote(&url));
            let help = "verify its domain in TikTok's developer portal, and add it to `media_prefixes` in accounts.lock.yaml";
            self.warn(known, ("account-media-unverified", span), &message, "media_prefixes", help);
        }
    }
}
