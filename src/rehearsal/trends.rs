//! Those who tell what is trending, below the name of each host: `/ads.tiktok.com/…`, `/ads.us.tiktok.com/…`,
//! `/business-api.tiktok.com/…`, `/ensembledata.com/…`. Stateless: the same question has the same answer.
//!
//! As clients have seen them (public sources of eight clients of the Creative Center, of TikTok's SDK for businesses and of
//! EnsembleData's SDK, read 2026-11-26): errors that come with HTTP 200, counts as strings, big numbers, three hashtags or
//! four videos for whoever is not logged in and nothing on a second page, a host of its own for the United States.

use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::files::percent_decode;
use super::http::{self, Reply};
use super::{Server, tiktok};

/// What the stand-ins take for a login.
pub const BUSINESS_TOKEN: &str = "rehearsal-business-token";
pub const ADVERTISER: &str = "7000000000000000001";
pub const ENSEMBLE_TOKEN: &str = "rehearsal-units-token";
/// A country of which nobody knows anything.
pub const NOWHERE: &str = "AQ";

const HOST: &str = "/ads.tiktok.com";
const HOST_US: &str = "/ads.us.tiktok.com";
const BUSINESS: &str = "/business-api.tiktok.com/open_api/v1.3/discovery/trending_list/";
const KEYWORD: &str = "/ensembledata.com/apis/tt/keyword/search";
const HASHTAGS: &str = "/CreativeOne/KnowledgeAPI/GetHashtagList";
const OVERVIEW: &str = "/CreativeOne/Report/GetTopContentsOverview";
const VIDEOS: &str = "/CreativeOne/Report/CreativeCenterGetTopContentsList";

/// Without a login.
const HASHTAGS_SHOWN: u64 = 3;
const VIDEOS_SHOWN: u64 = 4;
const BUSINESS_SHOWN: u64 = 12;
const POSTS_ON_A_PAGE: u64 = 20;
const POSTS_FOUND: u64 = 45;
const DAY_S: u64 = 86_400;
const MOST_VIEWS: u64 = 40_000_000;

/// The operation of a path below one of the hosts.
pub(super) fn operation(path: &str) -> Option<&'static str> {
    let creative_center = path.strip_prefix(HOST_US).or_else(|| path.strip_prefix(HOST));
    match (path, creative_center) {
        (BUSINESS, _) => Some("trends_business"),
        (KEYWORD, _) => Some("trends_keyword"),
        (_, Some(HASHTAGS)) => Some("trends_hashtags"),
        (_, Some(OVERVIEW)) => Some("trends_overview"),
        (_, Some(VIDEOS)) => Some("trends_videos"),
        _ => None,
    }
}

pub(super) async fn handle(server: &Server, operation: &str, parts: &Parts, body: &mut Incoming) -> Reply {
    let fields = Fields::of(parts.uri.query().unwrap_or_default());
    let is_us = parts.uri.path().starts_with(HOST_US);
    match (operation, &parts.method) {
        ("trends_hashtags", &Method::POST) => hashtags(parts, body, server.now()).await,
        ("trends_overview", &Method::GET) => {
            let day = last_day(server.now());
            ok(
                json!({ "lastDailyEndTimestamp": day.to_string(), "lastWeeklyEndTimestamp": day, "lastMonthlyEndTimestamp": day }),
            )
        }
        ("trends_videos", &Method::GET) => videos(&fields, is_us, server.now()),
        ("trends_business", &Method::GET) => business(parts, &fields, server.now()),
        ("trends_keyword", &Method::GET) => keyword(&fields),
        _ => tiktok::error_reply(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "another method is meant",
        ),
    }
}

/// The query of a request.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn of(query: &str) -> Fields {
        let decode = |part: &str| percent_decode(&part.replace('+', " ")).unwrap_or_default();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Fields(pairs.map(|(key, value)| (decode(key), decode(value))).collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

fn ok(mut document: Value) -> Reply {
    document["BaseResp"] = json!({ "StatusCode": 0, "StatusMessage": "success" });
    http::json(StatusCode::OK, &document)
}

/// A refusal of the Creative Center: it says 200.
fn refused(code: u64, message: &str) -> Reply {
    http::json(StatusCode::OK, &json!({ "BaseResp": { "StatusCode": code, "StatusMessage": message } }))
}

fn invalid_request(message: &str) -> Reply {
    http::json(StatusCode::OK, &json!({ "code": "InvalidRequest", "message": message }))
}

async fn hashtags(parts: &Parts, body: &mut Incoming, now: i64) -> Reply {
    let is_json =
        parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let bytes = http::collect(body).await.unwrap_or_default();
    let (true, Ok(asked)) = (is_json, serde_json::from_slice::<Value>(&bytes)) else {
        return invalid_request("a JSON body is meant");
    };
    if !matches!(asked["timeRange"].as_u64(), Some(7 | 30 | 120)) {
        return invalid_request("timeRange");
    }
    let Some(country) = asked["countryCode"].as_str().filter(|code| is_country(code)) else {
        return invalid_request("countryCode");
    };
    // One that is a string is passed over in silence.
    let industry = asked["industryID"].as_u64();
    if industry.is_some_and(|id| !(10..=30).any(|number| number * 1_000_000_000 == id)) {
        return invalid_request("industryID");
    }
    let page = asked["page"].as_u64().unwrap_or(1);
    let shown = if page > 1 || country == NOWHERE { 0 } else { HASHTAGS_SHOWN };
    let seed = seed(&format!("{country} {industry:?}"));
    let days = asked["timeRange"].as_u64().unwrap_or(7);
    let items: Vec<_> = (0..shown).map(|place| hashtag(seed, place, industry, days, now)).collect();
    ok(json!({
        "items": items,
        "pagination": { "page": page, "limit": asked["limit"], "totalCount": shown, "hasMore": false },
    }))
}

fn hashtag(seed: u64, place: u64, industry: Option<u64>, days: u64, now: i64) -> Value {
    let name = word(seed.wrapping_add(place));
    let views = MOST_VIEWS / (place + 1) + seed % 1_000_000;
    let end = last_day(now);
    let curve: Vec<_> = (0..days)
        .map(|day| json!({ "timestamp": end - (days - day) * DAY_S, "value": rise(seed, day, days) }))
        .collect();
    let own = 10 + seed.wrapping_add(place) % 21;
    json!({
        "hashtagID": 7_506_219_246_691_926_000_u64 + self::seed(name) % 997,
        "hashtagName": name,
        // Sometimes a string, sometimes not.
        "publishCnt": if place.is_multiple_of(2) { json!((views / 900).to_string()) } else { json!(views / 900) },
        "vv": if !place.is_multiple_of(2) { json!(views.to_string()) } else { json!(views) },
        "rankIndex": place + 1,
        "industryIDs": [industry.unwrap_or(own * 1_000_000_000)],
        "popularityCurve": curve,
        "topCreators": null,
    })
}

fn videos(fields: &Fields, is_us: bool, now: i64) -> Reply {
    let (country, day) = (fields.get("countryCode"), last_day(now));
    if !is_country(country) || !matches!(fields.get("periodDimension"), "3" | "5") {
        return refused(400, "invalid param");
    }
    if fields.get("periodEndTimestamp") != day.to_string() {
        return refused(400, "invalid period end");
    }
    let labels: Vec<&str> =
        fields.get("contentLabelIDs").split(',').filter(|label| !label.is_empty()).collect();
    if labels.iter().any(|label| !label.parse::<u64>().is_ok_and(|id| (11_001..=11_015).contains(&id))) {
        return refused(400, "invalid label");
    }
    // What lies on the other host is not known here.
    let is_here = (country == "US") == is_us && country != NOWHERE && fields.get("page") == "1";
    let shown = if is_here { VIDEOS_SHOWN } else { 0 };
    let seed = seed(&format!("{country} {labels:?} {}", fields.get("periodDimension")));
    let entities: Vec<_> = (0..shown).map(|place| video(seed, place, labels.first().copied(), day)).collect();
    ok(json!({ "entityInfos": entities, "pagination": { "page": 1, "totalCount": 100, "hasMore": true } }))
}

fn video(seed: u64, place: u64, label: Option<&str>, day: u64) -> Value {
    let number = seed.wrapping_add(place);
    let (word, views) = (word(number), MOST_VIEWS / (place + 2) + seed % 500_000);
    json!({
        "itemInfo": {
            "itemID": (7_506_219_246_691_900_000_u64 + number % 99_991).to_string(),
            "title": format!("What nobody tells you about {word} #{word} #fyp"),
            "createTime": day - 2 * DAY_S, "contentType": 1, "coverURL": "https://example.com/cover.jpg",
        },
        "itemAuthorInfo": { "handlerName": format!("{word}.daily"), "nickName": word },
        "itemMetrics": { "videoViews": views.to_string(), "organicVideoViews": views / (1 + place % 2) },
        "itemAuthorMetrics": { "followers": number % 1_000_000 },
        "contentTags": label.map(|label| json!([{ "contentLabelID": label, "contentLabelName": format!("Topic {label}") }])),
    })
}

fn business(parts: &Parts, fields: &Fields, now: i64) -> Reply {
    let said = |code: u64, message: &str, data: Value| {
        http::json(
            StatusCode::OK,
            &json!({ "code": code, "message": message, "request_id": "2026112600000000", "data": data }),
        )
    };
    if parts.headers.get("access-token").is_none_or(|token| token.as_bytes() != BUSINESS_TOKEN.as_bytes()) {
        return said(40_105, "Access token is incorrect or has been revoked.", json!({}));
    }
    if fields.get("advertiser_id") != ADVERTISER {
        return said(40_001, "No permission to operate advertiser.", json!({}));
    }
    let (country, range) = (fields.get("country_code"), fields.get("date_range"));
    if fields.get("discovery_type") != "HASHTAG" || !matches!(range, "7DAY" | "30DAY") || !is_country(country)
    {
        return said(40_002, "Invalid parameter.", json!({}));
    }
    let (seed, end) = (seed(&format!("business {country}")), last_day(now));
    let days = if range == "7DAY" { 7 } else { 30 };
    let shown = if country == NOWHERE { 0 } else { BUSINESS_SHOWN };
    let entry = |place: u64| {
        let views = MOST_VIEWS / (place + 1);
        let history: Vec<_> = (0..days)
            .rev()
            .map(|day| {
                json!({
                    "date": date(end - (days - day) * DAY_S), "rank_position_daily": (place + 1).to_string(),
                    "views_daily": rise(seed.wrapping_add(place), day, days) * 1_000,
                })
            })
            .collect();
        json!({
            "hashtag_id": (1_600_000_000_000_000 + place).to_string(), "hashtag_name": word(seed.wrapping_add(place * 3)),
            "rank_position": (place + 1).to_string(), "rank_change": "NEW", "views": views, "posts": views / 800,
            "views_global_lifetime": views * 9, "posts_global_lifetime": views, "top_country_list": [country],
            "trending_history": history,
        })
    };
    let list: Vec<_> = (0..shown).map(entry).collect();
    said(
        0,
        "OK",
        json!({ "filter_info": { "country_code": country, "date_range": range, "category_name": "ALL" }, "list": list }),
    )
}

fn keyword(fields: &Fields) -> Reply {
    let failed = |status: u16, detail: &str| {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        http::json(status, &json!({ "detail": detail }))
    };
    if fields.get("token") != ENSEMBLE_TOKEN {
        return failed(491, "Token not found");
    }
    let (name, cursor) = (fields.get("name"), fields.get("cursor").parse::<u64>());
    let (Ok(cursor), false, true) =
        (cursor, name.is_empty(), matches!(fields.get("period"), "0" | "1" | "7" | "30" | "90" | "180"))
    else {
        return failed(422, "validation error");
    };
    let country = fields.get("country").to_uppercase();
    if !is_country(&country) {
        return failed(466, "Invalid country");
    }
    let all = if country == NOWHERE { 0 } else { POSTS_FOUND };
    let seed = seed(name);
    let posts: Vec<_> =
        (cursor..all.min(cursor + POSTS_ON_A_PAGE)).map(|place| post(seed, place, name)).collect();
    let next = (cursor + POSTS_ON_A_PAGE < all).then_some(cursor + POSTS_ON_A_PAGE);
    let mut reply = http::json(StatusCode::OK, &json!({ "data": { "data": posts, "nextCursor": next } }));
    reply.headers_mut().insert("units_charged", 1.into());
    reply
}

fn post(seed: u64, place: u64, name: &str) -> Value {
    let (one, other) = (word(place), word(seed.wrapping_add(place / 2)));
    json!({ "type": 1, "aweme_info": {
        "aweme_id": (7_400_000_000_000_000_000_u64 + place).to_string(),
        "desc": format!("{one} and {other} #{name} #{one} #{other}"),
        "author": { "unique_id": format!("{one}.daily"), "nickname": one },
        "statistics": { "play_count": MOST_VIEWS / (place + 3), "digg_count": (90_000 - place).to_string() },
    } })
}

fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase())
}

const WORDS: [&str; 16] = [
    "slowmorning",
    "streetfood",
    "tinygarden",
    "puppylove",
    "homegym",
    "日本旅行",
    "matchday",
    "vintagefinds",
    "nightdrive",
    "budgettips",
    "skincare",
    "кухня",
    "retrogames",
    "bookclub",
    "latteart",
    "campinglife",
];

fn word(number: u64) -> &'static str {
    WORDS[usize::try_from(number % WORDS.len() as u64).unwrap_or(0)]
}

/// A number that depends on a text only (FNV-1a).
fn seed(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        >> 8
}

/// How popular something is on a day of its rise, up to 100.
fn rise(seed: u64, day: u64, days: u64) -> u64 {
    (100 * (day + 1) / days).saturating_sub((seed >> (day % 32)) % 9)
}

/// The beginning of this day, which is the end of the last one.
fn last_day(now: i64) -> u64 {
    u64::try_from(now).unwrap_or_default() / 1_000 / DAY_S * DAY_S
}

fn date(second: u64) -> String {
    let at = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    at.map_or_else(String::new, |at| at.strftime("%Y-%m-%d").to_string())
}
