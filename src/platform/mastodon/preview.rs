//! How a post will look on a Mastodon server.

use super::body::{Body, Poll};
use super::options::Visibility;
use super::text::next_link;
use crate::domain::payload::Payload;
use crate::domain::preview::{Preview, Run, marked};

pub(super) fn preview(payload: &Payload) -> Preview {
    let Ok(body) = Body::read(payload) else { return Preview::plain(payload) };
    let mut preview = Preview { alts: body.alts.clone(), ..Preview::default() };
    preview.parts = body.texts().map(runs).collect();
    preview.warning = Some(body.warning.clone()).filter(|warning| !warning.is_empty());
    preview.badges.push(audience(body.visibility).to_owned());
    preview.badges.extend(body.language.clone());
    if body.sensitive {
        preview.note("Media", "hidden until somebody asks to see them");
    }
    if let Some(poll) = &body.poll {
        preview.poll.clone_from(&poll.options);
        preview.note("Poll", describe(poll));
    }
    if let Some(reply) = &body.reply {
        preview.note("Reply to", format!("the post with the id {reply}"));
    }
    if let Some(quote) = &body.quote {
        preview.note("Quotes", format!("the post with the id {quote}"));
    }
    preview
}

/// The text, with what the server makes lead somewhere.
fn runs(text: &str) -> Vec<Run> {
    let (mut runs, mut rest) = (Vec::new(), text);
    while let Some(link) = next_link(rest) {
        runs.extend(marked(&rest[..link.start]));
        let address = &rest[link.clone()];
        runs.push(Run::Link(address.to_owned(), address.to_owned()));
        rest = &rest[link.end..];
    }
    runs.extend(marked(rest));
    runs
}

/// In the words of Mastodon's pages (docs.joinmastodon.org, user/posting, read 2026-11-26).
fn audience(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "Public",
        Visibility::Unlisted => "Quiet public",
        Visibility::Private => "Followers",
        Visibility::Direct => "Specific people",
    }
}

fn describe(poll: &Poll) -> String {
    let (minutes, hours) = (poll.expires_in / 60, poll.expires_in / 3_600);
    let length =
        if poll.expires_in.is_multiple_of(3_600) { format!("{hours} h") } else { format!("{minutes} min") };
    let choice = if poll.multiple { "several answers" } else { "one answer" };
    let totals = if poll.hide_totals { ", numbers at its end" } else { "" };
    format!("{choice}, open for {length}{totals}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_names_are_marked_and_nothing_is_lost() {
        let plain = |text: &str| Run::Plain(text.into());
        let link = |text: &str| Run::Link(text.into(), text.into());
        for (text, expected) in [
            ("", vec![]),
            ("javascript:alert(1)", vec![plain("javascript:alert(1)")]),
            (
                "See https://example.com/a, @ann@example.com #b.",
                vec![
                    plain("See "),
                    link("https://example.com/a"),
                    plain(", "),
                    Run::Name("@ann@example.com".into()),
                    plain(" "),
                    Run::Name("#b".into()),
                    plain("."),
                ],
            ),
        ] {
            assert_eq!(runs(text), expected, "{text}");
        }
    }

    #[test]
    fn a_poll_is_told_in_a_line() {
        let poll = Poll { options: Vec::new(), expires_in: 7_200, multiple: true, hide_totals: true };
        assert_eq!(describe(&poll), "several answers, open for 2 h, numbers at its end");
        assert!(describe(&Poll { expires_in: 300, ..poll }).contains("5 min"));
    }
}
