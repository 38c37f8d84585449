//! Live posts against what was sent, and how they do, by `video/query`. It lists public posts only (TikTok docs `vq`, read
//! 2026-11-22), so that one that was deleted looks like one that was made private, or that moderation took down. It counts
//! views, likes, comments and shares, and nothing else (TikTok docs `vo`, read 2026-11-22).

use super::Tiktok;
use super::body::Body;
use super::checkpoint::Checkpoint;
use super::client::{PAGE_MAX, Session, operation};
use super::observe::{LISTED_CHARS_MAX, is_id, normalized};
use super::reply::Reply;
use super::types::Video;
use crate::domain::drift::{CAPTION_DIFFERS, MISSING, PARTLY_MISSING};
use crate::domain::grant::Grant;
use crate::domain::insight::Insight;
use crate::domain::publication::Reason;
use crate::platform::error::foreign;
use crate::platform::survey::{Recorded, Seen, Survey};
use crate::platform::{BoxFuture, Error, RequestLog};

const SCOPE: &str = "video.list";
/// A text with no more bytes than this is never cut, whatever the list counts in, dots at its end included.
const WHOLE_BYTES_MAX: usize = LISTED_CHARS_MAX - 10;

impl Survey for Tiktok {
    fn lacks(&self, grant: &Grant) -> Option<&'static str> {
        (!grant.scopes.iter().any(|scope| scope == SCOPE)).then_some(SCOPE)
    }

    fn operation(&self) -> &'static str {
        operation::VIDEO_QUERY
    }

    /// Several where a creator has made several posts of one draft.
    fn ids(&self, recorded: &Recorded) -> Vec<String> {
        let work = recorded.work.as_ref();
        // An answer is no post that is listed.
        if work.is_some_and(|work| Reply::read(&work.payload).is_some()) {
            return Vec::new();
        }
        let checkpoint = work.and_then(|work| work.checkpoint.as_ref());
        let known = Checkpoint::read(checkpoint).map(|checkpoint| checkpoint.post_ids).unwrap_or_default();
        let mut ids: Vec<String> = Vec::new();
        for id in recorded.remote.id.iter().cloned().chain(known).filter(|id| is_id(id)) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids.truncate(PAGE_MAX);
        ids
    }

    /// Only public posts ever get an id; what a creator makes of a draft is theirs to say.
    fn is_late(&self, recorded: &Recorded) -> bool {
        let work = recorded.work.as_ref().filter(|_| self.ids(recorded).is_empty());
        let body = work.and_then(|work| Body::read(&work.payload).ok());
        body.is_some_and(|body| body.is_public() || !body.is_direct())
    }

    fn ids_max(&self) -> usize {
        PAGE_MAX
    }

    fn look<'a>(
        &'a self,
        recorded: &'a [Recorded],
        grant: &'a Grant,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Vec<Seen>, Error>> {
        Box::pin(async move {
            let ids: Vec<_> = recorded.iter().map(|recorded| self.ids(recorded)).collect();
            let videos = self.client.video_query(Session { grant, log }, &ids.concat()).await?;
            let pairs = recorded.iter().zip(&ids);
            Ok(pairs.map(|(recorded, ids)| seen(recorded, ids, &videos)).collect())
        })
    }
}

fn seen(recorded: &Recorded, ids: &[String], videos: &[Video]) -> Seen {
    let live: Vec<_> = ids.iter().filter_map(|id| videos.iter().find(|video| video.id == *id)).collect();
    let insight = live.iter().map(|video| insight(video)).fold(Insight::default(), Insight::plus);
    Seen { difference: difference(recorded, ids, &live), insight }
}

fn insight(video: &Video) -> Insight {
    let count = |count: Option<i64>| u64::try_from(count?).ok();
    Insight {
        views: count(video.view_count),
        likes: count(video.like_count),
        comments: count(video.comment_count),
        shares: count(video.share_count),
    }
}

fn difference(recorded: &Recorded, ids: &[String], live: &[&Video]) -> Option<Reason> {
    if live.is_empty() {
        let message = "TikTok does not list it among the account's public posts: it was deleted, made private or taken down";
        return Some(Reason::new(MISSING, message));
    }
    if live.len() < ids.len() {
        let message =
            format!("TikTok lists {} of its {} posts among the account's public ones", live.len(), ids.len());
        return Some(Reason::new(PARTLY_MISSING, message));
    }
    let body = Body::read(&recorded.work.as_ref()?.payload).ok()?;
    // The creator of a draft may write what they like.
    let sent = Some(&body.text).filter(|text| body.is_direct() && !text.trim().is_empty())?;
    let other = live.iter().find(|video| differs(sent, video))?;
    let listed = foreign([&other.video_description, &other.title].into_iter().find(|t| !t.is_empty())?);
    Some(Reason::new(CAPTION_DIFFERS, format!("TikTok shows another text than was sent: \"{listed}\"")))
}

/// Whether the post certainly has another text. The list cuts texts, in a unit that is not documented.
fn differs(sent: &str, video: &Video) -> bool {
    let sent = normalized(sent);
    let is_it = |listed: &str| {
        let cut = listed.trim_end_matches(['.', '…', ' ']);
        sent == listed || sent.len() > WHOLE_BYTES_MAX && !cut.is_empty() && sent.starts_with(cut)
    };
    let mut listed = [&video.video_description, &video.title]
        .into_iter()
        .map(|text| normalized(text))
        .filter(|t| !t.is_empty())
        .peekable();
    listed.peek().is_some() && !listed.any(|listed| is_it(&listed))
}

#[cfg(test)]
mod tests {
    use super::super::body::tests::video;
    use super::super::tests::support::{account, adapter};
    use super::*;
    use crate::domain::ids::PlatformId;
    use crate::domain::limits::Counts;
    use crate::domain::payload::{Estimate, Payload};
    use crate::domain::project::Mode;
    use crate::domain::publication::{Remote, Work};

    fn recorded(mode: Mode, text: &str) -> Recorded {
        let body = Body { text: text.to_owned(), ..video(mode) };
        let payload = Payload {
            platform: PlatformId::Tiktok,
            body: serde_json::to_value(body).expect("json").into(),
            media: Vec::new(),
            what: "video".into(),
            text: None,
            counts: Counts::Posts,
            estimate: Estimate::default(),
            fixed: None,
        };
        let work = Work { payload: Box::new(payload), checkpoint: None };
        Recorded { remote: Remote { id: Some("7".into()), url: None }, work: Some(work) }
    }

    fn listed(id: &str, text: &str) -> Video {
        Video { id: id.into(), video_description: text.into(), ..Video::default() }
    }

    #[test]
    fn a_text_differs_only_where_no_cut_explains_it() {
        let crabs = "\u{1F980}".repeat(80);
        let long = "word ".repeat(60);
        for (mode, sent, shown, expected) in [
            (Mode::Direct, "We shipped. #rust", "We shipped. #rust", None),
            (Mode::Direct, "We  shipped.\n#rust\n", "We shipped. #rust", None),
            (Mode::Direct, "We shipped. #rust", "We shipped.", Some(CAPTION_DIFFERS)),
            (Mode::Direct, "We shipped. #rust", "We regret.", Some(CAPTION_DIFFERS)),
            (Mode::Draft, "We shipped. #rust", "We regret.", None),
            (Mode::Direct, "", "We regret.", None),
            // Not told is not empty.
            (Mode::Direct, "We shipped. #rust", "", None),
            (Mode::Direct, &long, &format!("{}...", &long[..140]), None),
            (Mode::Direct, &long, "other word", Some(CAPTION_DIFFERS)),
            // Cut at 150 bytes or UTF-16 units, which is fewer characters.
            (Mode::Direct, &crabs, &"\u{1F980}".repeat(37), None),
            (Mode::Direct, &crabs, &"\u{1F980}".repeat(75), None),
        ] {
            let found = difference(&recorded(mode, sent), &["7".into()], &[&listed("7", shown)]);
            assert_eq!(found.map(|r| r.code).as_deref(), expected, "{mode:?} {sent:?} {shown:?}");
        }
    }

    #[test]
    fn of_several_posts_each_counts_and_what_was_adopted_has_no_text() {
        let mut draft = recorded(Mode::Draft, "");
        let checkpoint =
            Checkpoint { post_ids: vec!["7".into(), "8".into(), "../9".into()], ..Checkpoint::default() };
        draft.work.as_mut().expect("there").checkpoint = Some(checkpoint.store());
        let adopted = Recorded { work: None, ..draft.clone() };
        let tiktok = adapter(account(Mode::Draft, true, None));
        assert_eq!(
            (tiktok.ids(&draft), tiktok.ids(&adopted)),
            (vec!["7".into(), "8".into()], vec!["7".into()])
        );
        for (recorded, shown, expected) in [
            (&draft, vec!["7", "8"], None),
            (&draft, vec!["8"], Some(PARTLY_MISSING)),
            (&draft, vec![], Some(MISSING)),
            (&adopted, vec!["7"], None),
            (&adopted, vec!["8"], Some(MISSING)),
        ] {
            let videos: Vec<_> = shown.iter().map(|id| listed(id, "any")).collect();
            let found = seen(recorded, &tiktok.ids(recorded), &videos);
            assert_eq!(found.difference.map(|r| r.code).as_deref(), expected, "{shown:?}");
        }
    }
}
