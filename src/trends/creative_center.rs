//! TikTok's Creative Center, as anybody sees it without a login.
//!
//! Source: public clients that ask it, eight for hashtags and five for videos, read 2026-11-26. TikTok documents none of it
//! and changes it at will; its older interface (`creative_radar_api`) answers nobody any more.
//!
//! - `POST ads.tiktok.com/CreativeOne/KnowledgeAPI/GetHashtagList`: `timeRange` 7 or 30, `industryID` as a number or left out.
//! - `GET …/CreativeOne/Report/GetTopContentsOverview`, then `…/Report/CreativeCenterGetTopContentsList` with the end of the last
//!   day from there; `periodDimension` 3 is a week, 5 a month. Data of the US are on `ads.us.tiktok.com`.
//! - Success is `BaseResp.StatusCode` 0, whatever the HTTP status says. Numbers may be strings.
//! - Without a login a question is answered by 3 hashtags or 4 videos, and there is no second page.
//! - Not signed, no cookie. The origin and the page are sent as clients do; we send our own name as the user agent.

use serde_json::{Value, json};

use super::client::{Call, Client};
use super::industry::{self, Industry};
use super::query::{Kind, Period, Query, Scope};
use super::{Fault, FaultKind, Found, Source, SourceId, TRENDS_MAX, Trend, wire};
use crate::platform::BoxFuture;
use crate::platform::error::foreign;

const HOST: &str = "ads.tiktok.com";
const HOST_US: &str = "ads.us.tiktok.com";
const HASHTAGS: &str = "/CreativeOne/KnowledgeAPI/GetHashtagList";
const OVERVIEW: &str = "/CreativeOne/Report/GetTopContentsOverview";
const VIDEOS: &str = "/CreativeOne/Report/CreativeCenterGetTopContentsList";
const HEADERS: &[(&str, &str)] = &[
    ("origin", "https://ads.tiktok.com"),
    ("referer", "https://ads.tiktok.com/creative/creativeCenter/trends/hashtag"),
];
/// Of one question; what comes without a login is less.
const PAGE: u32 = 20;
/// Comes instead of an answer where a login is asked for (`InvalidLogin`).
const INVALID_LOGIN: i64 = 38_001_001;

#[derive(Debug)]
pub struct CreativeCenter;

impl Source for CreativeCenter {
    fn id(&self) -> SourceId {
        SourceId::CreativeCenter
    }

    fn declines(&self, _: &Query) -> Option<&'static str> {
        None
    }

    fn ask<'a>(&'a self, query: &'a Query, client: &'a mut Client) -> BoxFuture<'a, Result<Found, Fault>> {
        Box::pin(ask(query, client))
    }
}

async fn ask(query: &Query, client: &mut Client) -> Result<Found, Fault> {
    let day = match query.kind {
        Kind::Hashtags => String::new(),
        Kind::Videos => last_day(&fetch(client, get(query, OVERVIEW, Vec::new())).await?)?,
    };
    let all = industry::of(query.kind);
    let (first, others): (_, &[Industry]) = match query.scope {
        Scope::Whole => (None, &[]),
        Scope::One(industry) => (Some(industry), &[]),
        Scope::Each => (None, all),
    };
    let mut found = list(query, client, &day, first).await?;
    for industry in others {
        match list(query, client, &day, Some(industry)).await {
            Ok(more) => add(&mut found, more),
            // Who refuses once is not asked again.
            Err(fault) => {
                found.incomplete = Some(fault);
                break;
            }
        }
    }
    match query.scope {
        Scope::Each => order(&mut found),
        Scope::Whole | Scope::One(_) => found.notes.push(few(query.kind)),
    }
    Ok(found)
}

/// What people should know of a list that is short.
fn few(kind: Kind) -> String {
    let (shown, questions) = (if kind == Kind::Hashtags { 3 } else { 4 }, industry::of(kind).len() + 1);
    let what = kind.as_str();
    format!(
        "without a login the Creative Center shows {shown} {what} a question; `--industry all` asks {questions} questions"
    )
}

async fn list(
    query: &Query,
    client: &mut Client,
    day: &str,
    industry: Option<&Industry>,
) -> Result<Found, Fault> {
    match query.kind {
        Kind::Hashtags => hashtags(&fetch(client, post(query, industry)).await?),
        Kind::Videos => {
            let dimension = if query.period == Period::Week { 3 } else { 5 };
            let label = industry.map_or_else(String::new, |topic| topic.id.to_string());
            let fields = vec![
                ("contentLabelIDs", label),
                ("countryCode", query.country.as_str().to_owned()),
                ("limit", PAGE.to_string()),
                ("orderByMetric", "1".to_owned()),
                ("organicOnly", "false".to_owned()),
                ("page", "1".to_owned()),
                ("periodDimension", dimension.to_string()),
                ("periodEndTimestamp", day.to_owned()),
            ];
            videos(&fetch(client, get(query, VIDEOS, fields)).await?)
        }
    }
}

fn post(query: &Query, industry: Option<&Industry>) -> Call<'static> {
    let mut body = json!({
        "timeRange": query.period.days(),
        "countryCode": query.country.as_str(),
        "page": 1,
        "limit": PAGE,
    });
    if let Some(industry) = industry {
        body["industryID"] = industry.id.into();
    }
    Call { host: HOST, path: HASHTAGS, query: Vec::new(), headers: HEADERS, body: Some(body), token: None }
}

fn get(query: &Query, path: &'static str, fields: Vec<(&'static str, String)>) -> Call<'static> {
    let host = if query.country.as_str() == "US" { HOST_US } else { HOST };
    Call { host, path, query: fields, headers: HEADERS, body: None, token: None }
}

async fn fetch(client: &mut Client, call: Call<'_>) -> Result<Value, Fault> {
    let reply = client.send(call, |_| None).await?;
    check(&reply.body)?;
    Ok(reply.body)
}

/// Success is said in the document; anything else is none.
fn check(body: &Value) -> Result<(), Fault> {
    let base = &body["BaseResp"];
    let said = |code: &Value, message: &Value| {
        let message = wire::text(message).map_or_else(String::new, |text| format!(": {}", foreign(&text)));
        let code = wire::text(code).map_or_else(|| "without a code".to_owned(), |code| foreign(&code));
        Err(Fault::new(FaultKind::Refused, format!("refused with code {code}{message}")))
    };
    match wire::real(&base["StatusCode"]) {
        Some(0.0) => Ok(()),
        Some(code) if code == INVALID_LOGIN as f64 => {
            Err(Fault::new(FaultKind::Refused, format!("asks for a login (code {INVALID_LOGIN})")))
        }
        Some(_) => said(&base["StatusCode"], &base["StatusMessage"]),
        None if !body["code"].is_null() => {
            let message = if body["message"].is_null() { &body["msg"] } else { &body["message"] };
            said(&body["code"], message)
        }
        None => Err(Fault::unreadable("answered without `BaseResp`: its form has changed")),
    }
}

/// The end of the last day that the lists of videos know, a second of the epoch.
fn last_day(overview: &Value) -> Result<String, Fault> {
    let second = wire::count(&overview["lastDailyEndTimestamp"]);
    second
        .map(|second| second.to_string())
        .ok_or_else(|| Fault::unreadable("answered without `lastDailyEndTimestamp`: its form has changed"))
}

fn hashtags(body: &Value) -> Result<Found, Fault> {
    super::entries(body["items"].as_array(), "items", |item| {
        let ids = wire::items(&item["industryIDs"]).iter().filter_map(wire::count);
        Some(Trend {
            rank: wire::rank(&item["rankIndex"]),
            name: wire::text(&item["hashtagName"])?.trim_start_matches('#').to_owned(),
            id: wire::text(&item["hashtagID"]),
            posts: wire::count(&item["publishCnt"]),
            views: wire::count(&item["vv"]),
            curve: wire::curve(&item["popularityCurve"], "timestamp", "value"),
            industries: ids.map(industry::name).take(INDUSTRIES_MAX).collect(),
            ..Trend::default()
        })
    })
}

fn videos(body: &Value) -> Result<Found, Fault> {
    super::entries(body["entityInfos"].as_array(), "entityInfos", |entity| {
        let (info, metrics) = (&entity["itemInfo"], &entity["itemMetrics"]);
        let metric =
            |name: &str, life: &str| wire::count(&metrics[name]).or_else(|| wire::count(&metrics[life]));
        let (id, author) =
            (wire::text(&info["itemID"]), wire::text(&entity["itemAuthorInfo"]["handlerName"]));
        let topics = wire::items(&entity["contentTags"]).iter();
        Some(Trend {
            name: wire::text(&info["title"]).or_else(|| id.clone())?,
            url: super::link(author.as_deref(), id.as_deref()),
            views: metric("videoViews", "videoViewsLifeTime"),
            organic_views: metric("organicVideoViews", "organicVideoViewsLifeTime"),
            industries: topics
                .filter_map(|topic| wire::text(&topic["contentLabelName"]))
                .take(INDUSTRIES_MAX)
                .collect(),
            id,
            author,
            ..Trend::default()
        })
    })
}

/// More of them are not shown with one entry.
const INDUSTRIES_MAX: usize = 5;

/// Adds what is not there yet; of what is, the industries only.
fn add(found: &mut Found, more: Found) {
    for trend in more.trends {
        let same = |other: &Trend| match (&other.id, &trend.id) {
            (Some(one), Some(other)) => one == other,
            _ => other.name.to_lowercase() == trend.name.to_lowercase(),
        };
        match found.trends.iter().position(same) {
            Some(at) => {
                let other = &mut found.trends[at];
                let new = trend.industries.into_iter().filter(|name| !other.industries.contains(name));
                let new: Vec<_> = new.take(INDUSTRIES_MAX.saturating_sub(other.industries.len())).collect();
                other.industries.extend(new);
            }
            None if found.trends.len() < TRENDS_MAX => found.trends.push(trend),
            None => {}
        }
    }
    for note in more.notes {
        if !found.notes.contains(&note) {
            found.notes.push(note);
        }
    }
}

/// Ranks of several lists say nothing of one another: views do.
fn order(found: &mut Found) {
    found.trends.sort_by_key(|trend| std::cmp::Reverse(trend.views));
    for (at, trend) in found.trends.iter_mut().enumerate() {
        trend.rank = at + 1;
    }
    found.notes.push("put together from the lists of all industries, in the order of views".to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_is_what_the_document_says() {
        check(&json!({"BaseResp": {"StatusCode": 0}})).expect("a success");
        check(&json!({"BaseResp": {"StatusCode": "0"}, "code": 1})).expect("a success");
        for (body, kind, said) in [
            (json!({"code": 40101, "msg": "no permission"}), FaultKind::Refused, "40101"),
            (
                json!({"code": "InvalidRequest", "message": "industry"}),
                FaultKind::Refused,
                "InvalidRequest: industry",
            ),
            (json!({"BaseResp": {"StatusCode": 38001001}}), FaultKind::Refused, "asks for a login"),
            (
                json!({"BaseResp": {"StatusCode": "5", "StatusMessage": "a\u{1b}[31m\nb"}}),
                FaultKind::Refused,
                "code 5: a[31m b",
            ),
            (json!({"BaseResp": {}, "items": []}), FaultKind::Unreadable, "BaseResp"),
            (json!({"items": []}), FaultKind::Unreadable, "BaseResp"),
            (json!([1]), FaultKind::Unreadable, "BaseResp"),
            (json!(null), FaultKind::Unreadable, "BaseResp"),
        ] {
            let fault = check(&body).expect_err("no success");
            assert!(fault.kind == kind && fault.message.contains(said), "{body}: {fault:?}");
        }
    }

    #[test]
    fn a_list_is_read_as_far_as_it_can_be() {
        let found = hashtags(&json!({"items": [
            {"hashtagName": "#one", "hashtagID": 7506219246691926062_u64, "publishCnt": "12", "vv": 3.5, "rankIndex": "2",
             "industryIDs": ["14000000000", 99000000000_u64, "x"], "unheard": {"of": 1},
             "popularityCurve": [{"timestamp": 2, "value": "50"}, {"timestamp": 1, "value": 10}]},
            {"hashtagName": "two", "popularityCurve": "none"},
            {"name": "renamed"},
        ]}))
        .expect("a list");
        let one = &found.trends[0];
        assert_eq!((one.name.as_str(), one.rank, one.posts, one.views), ("one", 2, Some(12), Some(3)));
        assert_eq!(one.id.as_deref(), Some("7506219246691926062"));
        assert_eq!(
            (&one.curve[..], &one.industries[..]),
            (&[10.0, 50.0][..], &["beauty".to_owned(), "99000000000".into()][..])
        );
        assert_eq!((found.trends[1].rank, found.trends[1].views), (2, None));
        assert!(found.notes[0].contains("1 of 3"), "{:?}", found.notes);
        assert_eq!(hashtags(&json!({"items": []})).expect("nothing").trends, []);
        for changed in [
            json!({}),
            json!({"items": {"a": 1}}),
            json!({"items": [{"name": "renamed"}, 7]}),
            json!({"items": null}),
        ] {
            assert_eq!(
                hashtags(&changed).expect_err("another form").kind,
                FaultKind::Unreadable,
                "{changed}"
            );
        }
    }

    #[test]
    fn a_link_is_made_of_plain_parts_only() {
        let entity = |handle: &str, id: Value| {
            json!({"entityInfos": [{
                "itemInfo": {"itemID": id, "title": "A title"}, "itemAuthorInfo": {"handlerName": handle},
                "itemMetrics": {"videoViewsLifeTime": "900", "organicVideoViews": 100},
                "contentTags": [{"contentLabelName": "Food"}, {"contentLabelName": null}],
            }]})
        };
        let url =
            |handle: &str, id: Value| videos(&entity(handle, id)).expect("a list").trends[0].url.clone();
        let expected = "https://www.tiktok.com/@some.one_1/video/7506219246691926062";
        assert_eq!(url("some.one_1", json!("7506219246691926062")).as_deref(), Some(expected));
        assert_eq!(url("some.one_1", json!(7506219246691926062_u64)).as_deref(), Some(expected));
        for (handle, id) in [
            ("a/../b", json!(1)),
            ("a?b", json!(1)),
            ("", json!(1)),
            ("a", json!("1/2")),
            ("a", json!(null)),
            ("é", json!(1)),
        ] {
            assert_eq!(url(handle, id), None, "{handle}");
        }
        let found = videos(&entity("a", json!(1))).expect("a list");
        let trend = &found.trends[0];
        assert_eq!(
            (trend.views, trend.organic_views, &trend.industries[..]),
            (Some(900), Some(100), &["Food".to_owned()][..])
        );
    }

    #[test]
    fn lists_are_put_together_once_each() {
        let list = |names: &[(&str, u64, &str)]| {
            let trends = names.iter().map(|(name, views, industry)| Trend {
                name: (*name).to_owned(),
                views: Some(*views),
                industries: vec![(*industry).to_owned()],
                ..Trend::default()
            });
            Found { trends: trends.collect(), ..Found::default() }
        };
        let mut found = list(&[("a", 5, "pets"), ("b", 9, "food")]);
        add(&mut found, list(&[("A", 5, "games"), ("c", 7, "games"), ("b", 9, "food")]));
        order(&mut found);
        let told: Vec<_> = found
            .trends
            .iter()
            .map(|t| format!("{} {} {}", t.rank, t.name, t.industries.join("+")))
            .collect();
        assert_eq!(told, ["1 b food", "2 c games", "3 a pets+games"]);
    }
}
