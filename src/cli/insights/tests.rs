use std::collections::BTreeMap;

use super::*;
use crate::domain::ids::{ContentDigest, PlatformId};
use crate::domain::insight::Insight;
use crate::domain::publication::{Reason, Remote, State};

fn at(hours: i64) -> Timestamp {
    "2026-11-26T10:00:00Z".parse::<Timestamp>().expect("time") + SignedDuration::from_hours(hours)
}

fn post(id: &str, hours: i64, views: &[u64]) -> Post {
    let publication = Publication {
        post: id.parse().expect("id"),
        account: "brand".parse().expect("name"),
        platform: PlatformId::Tiktok,
        state: State::Published,
        digest: ContentDigest::of(b"x"),
        revision: 1,
        attempts: 1,
        tries: 0,
        sends: 1,
        remote: Remote { id: Some("7".into()), url: Some("https://www.tiktok.com/@brand/video/7".into()) },
        reason: None,
        next_at: None,
        intended_at: Some(at(hours)),
        updated_at: at(hours + 1),
        path: "content/a.yaml".into(),
        fixed: None,
        due_again: None,
        amendment: None,
    };
    let reading = |(n, views): (i64, &u64)| Reading {
        at: at(hours + 1 + n),
        insight: Insight { views: Some(*views), likes: Some(views / 10), comments: Some(2), shares: None },
    };
    Post { publication, readings: (0..).zip(views).map(reading).collect() }
}

fn plain() -> Palette {
    ui::color(crate::cli::Color::Never)
}

#[test]
fn the_latest_of_each_post_and_how_it_came_about() {
    let posts = [post("launch", 0, &[1_204, 2_900, 4_000]), post("teaser", -100, &[7])];
    insta::assert_snapshot!(latest(&posts, (at(5), &TimeZone::UTC), (plain(), 100)), @"
    post    views  likes  comments  shares  growth  account  live since  read
    launch     4K    400         2          ▁▃▆█    brand    2026-11-26  2 hours ago
    teaser      7      0         2          ▁█      brand    2026-11-22  4 days ago
    ");
    let mut gone = post("launch", 0, &[1_204, 2_900, 4_000]);
    gone.publication.reason = Some(Reason::new(crate::domain::drift::MISSING, "it is \u{1b}[31mgone"));
    insta::assert_snapshot!(history(&gone, &TimeZone::UTC, (plain(), 100)), @r#"
    launch → brand ▁▃▆█
      https://www.tiktok.com/@brand/video/7
      it is \u{1b}[31mgone
      read at               views  likes  comments  shares
      2026-11-26 11:00 UTC   1204    120         2
      2026-11-26 12:00 UTC   2900    290         2
      2026-11-26 13:00 UTC   4000    400         2
    "#);
}

#[test]
fn a_line_for_each_reading() {
    let mut odd = post("teaser", -100, &[7]);
    odd.publication.remote.id = Some("a\"b,c".into());
    insta::assert_snapshot!(csv(&[post("launch", 0, &[1_204, 2_900]), odd]), @r#"
    post,account,remote_id,live_since,at,views,likes,comments,shares
    launch,brand,"7",2026-11-26T10:00:00Z,2026-11-26T11:00:00Z,1204,120,2,
    launch,brand,"7",2026-11-26T10:00:00Z,2026-11-26T12:00:00Z,2900,290,2,
    teaser,brand,"a""b,c",2026-11-22T06:00:00Z,2026-11-22T07:00:00Z,7,0,2,
    "#);
}

#[test]
fn scripts_get_every_count_that_was_told() {
    let document = document(&post("launch", 0, &[5]));
    let latest: BTreeMap<String, Value> =
        serde_json::from_value(document["latest"].clone()).expect("an object");
    assert_eq!(latest["views"], 5);
    assert_eq!(latest["shares"], Value::Null, "not told is not 0");
    assert_eq!(document["readings"].as_array().map(Vec::len), Some(1));
}
