//! The creator's public posts, for whoever begins with what is there (TikTok docs `vl`, `vo`, read 2026-11-22). What is
//! not public is not listed, and of a text no more than 150 characters are told.

use jiff::Timestamp;

use super::Tiktok;
use super::client::{Session, operation};
use super::limits::CAPTION_UNITS_MAX;
use super::observe::{is_id, may_list, share_url};
use super::types::{Video, Videos};
use crate::domain::grant::Grant;
use crate::domain::retry::ErrorKind;
use crate::domain::url;
use crate::platform::listing::{Listed, Listing, Page};
use crate::platform::{BoxFuture, Error, RequestLog};

impl Listing for Tiktok {
    fn operation(&self) -> &'static str {
        operation::VIDEO_LIST
    }

    fn page<'a>(
        &'a self,
        cursor: Option<&'a str>,
        grant: &'a Grant,
        log: &'a RequestLog,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move {
            let session = Session { grant, log };
            if !may_list(session) {
                let message = "the login was not granted `video.list`, which this needs";
                return Err(Error::new(
                    operation::VIDEO_LIST,
                    ErrorKind::Permission,
                    "scope-missing",
                    message,
                ));
            }
            let cursor = cursor.and_then(|cursor| cursor.parse().ok());
            page(self.client.video_list(session, cursor).await?, cursor)
        })
    }
}

/// The cursor is a time and goes back from page to page: a list that does not would have no end.
fn page(videos: Videos, before: Option<i64>) -> Result<Page, Error> {
    let next = match videos.has_more {
        false => None,
        true => {
            let next = videos.cursor.filter(|next| before.is_none_or(|before| *next < before));
            let stuck = || {
                let message = "TikTok says that there is more, and not where";
                Error::new(operation::VIDEO_LIST, ErrorKind::Protocol, "no-cursor", message)
            };
            Some(next.ok_or_else(stuck)?.to_string())
        }
    };
    let posts = videos.videos.into_iter().filter(|video| is_id(&video.id)).map(listed);
    Ok(Page { posts: posts.collect(), next })
}

fn listed(video: Video) -> Listed {
    let url = share_url(&video).filter(|url| url::check_page(url).is_ok());
    let text = if video.video_description.is_empty() { video.title } else { video.video_description };
    Listed {
        id: video.id,
        // Nobody could have published a longer one.
        text: text.chars().take(CAPTION_UNITS_MAX).collect(),
        at: video.create_time.filter(|at| *at > 0).and_then(|at| Timestamp::from_second(at).ok()),
        url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(id: &str) -> Video {
        Video { id: id.to_owned(), ..Video::default() }
    }

    #[test]
    fn a_page_tells_where_the_next_one_begins_and_a_list_that_stands_still_is_an_error() {
        for (has_more, cursor, before, expected) in [
            (false, Some(5), None, Ok(None)),
            (false, None, Some(5), Ok(None)),
            (true, Some(5), None, Ok(Some("5"))),
            (true, Some(4), Some(5), Ok(Some("4"))),
            (true, Some(5), Some(5), Err(())),
            (true, Some(6), Some(5), Err(())),
            (true, None, Some(5), Err(())),
        ] {
            let found = page(Videos { videos: vec![], cursor, has_more }, before);
            let next = found.as_ref().map(|page| page.next.as_deref()).map_err(|_| ());
            assert_eq!(next, expected, "{has_more} {cursor:?} {before:?}");
        }
    }

    #[test]
    fn what_is_listed_is_held_against_what_can_be() {
        let videos = vec![
            Video {
                create_time: Some(1_795_341_600),
                share_url: Some("https://www.tiktok.com/@a/video/7?x=1".into()),
                title: "title".into(),
                ..video("7")
            },
            Video { share_url: Some("javascript:alert(1)".into()), create_time: Some(-5), ..video("8") },
            Video { create_time: Some(i64::MAX), video_description: "é".repeat(9_000), ..video("9") },
            video("../9"),
            video(""),
            video("7\nstate: present"),
        ];
        let page = page(Videos { videos, cursor: None, has_more: false }, None).expect("a page");
        let ids: Vec<_> = page.posts.iter().map(|post| post.id.as_str()).collect();
        assert_eq!(ids, ["7", "8", "9"]);
        assert_eq!(page.posts[0].text, "title");
        assert_eq!(page.posts[0].url.as_deref(), Some("https://www.tiktok.com/@a/video/7?x=1"));
        assert_eq!(page.posts[0].at.map(|at| at.as_second()), Some(1_795_341_600));
        assert_eq!((&page.posts[1].url, page.posts[1].at), (&None, None));
        assert_eq!((page.posts[2].text.chars().count(), page.posts[2].at), (CAPTION_UNITS_MAX, None));
    }
}
