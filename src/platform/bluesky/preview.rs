//! How a post will look in Bluesky's app.

use super::body::Body;
use super::facets::{self, What};
use super::options::{Label, ReplyRule};
use super::reference::Reference;
use crate::domain::payload::Payload;
use crate::domain::preview::{Card, Preview, Run};

pub(super) fn preview(payload: &Payload) -> Preview {
    let Ok(body) = Body::read(payload) else { return Preview::plain(payload) };
    let mut preview = Preview { alts: body.alts.clone(), ..Preview::default() };
    preview.parts = body.texts().map(runs).collect();
    preview.card = body.link.as_ref().map(|link| Card {
        url: link.url.clone(),
        title: link.title.clone(),
        description: link.description.clone(),
        has_picture: !payload.media.is_empty(),
    });
    if !body.labels.is_empty() {
        let named: Vec<_> = body.labels.iter().map(|label| warning(*label)).collect();
        preview.warning = Some(named.join(", "));
    }
    if let Some(reply) = &body.reply {
        preview.note("Reply to", address(reply));
    }
    if let Some(quote) = &body.quote {
        preview.note("Quotes", address(quote));
    }
    if let Some(rules) = &body.replies {
        let named: Vec<_> = rules.iter().map(|rule| who(*rule)).collect();
        preview.note("Who can reply", if named.is_empty() { "nobody".into() } else { named.join(", ") });
    }
    if !body.quotes {
        preview.note("Quotes of it", "off");
    }
    preview.badges.extend(body.langs.iter().cloned());
    preview
}

/// The text, with what the app makes lead somewhere.
fn runs(text: &str) -> Vec<Run> {
    let (mut runs, mut done) = (Vec::new(), 0);
    for found in facets::find(text) {
        let shown = text[found.range.clone()].to_owned();
        if done < found.range.start {
            runs.push(Run::Plain(text[done..found.range.start].to_owned()));
        }
        done = found.range.end;
        runs.push(match found.what {
            What::Link(url) => Run::Link(shown, url),
            What::Mention(_) | What::Tag(_) => Run::Name(shown),
        });
    }
    if done < text.len() {
        runs.push(Run::Plain(text[done..].to_owned()));
    }
    runs
}

fn address(post: &Reference) -> String {
    format!("https://bsky.app/profile/{}/post/{}", post.who, post.rkey)
}

/// In the words of Bluesky's app.
fn warning(label: Label) -> &'static str {
    match label {
        Label::Porn => "adult content",
        Label::Sexual => "sexually suggestive",
        Label::Nudity => "nudity",
        Label::GraphicMedia => "graphic media",
    }
}

fn who(rule: ReplyRule) -> &'static str {
    match rule {
        ReplyRule::Mentioned => "whom it mentions",
        ReplyRule::Following => "whom the account follows",
        ReplyRule::Followers => "followers",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_somewhere_is_marked_and_nothing_is_lost() {
        let text = "See https://example.com/a, @ann.example and #tag. Ende — ja";
        let found = runs(text);
        assert_eq!(
            found,
            [
                Run::Plain("See ".into()),
                Run::Link("https://example.com/a".into(), "https://example.com/a".into()),
                Run::Plain(", ".into()),
                Run::Name("@ann.example".into()),
                Run::Plain(" and ".into()),
                Run::Name("#tag".into()),
                Run::Plain(". Ende — ja".into()),
            ]
        );
        assert_eq!(runs("javascript:alert(1)"), [Run::Plain("javascript:alert(1)".into())]);
        assert!(runs("").is_empty());
    }
}
