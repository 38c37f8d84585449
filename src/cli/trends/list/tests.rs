use unicode_width::UnicodeWidthStr;

use super::*;
use crate::trends::query::{Country, Period, Scope};

fn query(kind: Kind) -> Query {
    Query {
        kind,
        country: Country::read("DE").expect("a country"),
        period: Period::Month,
        scope: Scope::Each,
        keyword: None,
    }
}

fn list<'a>(query: &'a Query, trends: &'a [Trend]) -> List<'a> {
    List {
        query,
        source: SourceId::CreativeCenter,
        asked_at: Timestamp::UNIX_EPOCH,
        age: Some(SignedDuration::from_mins(12)),
        trends,
    }
}

fn hashtag(rank: usize, name: &str) -> Trend {
    Trend {
        rank,
        name: name.to_owned(),
        posts: Some(12_345),
        views: Some(98_100_000),
        curve: vec![10.0, 20.0, 35.0, 60.0, 80.0, 95.0, 100.0],
        industries: vec!["food".to_owned(), "travel".to_owned()],
        ..Trend::default()
    }
}

fn plain() -> Palette {
    super::super::ui::color(crate::cli::Color::Never)
}

#[test]
fn the_table_is_as_wide_as_it_may_be() {
    let (query, trends) =
        (query(Kind::Hashtags), [hashtag(1, "streetfood"), hashtag(2, "日本旅行日本旅行日本旅行日本旅行")]);
    insta::assert_snapshot!(terminal(&list(&query, &trends), plain(), 100), @"
    Trending hashtags in DE, last 30 days, all industries
    TikTok Creative Center, asked 12 minutes ago

    #  hashtag                            posts  views  growth   industries
    1  #streetfood                        12.3K  98.1M  ▁▂▃▅▆██  food, travel
    2  #日本旅行日本旅行日本旅行日本旅行  12.3K  98.1M  ▁▂▃▅▆██  food, travel
    ");
    insta::assert_snapshot!(terminal(&list(&query, &trends), plain(), 44), @"
    Trending hashtags in DE, last 30 days, all industries
    TikTok Creative Center, asked 12 minutes ago

    #  hashtag             posts  views  growth
    1  #streetfood         12.3K  98.1M  ▁▂▃▅▆██
    2  #日本旅行日本旅行…  12.3K  98.1M  ▁▂▃▅▆██
    ");
    for width in [0, 1, 10, 20, 30, 40, 50, 60, 70, 80, 200] {
        let text = terminal(&list(&query, &trends), plain(), width);
        let widest = text.lines().skip(3).map(UnicodeWidthStr::width).max().expect("rows");
        // A place and the least of a name are the narrowest.
        assert!(widest <= width.max(1 + 2 + 12), "{width}:\n{text}");
    }
}

#[test]
fn what_others_wrote_does_no_harm() {
    let bad = "x\u{1b}[2J\r\n::set-output name=a::b\u{202e}| `@team` <img src=x> ##[error]";
    for kind in [Kind::Hashtags, Kind::Videos] {
        let query = Query { keyword: Some("a`|b".to_owned()), ..query(kind) };
        let mut trend = hashtag(1, bad);
        trend.author = Some(bad.to_owned());
        trend.industries = vec![bad.to_owned()];
        let trends = [trend];
        let shown = terminal(&list(&query, &trends), plain(), 1_000);
        assert!(!shown.contains(['\u{1b}', '\r', '\u{202e}']) && !shown.contains("##["), "{shown}");
        assert!(shown.lines().all(|line| !line.trim_start().starts_with("::")), "{shown}");
        let page = markdown(&list(&query, &trends));
        assert!(!page.contains(['\u{1b}', '\r', '\u{202e}']), "{page}");
        let row = page.lines().last().expect("a row");
        // Outside of code there is nothing of theirs.
        let bars = row.replace("\\|", "");
        assert_eq!(bars.matches('|').count(), if kind == Kind::Hashtags { 7 } else { 6 }, "{row}");
        let outside: String = bars.split("``").step_by(2).collect();
        assert!(!outside.contains(['@', '<', 'x']), "{row}");
    }
}

#[test]
fn a_list_of_nothing_says_so() {
    let query = query(Kind::Videos);
    for text in [terminal(&list(&query, &[]), plain(), 80), markdown(&list(&query, &[]))] {
        assert!(text.contains("Nothing is trending"), "{text}");
    }
}

#[test]
fn a_video_has_its_link_below() {
    let query = Query { scope: Scope::Whole, keyword: Some("soup".to_owned()), ..query(Kind::Videos) };
    let trends = [Trend {
        rank: 1,
        name: "Soup at home".to_owned(),
        author: Some("ann".to_owned()),
        url: Some("https://www.tiktok.com/@ann/video/7".to_owned()),
        views: Some(2_000),
        organic_views: Some(1_999),
        ..Trend::default()
    }];
    insta::assert_snapshot!(terminal(&list(&query, &trends), plain(), 100), @"
    Trending videos about “soup” in DE, last 30 days
    TikTok Creative Center, asked 12 minutes ago

    #  video         by    views  organic
    1  Soup at home  @ann     2K      99%
       https://www.tiktok.com/@ann/video/7
    ");
    insta::assert_snapshot!(markdown(&list(&query, &trends)), @r"
    ### `Trending videos about “soup” in DE, last 30 days`

    TikTok Creative Center, asked at 1970-01-01 00:00 UTC

    | \# | video | by | views | organic |
    | ---: | --- | --- | ---: | ---: |
    | 1 | `Soup at home` | `@ann` | 2K | 99% |
    ");
}
