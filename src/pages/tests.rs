//! Whole pages: whatever anybody wrote, they hold nothing but text of it; and each link leads somewhere.

use jiff::civil::date;
use serde_json::json;

use super::*;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::ContentDigest;
use crate::domain::media::{FileStamp, Image, ImageFormat, Probe};
use crate::domain::preview::{Card, Note, Run, Shape, marked};
use crate::domain::publication::{Reason, Remote};

const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>' \u{202e}evil\u{2066} \u{1b}[31m [a](javascript:alert(1)) javascript:alert(1) </pre><!-- &lt; \r\n::error::x";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn item(post: &str, action: Action, recorded: Option<State>, at: Option<Timestamp>, text: &str) -> Item {
    let (post, account): (PostId, AccountName) = (post.parse().expect("id"), "a".parse().expect("name"));
    let digest = ContentDigest::of(b"x");
    let change = Planned {
        post: post.clone(),
        account: account.clone(),
        platform: PlatformId::Bluesky,
        action,
        reason: text.to_owned(),
        message: text.to_owned(),
        digest,
        revision: 1,
        path: text.to_owned(),
        next_at: at,
        what: Some(text.to_owned()),
        text: Some(text.to_owned()),
        estimate: None,
    };
    let recorded = recorded.map(|state| Publication {
        post,
        account,
        platform: PlatformId::Bluesky,
        state,
        digest,
        revision: 1,
        attempts: 1,
        tries: 0,
        sends: 1,
        remote: Remote { id: Some(text.to_owned()), url: Some(text.to_owned()) },
        reason: Some(Reason::new(text, format!("because {text}"))),
        next_at: at,
        intended_at: at,
        updated_at: at.unwrap_or(Timestamp::UNIX_EPOCH),
        path: text.to_owned(),
        fixed: None,
        due_again: None,
        amendment: None,
    });
    let hindrance = (action == Action::Replace).then(|| text.to_owned());
    Item { change, recorded, at, hindrance }
}

fn entries(text: &str) -> Vec<Entry> {
    let account = "a";
    let payload = json!({
        "platform": "bluesky", "body": 1, "media": [], "what": text, "text": text, "counts": "posts",
        "estimate": { "requests": 1, "bytes": 2, "chunks": null },
    });
    let commit = json!({ "id": "0123456789abcdef0123456789abcdef01234567", "author": text, "subject": text, "manifest": "changed" });
    let events = [
        json!({ "event": "created", "lineage": text }),
        json!({ "event": "publication", "post": "p1", "account": account, "change": "started", "platform": "bluesky",
                "digest": ContentDigest::of(b""), "revision": 1, "path": text, "payload": payload, "commit": commit }),
        json!({ "event": "request", "account": account, "post": "p1", "operation": text, "sent_at": "2026-11-26T08:00:00Z",
                "millis": 1, "status": 500, "error": "transient", "code": text, "log_id": text }),
        json!({ "event": "publication", "post": "p1", "account": account, "change": "refused",
                "reason": { "code": text, "message": text } }),
        json!({ "event": "grant", "account": account, "change": "refused", "generation": 1, "reason": text }),
        json!({ "event": "paused", "scope": "post", "post": "p1", "why": text, "until": null }),
    ];
    let entry = |(seq, event)| Entry {
        seq,
        at: at("2026-11-26T08:00:00Z"),
        actor: text.to_owned(),
        event: serde_json::from_value(event).expect("an event"),
        hash: [0; 32],
    };
    (1..).zip(events).map(entry).collect()
}

/// A site of items, everything else of which says `text`.
fn site(mut items: Vec<Item>, text: &str) -> Site {
    items.sort_by(|a, b| a.change.post.cmp(&b.change.post));
    let account = |name: &str, login: Login| Account {
        name: name.parse().expect("name"),
        platform: PlatformId::Bluesky,
        handle: Some(text.to_owned()),
        mode: Some(Mode::Draft),
        login,
        caps: vec![("posts-per-day", 1, 15)],
        read_on: Some(date(2026, 11, 1)),
        pause: Some(text.to_owned()),
    };
    let diagnostic = Diagnostic::error("code", text, None, text).help(text);
    let good = Login::Good { until: None, ends_soon: false, renewal_at: Timestamp::UNIX_EPOCH };
    Site {
        now: at("2026-11-26T08:00:00Z"),
        zone: TimeZone::UTC,
        name: text.to_owned(),
        is_live: true,
        form_key: None,
        paused: Vec::new(),
        notes: vec![text.to_owned()],
        items,
        findings: vec![Finding { diagnostic, excerpt: text.to_owned() }],
        accounts: vec![account("a", Login::Needed(text.to_owned())), account("b", good)],
        log: entries(text),
    }
}

fn shown(shape: Shape, text: &str) -> Shown {
    let own = || text.to_owned();
    let card = Card { url: own(), title: own(), description: own(), has_picture: true };
    let link = Run::Link(own(), own());
    let image = Image { format: ImageFormat::Png, width: 1, height: 1, orientation: 1, animated: false };
    let file = Medium::File {
        path: own(),
        size: 1,
        digest: ContentDigest::of(b""),
        stamp: FileStamp::new(1, (0, 0), (0, 0), 0, 0),
        probe: Probe::Image(image),
        url: None,
    };
    Shown {
        account: "a".parse().expect("name"),
        preview: Preview {
            shape,
            warning: Some(own()),
            title: Some(own()),
            parts: vec![vec![Run::Plain(own()), Run::Name(own()), link], marked(text)],
            alts: vec![own(), String::new(), own()],
            card: (shape == Shape::Feed).then_some(card),
            poll: vec![own()],
            badges: vec![own()],
            notes: vec![Note { name: "Note", text: own() }],
        },
        media: vec![
            (file.clone(), Source::Here("media/x.png".to_owned())),
            (file, Source::Named),
            (Medium::Url { url: own() }, Source::Named),
        ],
    }
}

/// Every page, posts included.
fn all(site: &Site, shown: &[Shown]) -> Vec<(Page, String)> {
    let text = |page: &Page| match page {
        Page::Post(id) => site.render_post(id, shown, &site.log),
        page => site.render(page),
    };
    site.pages().into_iter().map(|page| (page.clone(), text(&page).expect("a page"))).collect()
}

#[test]
fn hostile_text_is_text_on_every_page() {
    let times = [None, Some(at("2026-11-30T10:00:00Z"))];
    let actions = [
        Action::Publish,
        Action::Replace,
        Action::Wait,
        Action::Refuse,
        Action::Hold,
        Action::Failed,
        Action::Diverged,
        Action::Continue,
        Action::Unchanged,
        Action::Orphaned,
        Action::Skip,
    ];
    let recorded = [None, Some(State::Published), Some(State::Held), Some(State::Failed)];
    let mut items = Vec::new();
    for action in actions {
        for state in recorded {
            for time in times {
                let post = format!("p{}", items.len());
                items.push(item(&post, action, state, time, HOSTILE));
            }
        }
    }
    let mut site = site(items, HOSTILE);
    for shape in [Shape::Feed, Shape::Portrait] {
        for is_live in [true, false] {
            site.is_live = is_live;
            for (page, text) in all(&site, &[shown(shape, HOSTILE)]) {
                let scripts = text.matches("<script").count();
                assert_eq!(scripts, usize::from(is_live), "{page:?}");
                for bad in
                    ["<img src=x", "=\"javascript:", "</pre><!--", "\u{202e}", "\u{2066}", "\u{1b}", "\r"]
                {
                    assert!(!text.contains(bad), "{page:?} holds {bad:?}");
                }
                let has_media = text.matches("<img").count() <= 2;
                assert!(has_media && !text.contains("<iframe") && !text.contains(" style="), "{page:?}");
            }
        }
    }
    let post = site.render_post(&"p1".parse().expect("id"), &[shown(Shape::Feed, HOSTILE)], &site.log);
    assert!(post.expect("a page").contains("&lt;script&gt;alert(1)"), "it is shown all the same");
}

#[test]
fn each_link_leads_to_a_page_and_each_page_is_named() {
    let times =
        ["2026-11-01T00:00:00Z", "2026-12-15T10:00:00Z", "2027-02-28T23:30:00Z", "2035-01-01T00:00:00Z"];
    let mut items: Vec<Item> = times
        .iter()
        .enumerate()
        .map(|(n, time)| item(&format!("post-{n}"), Action::Wait, None, Some(at(time)), "x"))
        .collect();
    // More than fits into a day.
    items.extend((0..9).map(|n| item(&format!("many-{n}"), Action::Wait, None, Some(at(times[1])), "x")));
    items.push(item("soon", Action::Publish, None, None, "x"));
    let mut site = site(items, "x");
    site.is_live = false;
    let pages = all(&site, &[]);
    let names: BTreeSet<String> = pages.iter().map(|(page, _)| page.name()).collect();
    assert_eq!(names.len(), pages.len());
    let mut led_to = BTreeSet::new();
    for (page, text) in &pages {
        assert_eq!(Page::named(&page.name()).as_ref(), Some(page));
        for link in text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let is_known = names.contains(link) || ["#main", STYLE.0, ICON.0].contains(&link);
            assert!(is_known, "{} leads to {link}", page.name());
            led_to.insert(link.to_owned());
        }
    }
    let alone: Vec<_> = names.difference(&led_to).collect();
    assert!(alone.is_empty(), "nothing leads to {alone:?}");
}

#[test]
fn names_of_no_page_are_none() {
    for name in [
        "",
        "x",
        "index",
        "post-.html",
        "post-a/b.html",
        "post-../x.html",
        "month-2026-13.html",
        "month-2026-1.html",
        "week-2026-W54.html",
        "week-2026-W1.html",
        "week-9999-W53.html",
        "board.html/",
        "Board.html",
        "month-.html",
    ] {
        assert_eq!(Page::named(name), None, "{name}");
    }
}

#[test]
fn what_happens_is_on_its_day_and_in_its_column() {
    let items = vec![
        item("live", Action::Unchanged, Some(State::Published), Some(at("2026-11-03T23:30:00Z")), "x"),
        item("later", Action::Wait, None, Some(at("2026-12-01T00:00:00Z")), "scheduled"),
        item("no", Action::Failed, Some(State::Failed), Some(at("2026-11-26T07:00:00Z")), "x"),
        item("now", Action::Publish, None, None, "new"),
        item("barred", Action::Replace, None, None, "log in"),
    ];
    let mut site = site(items, "x");
    let render = |site: &Site, page: &Page| site.render(page).expect("a page");
    let month = render(&site, &Page::Index);
    assert!(month.contains("post-live.html") && !month.contains("post-later.html"), "{month}");
    assert!(month.contains("As soon as it is applied"), "{month}");
    // In the zone of the project, it is the next day.
    site.zone = TimeZone::get("Europe/Berlin").expect("a zone");
    let week = render(&site, &Page::Week(date(2026, 11, 2)));
    let (tuesday, rest) = week.split_once("Wednesday").expect("a Wednesday");
    assert!(!tuesday.contains("post-live.html") && rest.contains("post-live.html"), "{week}");
    let board = render(&site, &Page::Board);
    let order: Vec<_> = [
        "Needs somebody",
        "post-barred",
        "post-no",
        "In the next run",
        "post-now",
        "Waiting",
        "post-later",
        "Published",
        "post-live",
    ]
    .map(|text| board.find(text).unwrap_or_else(|| panic!("{text}: {board}")))
    .to_vec();
    assert!(order.is_sorted(), "{order:?}");
}
