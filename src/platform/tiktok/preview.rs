//! How a post will look in TikTok's app.

use super::body::{Body, Kind};
use super::options::{Allow, Disclosure, Privacy};
use crate::domain::payload::Payload;
use crate::domain::preview::{Preview, Shape, marked};

pub(super) fn preview(payload: &Payload) -> Preview {
    let Ok(body) = Body::read(payload) else { return Preview::plain(payload) };
    let mut preview = Preview { shape: Shape::Portrait, ..Preview::default() };
    let is_bare = body.kind == Kind::Video && !body.is_direct();
    if !is_bare && !body.text.is_empty() {
        preview.parts.push(marked(&body.text));
    }
    preview.title = Some(body.title.clone()).filter(|title| !title.is_empty());
    match body.privacy {
        Some(privacy) => preview.badges.push(audience(privacy).to_owned()),
        None => preview.badges.push("Draft".to_owned()),
    }
    if body.is_direct() {
        let allowed = |allow| body.allow.contains(&allow);
        let named = [(Allow::Comment, "comments"), (Allow::Duet, "duets"), (Allow::Stitch, "stitches")];
        let on: Vec<_> =
            named.into_iter().filter(|(allow, _)| allowed(*allow)).map(|(_, name)| name).collect();
        preview.note(
            "Allowed",
            if on.is_empty() { "no comments, duets or stitches".into() } else { on.join(", ") },
        );
    } else {
        let way = "it goes to the creator's inbox, who chooses the audience and publishes it in the app";
        preview.note("Draft", way);
    }
    if is_bare {
        preview.note("Caption", "none: TikTok takes no text with a video draft");
    }
    for disclosure in &body.disclosure {
        preview.badges.push(match disclosure {
            Disclosure::OwnBrand => "Promotional content".to_owned(),
            Disclosure::PaidPartnership => "Paid partnership".to_owned(),
        });
    }
    if body.ai_generated {
        preview.badges.push("AI-generated".to_owned());
    }
    if let Some(ms) = body.cover_ms {
        preview.note("Cover", format!("the frame at {}.{:03} s", ms / 1_000, ms % 1_000));
    }
    if body.kind == Kind::Photos && payload.media.len() > 1 {
        preview.note("Cover", format!("photo {} of {}", body.cover.saturating_add(1), payload.media.len()));
    }
    if body.auto_music {
        preview.note("Music", "chosen by TikTok");
    }
    preview
}

/// In the words of TikTok's app.
fn audience(privacy: Privacy) -> &'static str {
    match privacy {
        Privacy::Public => "Everyone",
        Privacy::Friends => "Friends",
        Privacy::Followers => "Followers",
        Privacy::SelfOnly => "Only me",
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::tests::video;
    use super::*;
    use crate::domain::ids::PlatformId;
    use crate::domain::limits::Counts;
    use crate::domain::payload::Estimate;
    use crate::domain::project::Mode;

    fn of(body: &Body) -> Preview {
        preview(&Payload {
            platform: PlatformId::Tiktok,
            body: serde_json::to_value(body).expect("json").into(),
            media: Vec::new(),
            what: String::new(),
            text: None,
            counts: Counts::Posts,
            estimate: Estimate::default(),
            fixed: None,
        })
    }

    #[test]
    fn a_draft_shows_no_caption_and_a_direct_post_its_audience() {
        let draft = of(&Body { text: "kept".into(), ..video(Mode::Draft) });
        assert!(draft.parts.is_empty(), "{draft:?}");
        assert_eq!(draft.badges, ["Draft"]);
        let allow = vec![Allow::Comment];
        let direct = of(&Body { text: "Hi #a".into(), allow, ai_generated: true, ..video(Mode::Direct) });
        assert_eq!(direct.parts, [marked("Hi #a")]);
        assert_eq!(direct.badges, ["Only me", "AI-generated"]);
        assert_eq!(direct.notes[0].text, "comments");
    }
}
