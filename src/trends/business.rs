//! TikTok's API for Business: the documented way, for those who have an advertiser account and an app there.
//!
//! Source: TikTok's own SDK (tiktok/tiktok-business-api-sdk, `CreativeManagementApi`, its state of 2026-02-27, read 2026-11-26),
//! which tells the request: `GET business-api.tiktok.com/open_api/v1.3/discovery/trending_list/`, header `Access-Token`,
//! `advertiser_id`, `discovery_type` HASHTAG, and if wanted `country_code`, `category_name`, `date_range`. Its reply is that of
//! two public clients, read on the same day: `code` 0 is success, `data.list` are the entries, `rank_position` is a string,
//! `trending_history` has a point for each day. There are no pages.
//!
//! The names of its categories are not known to us, so that it is asked for the overall list only.

use serde_json::Value;

use super::client::{Call, Client, Token};
use super::query::{Kind, Period, Query, Scope};
use super::{Fault, FaultKind, Found, Source, SourceId, Trend, wire};
use crate::platform::BoxFuture;
use crate::platform::error::foreign;
use crate::secret::Secret;

/// Where its credentials come from.
pub const TOKEN_VARIABLE: &str = "TIKTOK_BUSINESS_ACCESS_TOKEN";
pub const ADVERTISER_VARIABLE: &str = "TIKTOK_BUSINESS_ADVERTISER_ID";

const HOST: &str = "business-api.tiktok.com";
const PATH: &str = "/open_api/v1.3/discovery/trending_list/";

/// Too many requests in a second, a minute or a day (as one public client names it, read 2026-11-26).
const TOO_MANY: u64 = 40_100;

#[derive(Debug)]
pub struct Business {
    token: Secret,
    advertiser: String,
}

impl Business {
    pub fn new(token: Secret, advertiser: impl Into<String>) -> Business {
        Business { token, advertiser: advertiser.into() }
    }
}

impl Source for Business {
    fn id(&self) -> SourceId {
        SourceId::Business
    }

    fn declines(&self, query: &Query) -> Option<&'static str> {
        match (query.kind, query.scope) {
            (Kind::Videos, _) => Some("it lists hashtags only"),
            (_, Scope::One(_) | Scope::Each) => Some("its names of industries are not known"),
            (Kind::Hashtags, Scope::Whole) => None,
        }
    }

    fn ask<'a>(&'a self, query: &'a Query, client: &'a mut Client) -> BoxFuture<'a, Result<Found, Fault>> {
        Box::pin(async move {
            let range = if query.period == Period::Week { "7DAY" } else { "30DAY" };
            let fields = vec![
                ("advertiser_id", self.advertiser.clone()),
                ("discovery_type", "HASHTAG".to_owned()),
                ("country_code", query.country.as_str().to_owned()),
                ("date_range", range.to_owned()),
            ];
            let token = Some(Token::Header("access-token", &self.token));
            let call = Call { host: HOST, path: PATH, query: fields, headers: &[], body: None, token };
            read(&client.send(call, |_| None).await?.body)
        })
    }
}

fn read(body: &Value) -> Result<Found, Fault> {
    let code = &body["code"];
    if code.is_null() {
        return Err(Fault::unreadable("answered without `code`: its form has changed"));
    }
    if wire::count(code) == Some(TOO_MANY) {
        return Err(Fault::new(
            FaultKind::Temporary,
            format!("takes no more requests at present (code {TOO_MANY})"),
        ));
    }
    if wire::real(code) != Some(0.0) {
        let code = wire::text(code).map_or_else(|| "of no form".to_owned(), |code| foreign(&code));
        let message =
            wire::text(&body["message"]).map_or_else(String::new, |text| format!(": {}", foreign(&text)));
        return Err(Fault::new(FaultKind::Refused, format!("refused with code {code}{message}")));
    }
    super::entries(body["data"]["list"].as_array(), "data.list", |entry| {
        Some(Trend {
            rank: wire::rank(&entry["rank_position"]),
            name: wire::text(&entry["hashtag_name"])?.trim_start_matches('#').to_owned(),
            id: wire::text(&entry["hashtag_id"]),
            posts: wire::count(&entry["posts"]),
            views: wire::count(&entry["views"]),
            curve: wire::curve(&entry["trending_history"], "date", "views_daily"),
            ..Trend::default()
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reply_is_read_by_its_code() {
        let found = read(&json!({"code": "0", "data": {"filter_info": {}, "list": [
            {"hashtag_name": "two", "rank_position": 2},
            {"hashtag_id": "7", "hashtag_name": "one", "rank_position": "1", "rank_change": "NEW", "views": "1200", "posts": 3,
             "trending_history": [{"date": "2026-11-02", "views_daily": 9}, {"date": "2026-11-01", "views_daily": "4"}]},
        ]}}))
        .expect("a list");
        let one = &found.trends[0];
        assert_eq!(
            (one.rank, one.views, one.posts, &one.curve[..]),
            (1, Some(1200), Some(3), &[4.0, 9.0][..])
        );
        for (body, kind, said) in [
            (
                json!({"code": 40105, "message": "Access token is incorrect", "data": {}}),
                FaultKind::Refused,
                "40105: Access",
            ),
            (json!({"code": "40100", "message": "Too many requests"}), FaultKind::Temporary, "40100"),
            (json!({"code": {}, "data": {}}), FaultKind::Refused, "of no form"),
            (json!({"data": {"list": []}}), FaultKind::Unreadable, "`code`"),
            (json!({"code": 0, "data": null}), FaultKind::Unreadable, "data.list"),
            (json!({"code": 0, "data": {"list": [{"tag": "renamed"}]}}), FaultKind::Unreadable, "data.list"),
            (json!("text"), FaultKind::Unreadable, "`code`"),
        ] {
            let fault = read(&body).expect_err("no list");
            assert!(fault.kind == kind && fault.message.contains(said), "{body}: {fault:?}");
        }
    }
}
