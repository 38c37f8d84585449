//! EnsembleData, a paid service that searches TikTok's posts: for a keyword only, as it knows no list of what is trending.
//!
//! Source: its own SDK (EnsembleData/ensembledata-python, read 2026-11-26). `GET ensembledata.com/apis/tt/keyword/search` with
//! `name`, `cursor`, `period` in days, `sorting` 1, `country`, and the `token` in the query; the header
//! `units_charged` tells the price. That posts lie in `data.data[].aweme_info`, or without either wrapper, is what public
//! clients have seen.
//!
//! What 1 sorts by is told nowhere that we have read; it is taken for likes. So posts are sorted here, by views.
//! Hashtags are counted in the texts of the posts that were found, so they say what goes with the keyword, not what is
//! trending everywhere.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::client::{Call, Client, Reply, Token};
use super::query::{Kind, Query, Scope};
use super::{Fault, FaultKind, Found, Source, SourceId, TRENDS_MAX, Trend, known, wire};
use crate::platform::BoxFuture;
use crate::platform::error::foreign;
use crate::secret::Secret;

/// Where its token comes from.
pub const TOKEN_VARIABLE: &str = "ENSEMBLEDATA_TOKEN";

const HOST: &str = "ensembledata.com";
const PATH: &str = "/apis/tt/keyword/search";
/// Pages of about 20 posts that one question may cost.
const PAGES_MAX: u32 = 3;
/// No further page is asked for once so much was charged: a page is one unit, and the free plan has 50 a day.
const UNITS_MAX: u64 = 5;

#[derive(Debug)]
pub struct Ensemble {
    token: Secret,
}

impl Ensemble {
    pub fn new(token: Secret) -> Ensemble {
        Ensemble { token }
    }

    async fn page(
        &self,
        query: &Query,
        word: &str,
        cursor: u64,
        client: &mut Client,
    ) -> Result<Reply, Fault> {
        let fields = vec![
            ("name", word.to_owned()),
            ("cursor", cursor.to_string()),
            ("period", query.period.days().to_string()),
            ("sorting", "1".to_owned()),
            ("country", query.country.as_str().to_lowercase()),
        ];
        let token = Some(Token::Query("token", &self.token));
        let call = Call { host: HOST, path: PATH, query: fields, headers: &[], body: None, token };
        client.send(call, meaning).await
    }

    async fn posts(
        &self,
        query: &Query,
        word: &str,
        client: &mut Client,
    ) -> Result<(Vec<Trend>, Found), Fault> {
        let (mut posts, mut found, mut cursor, mut units) = (Vec::new(), Found::default(), 0, 0_u64);
        for page in 0..PAGES_MAX {
            let read = match self.page(query, word, cursor, client).await {
                Ok(reply) => {
                    units = units.saturating_add(reply.units.unwrap_or(1));
                    read(&reply.body)
                }
                Err(fault) => Err(fault),
            };
            let (more, next) = match read {
                Ok(read) => read,
                Err(fault) if page == 0 => return Err(fault),
                Err(fault) => {
                    found.incomplete = Some(fault);
                    break;
                }
            };
            let is_last = more.trends.is_empty() || units >= UNITS_MAX;
            posts.extend(more.trends);
            found.notes.extend(more.notes);
            match next.filter(|next| *next > cursor && !is_last) {
                Some(next) => cursor = next,
                None => break,
            }
        }
        let mut seen = BTreeSet::new();
        posts.retain(|post: &Trend| post.id.as_ref().is_none_or(|id| seen.insert(id.clone())));
        found.units = Some(units);
        Ok((posts, found))
    }
}

impl Source for Ensemble {
    fn id(&self) -> SourceId {
        SourceId::EnsembleData
    }

    fn declines(&self, query: &Query) -> Option<&'static str> {
        match (&query.keyword, query.scope) {
            (None, _) => Some("it searches for a keyword only: --keyword"),
            (_, Scope::One(_) | Scope::Each) => Some("it knows no industries"),
            (Some(_), Scope::Whole) => None,
        }
    }

    fn searches(&self) -> bool {
        true
    }

    fn ask<'a>(&'a self, query: &'a Query, client: &'a mut Client) -> BoxFuture<'a, Result<Found, Fault>> {
        Box::pin(async move {
            let word = query.keyword.as_deref().unwrap_or_default();
            let (posts, mut found) = self.posts(query, word, client).await?;
            if query.kind == Kind::Hashtags {
                found.notes.push(format!(
                    "counted in the {} posts that a search for the keyword found",
                    posts.len()
                ));
                found.trends = hashtags(&posts);
            } else {
                found.trends = posts;
                found.trends.sort_by_key(|post| Reverse(post.views));
            }
            found.trends.truncate(TRENDS_MAX);
            for (at, trend) in found.trends.iter_mut().enumerate() {
                trend.rank = at + 1;
            }
            Ok(found)
        })
    }
}

/// Statuses of its own.
fn meaning(status: u16) -> Option<&'static str> {
    Some(match status {
        422 => "it does not take the question",
        466 => "it does not know the country",
        469 => "it has nothing on this topic",
        491 => "it does not know the token",
        492 => "the account's e-mail address is not verified",
        493 => "the subscription is over",
        495 => "the units of the day are used up",
        _ => return None,
    })
}

/// The posts of a page, and where the next one begins.
fn read(body: &Value) -> Result<(Found, Option<u64>), Fault> {
    let data = &body["data"];
    let list = data.as_array().or_else(|| data["data"].as_array());
    if list.is_none() && !body["detail"].is_null() {
        let detail = wire::text(&body["detail"]).unwrap_or_else(|| "no reason given".to_owned());
        return Err(Fault::new(FaultKind::Refused, format!("refused: {}", foreign(&detail))));
    }
    let found = super::entries(list, "data", |item| {
        let post = if item["aweme_info"].is_object() { &item["aweme_info"] } else { item };
        let (id, author) = (wire::text(&post["aweme_id"]), wire::text(&post["author"]["unique_id"]));
        Some(Trend {
            name: wire::text(&post["desc"]).or_else(|| id.clone())?,
            url: super::link(author.as_deref(), id.as_deref()),
            views: wire::count(&post["statistics"]["play_count"]),
            id,
            author,
            ..Trend::default()
        })
    })?;
    Ok((found, wire::count(&data["nextCursor"])))
}

/// The hashtags of posts: how many posts have them, and the views of those.
fn hashtags(posts: &[Trend]) -> Vec<Trend> {
    let mut tags: BTreeMap<String, Trend> = BTreeMap::new();
    for post in posts {
        for tag in known::hashtags(&post.name) {
            let known = tags.len() < TRENDS_MAX || tags.contains_key(&tag.to_lowercase());
            if known {
                let entry = tags
                    .entry(tag.to_lowercase())
                    .or_insert_with(|| Trend { name: tag.to_owned(), ..Trend::default() });
                entry.posts = Some(entry.posts.unwrap_or(0) + 1);
                entry.views = Some(entry.views.unwrap_or(0).saturating_add(post.views.unwrap_or(0)));
            }
        }
    }
    let mut tags: Vec<_> = tags.into_values().collect();
    tags.sort_by_key(|tag| (Reverse(tag.posts), Reverse(tag.views)));
    tags
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn posts_are_read_from_both_forms() {
        let post = json!({"aweme_id": "7", "desc": "Hello #Rust", "statistics": {"play_count": "12"}, "author": {"unique_id": "ann"}});
        for body in [
            json!({"data": {"data": [{"aweme_info": post}], "nextCursor": 20}}),
            json!({"data": {"data": [post], "nextCursor": "20"}}),
            json!({"data": [{"aweme_info": post}]}),
            json!({"data": [post], "more": null}),
        ] {
            let posts = read(&body).expect("posts").0.trends;
            assert_eq!((posts.len(), posts[0].views), (1, Some(12)), "{body}");
            assert_eq!(posts[0].url.as_deref(), Some("https://www.tiktok.com/@ann/video/7"));
        }
        let refused = read(&json!({"detail": "Token \u{7}gone"})).expect_err("refused");
        assert_eq!((refused.kind, refused.message.as_str()), (FaultKind::Refused, "refused: Token gone"));
        for changed in [json!({}), json!({"data": {"posts": []}}), json!({"data": [{"text": 1}]}), json!(7)] {
            assert_eq!(read(&changed).expect_err("another form").kind, FaultKind::Unreadable, "{changed}");
        }
    }

    #[test]
    fn hashtags_are_counted_by_post() {
        let post = |name: &str, views| Trend { name: name.to_owned(), views, ..Trend::default() };
        let tags = hashtags(&[
            post("#a #b #A", Some(5)),
            post("#A", None),
            post("#b #b", Some(7)),
            post("none", Some(9)),
        ]);
        let told: Vec<_> = tags.iter().map(|t| (t.name.as_str(), t.posts, t.views)).collect();
        assert_eq!(told, [("b", Some(2), Some(12)), ("a", Some(2), Some(5))]);
    }
}
