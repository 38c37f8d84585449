//! Each source against the stand-in over real HTTP, in all the ways in which an answer comes or does not.

use std::time::Duration;

use jiff::SignedDuration;

use super::business::Business;
use super::creative_center::CreativeCenter;
use super::ensemble::Ensemble;
use super::query::{Country, Kind, Period, Scope};
use super::*;
use crate::rehearsal::trends::{ADVERTISER, BUSINESS_TOKEN, ENSEMBLE_TOKEN, NOWHERE};
use crate::rehearsal::{Action, Fault as Trouble, Options, Rehearsal};
use crate::secret::Secret;

/// Long enough for an answer on a busy machine, where one is to come.
const PATIENT: Duration = Duration::from_secs(30);
/// How long nobody waits for the one that does not.
const HASTY: Duration = Duration::from_millis(50);
const LATE_MS: u64 = 600_000;

fn query(kind: Kind) -> Query {
    let country = Country::read("US").expect("a country");
    Query { kind, country, period: Period::Week, scope: Scope::Whole, keyword: Some("rust".into()) }
}

fn source(id: SourceId) -> Box<dyn Source> {
    match id {
        SourceId::CreativeCenter => Box::new(CreativeCenter),
        SourceId::Business => Box::new(Business::new(Secret::new(BUSINESS_TOKEN), ADVERTISER)),
        SourceId::EnsembleData => Box::new(Ensemble::new(Secret::new(ENSEMBLE_TOKEN))),
    }
}

/// Every question that something answers, with the operation that its list comes by.
const QUESTIONS: [(SourceId, Kind, &str); 6] = [
    (SourceId::CreativeCenter, Kind::Hashtags, "trends_hashtags"),
    (SourceId::CreativeCenter, Kind::Videos, "trends_overview"),
    (SourceId::CreativeCenter, Kind::Videos, "trends_videos"),
    (SourceId::Business, Kind::Hashtags, "trends_business"),
    (SourceId::EnsembleData, Kind::Hashtags, "trends_keyword"),
    (SourceId::EnsembleData, Kind::Videos, "trends_keyword"),
];

async fn start() -> Rehearsal {
    Rehearsal::start(Options::default()).await.expect("the stand-in starts")
}

fn client(server: &Rehearsal, timeout: Duration) -> Client {
    Client::new(Some(server.base_url()), timeout).expect("a client")
}

fn answer(status: u16, body: impl Into<String>) -> Action {
    Action::Status { code: status, body: Some(body.into()) }
}

/// What comes of a question: at most so many entries; or what went wrong, and what is said of it.
type Expected = Result<usize, (FaultKind, &'static str)>;

fn troubles() -> Vec<(&'static str, Trouble, Expected)> {
    use FaultKind::{Refused, Temporary, Unreadable};
    let next = |action| Trouble::next("*", action);
    let page = Trouble {
        headers: [("content-type".to_owned(), "text/html".to_owned())].into(),
        ..next(Action::Pass)
    };
    let moved = Trouble {
        headers: [("location".to_owned(), "/elsewhere".to_owned())].into(),
        ..next(answer(302, "{}"))
    };
    let huge = format!("{{\"a\": \"{}\"}}", "x".repeat(2 << 20));
    vec![
        ("good", next(Action::Pass), Ok(TRENDS_MAX)),
        ("more fields", next(Action::UnknownFields), Ok(TRENDS_MAX)),
        (
            "another form",
            next(answer(200, r#"{"BaseResp":{"StatusCode":0},"code":0,"data":{"rows":[]},"rows":[]}"#)),
            Err((Unreadable, "form")),
        ),
        ("another document", next(answer(200, "[1, 2]")), Err((Unreadable, "form"))),
        ("nothing", next(answer(200, "")), Err((Unreadable, "as JSON"))),
        ("garbage", next(answer(200, "{\"items\":<html>")), Err((Unreadable, "as JSON"))),
        ("garbage as text", next(Action::GarbageBody), Err((Unreadable, "text/plain"))),
        ("deep", next(answer(200, "[".repeat(100_000))), Err((Unreadable, "as JSON"))),
        ("huge", next(answer(200, huge)), Err((Unreadable, "more than 1048576 bytes"))),
        ("no JSON", page, Err((Unreadable, "text/html"))),
        ("moved", moved, Err((Refused, "HTTP 302: a redirect"))),
        ("too many", next(answer(429, "{}")), Err((Temporary, "HTTP 429: too many"))),
        ("broken", next(answer(500, "{}")), Err((Temporary, "HTTP 500"))),
        ("forbidden", next(answer(403, "<html>")), Err((Refused, "HTTP 403: it lets nobody"))),
        ("cut", next(Action::CutBeforeRead), Err((Temporary, "could not be asked"))),
        (
            "refused with 200",
            next(answer(200, r#"{"code":40101,"msg":"no permission","detail":"no"}"#)),
            Err((Refused, "refused")),
        ),
        (
            "login",
            next(answer(200, r#"{"BaseResp":{"StatusCode":38001001},"code":38001001,"detail":"no"}"#)),
            Err((Refused, "")),
        ),
    ]
}

#[tokio::test]
async fn each_source_answers_or_says_why_not() {
    let server = start().await;
    for (id, kind, operation) in QUESTIONS {
        for (name, trouble, expected) in troubles() {
            let nth = server.requests().len();
            server.faults().clear();
            assert!(server.faults().add(Trouble { operation: operation.to_owned(), ..trouble }));
            let mut client = client(&server, PATIENT);
            let result = source(id).ask(&query(kind), &mut client).await;
            let (what, asked) = (format!("{id:?} {kind:?} {name}"), server.requests().len() - nth);
            assert!(asked <= 3, "{what}: {asked} requests");
            match (result, expected) {
                (Ok(found), Ok(most)) => {
                    let count = found.trends.len();
                    assert!((3..=most).contains(&count), "{what}: {found:?}");
                    assert!(
                        found.trends.iter().enumerate().all(|(at, t)| t.rank == at + 1 && t.views.is_some()),
                        "{what}"
                    );
                }
                (Err(fault), Err((kind, said))) => {
                    assert!(fault.kind == kind && fault.message.contains(said), "{what}: {fault:?}");
                }
                (result, _) => panic!("{what}: {result:?}"),
            }
        }
        let mut nowhere = query(kind);
        nowhere.country = Country::read(NOWHERE).expect("a country");
        server.faults().clear();
        let found = source(id).ask(&nowhere, &mut client(&server, PATIENT)).await.expect("an answer");
        assert_eq!(found.trends, [], "{id:?} {kind:?} of nowhere");
    }
}

/// What a source is answered, as the stand-in has it.
async fn document(server: &Rehearsal, operation: &str) -> Value {
    let seen = server.requests();
    let now = seen.iter().rev().find(|request| request.operation == operation).expect("a request").at / 1_000;
    let day = now / 86_400 * 86_400;
    let center = "/ads.us.tiktok.com/CreativeOne/Report";
    let (path, body) = match operation {
        "trends_hashtags" => (
            "/ads.tiktok.com/CreativeOne/KnowledgeAPI/GetHashtagList".to_owned(),
            Some(r#"{"timeRange":7,"countryCode":"US","page":1,"limit":20}"#),
        ),
        "trends_overview" => (format!("{center}/GetTopContentsOverview"), None),
        "trends_videos" => {
            let fields = format!(
                "countryCode=US&page=1&periodDimension=3&contentLabelIDs=11002&periodEndTimestamp={day}"
            );
            (format!("{center}/CreativeCenterGetTopContentsList?{fields}"), None)
        }
        "trends_business" => {
            let fields =
                format!("advertiser_id={ADVERTISER}&country_code=US&discovery_type=HASHTAG&date_range=7DAY");
            (format!("/business-api.tiktok.com/open_api/v1.3/discovery/trending_list/?{fields}"), None)
        }
        _ => {
            let fields = format!("name=rust&cursor=40&period=7&country=us&token={ENSEMBLE_TOKEN}");
            (format!("/ensembledata.com/apis/tt/keyword/search?{fields}"), None)
        }
    };
    let url = reqwest::Url::parse(&format!("{}{path}", server.base_url())).expect("an address");
    let http = crate::platform::http::client_to(&url).expect("a client");
    let request = match body {
        Some(body) => http.post(url).header("content-type", "application/json").body(body),
        None => http.get(url).header("access-token", BUSINESS_TOKEN),
    };
    let bytes = request.send().await.expect("an answer").bytes().await.expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// Every document that differs from `value` in one place, where `odd` stands. Of a list the first item is changed.
fn spoilt(value: &Value, odd: &Value) -> Vec<Value> {
    let mut all = vec![odd.clone()];
    let mut put = |inner: &Value, set: &dyn Fn(&mut Value, Value)| {
        all.extend(spoilt(inner, odd).into_iter().map(|inner| {
            let mut whole = value.clone();
            set(&mut whole, inner);
            whole
        }));
    };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, inner)| put(inner, &|whole, new| whole[name] = new))
        }
        Value::Array(items) => {
            items.iter().take(1).for_each(|inner| put(inner, &|whole, new| whole[0] = new))
        }
        _ => {}
    }
    all
}

#[tokio::test]
async fn no_value_of_whatever_kind_breaks_anything() {
    let server = start().await;
    let odd =
        ["null", r#""""#, r#""\u0007x""#, "-1", "1e300", "1.5", "true", "[]", "[null,[]]", r#"{"a":1}"#];
    for (id, kind, operation) in &QUESTIONS[..5] {
        source(*id).ask(&query(*kind), &mut client(&server, PATIENT)).await.expect("a good answer");
        let good = document(&server, operation).await;
        let mut readable = 0;
        for document in odd.iter().flat_map(|odd| spoilt(&good, &serde_json::from_str(odd).expect("JSON"))) {
            server.faults().clear();
            server.faults().add(Trouble::next(operation, answer(200, document.to_string())));
            let Ok(found) = source(*id).ask(&query(*kind), &mut client(&server, PATIENT)).await else {
                continue;
            };
            readable += 1;
            for trend in found.trends {
                let is_sound = (1..=10_000).contains(&trend.rank) && !trend.name.is_empty();
                let has_a_curve = trend.curve.iter().all(|point| point.is_finite());
                let link = trend.url.unwrap_or_else(|| "https://www.tiktok.com/@".to_owned());
                assert!(
                    is_sound && has_a_curve && link.starts_with("https://www.tiktok.com/@"),
                    "{document}"
                );
            }
        }
        assert!(readable > 5, "{operation}: what is spoilt in one place is mostly read");
    }
}

#[tokio::test]
async fn nobody_waits_for_one_that_does_not_answer() {
    let server = start().await;
    for (id, kind, operation) in QUESTIONS {
        server.faults().clear();
        server.faults().add(Trouble { times: 9, ..Trouble::next("*", Action::Delay { ms: LATE_MS }) });
        let fault = source(id).ask(&query(kind), &mut client(&server, HASTY)).await.expect_err(operation);
        assert_eq!(fault, Fault::new(FaultKind::Temporary, "has not answered in time"), "{id:?}");
    }
}

#[tokio::test]
async fn the_next_one_is_asked_and_an_answer_is_used_again() {
    let server = start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::new(folder.path().join("trends"), None);
    let all = [SourceId::EnsembleData, SourceId::Business, SourceId::CreativeCenter].map(source);
    let mut query = query(Kind::Hashtags);
    query.keyword = None;
    let time = std::sync::Arc::new(std::sync::Mutex::new(Timestamp::UNIX_EPOCH));
    let clock = {
        let time = std::sync::Arc::clone(&time);
        Clock::from_fn(move || *time.lock().expect("a time"))
    };
    let told = |report: &Report| {
        let outcomes = report.tried.iter().map(|(source, outcome)| match outcome {
            Outcome::Answered => format!("{source:?} answered"),
            Outcome::Declined { .. } => format!("{source:?} declined"),
            Outcome::Failed { .. } => format!("{source:?} failed"),
        });
        outcomes.collect::<Vec<_>>()
    };
    let find = async |refresh| {
        let mut client = client(&server, PATIENT);
        find(&all, &query, &mut client, (Some(&cache), refresh), &clock).await
    };
    server.faults().add(Trouble::next("trends_business", answer(429, "{}")));
    let first = find(false).await;
    assert_eq!(told(&first), ["EnsembleData declined", "Business failed", "CreativeCenter answered"]);
    assert_eq!(first.faults().count(), 1);
    // The refusal was not kept, the answer was.
    let sent = server.requests().len();
    let second = find(false).await;
    assert_eq!(told(&second), ["EnsembleData declined", "Business answered"]);
    assert_eq!(server.requests().len() - sent, 1);
    for (minutes, refresh, is_asked) in
        [(29, false, false), (29, true, true), (58, false, false), (59, false, true)]
    {
        *time.lock().expect("a time") = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let sent = server.requests().len();
        let answer = find(refresh).await.answer.expect("an answer");
        let asked = server.requests().len() - sent;
        assert_eq!((asked == 1, answer.is_cached), (is_asked, !is_asked), "{minutes} {refresh}");
        assert_eq!(answer.found, second.answer.as_ref().expect("an answer").found);
    }
    // One that knows nothing leaves the floor to the next, and stands if nobody knows more.
    query.country = Country::read(NOWHERE).expect("a country");
    let nobody = trends_of_nowhere(&server, &all, &query).await;
    assert_eq!(told(&nobody), ["EnsembleData declined", "Business answered", "CreativeCenter answered"]);
    assert_eq!(nobody.answer.map(|answer| answer.source), Some(SourceId::Business));
}

async fn trends_of_nowhere(server: &Rehearsal, all: &[Box<dyn Source>], query: &Query) -> Report {
    find(all, query, &mut client(server, PATIENT), (None, false), &Clock::system()).await
}

#[tokio::test]
async fn all_industries_are_one_list_as_far_as_it_goes() {
    let server = start().await;
    let mut query = query(Kind::Hashtags);
    query.scope = Scope::Each;
    let found = CreativeCenter.ask(&query, &mut client(&server, PATIENT)).await.expect("a list");
    assert_eq!(server.requests().len(), 22);
    assert!(found.trends.len() > 3 && found.incomplete.is_none(), "{found:?}");
    let names: std::collections::BTreeSet<_> =
        found.trends.iter().map(|trend| trend.name.to_lowercase()).collect();
    assert_eq!(names.len(), found.trends.len(), "each once");
    assert!(found.trends.is_sorted_by_key(|trend| std::cmp::Reverse(trend.views)));
    // Who refuses on the way is asked no more, and what there is stays. It is not kept for the next time.
    server.faults().add(Trouble::nth("trends_hashtags", 5, answer(429, "{}")));
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::new(folder.path().join("trends"), None);
    let (all, sent) = ([source(SourceId::CreativeCenter)], server.requests().len());
    let mut client = client(&server, PATIENT);
    let report = find(&all, &query, &mut client, (Some(&cache), false), &Clock::system()).await;
    assert_eq!(server.requests().len() - sent, 5);
    assert!(report.faults().all(|(_, fault)| fault.is_temporary()) && report.faults().count() == 1);
    assert!(!folder.path().join("trends").exists());
}

#[tokio::test]
async fn the_keyword_narrows_what_is_not_searched() {
    let server = start().await;
    let mut query = query(Kind::Hashtags);
    let all = [source(SourceId::Business)];
    let whole = all[0].ask(&query, &mut client(&server, PATIENT)).await.expect("a list").trends;
    query.keyword = Some(whole[2].name.to_uppercase());
    let report = find(&all, &query, &mut client(&server, PATIENT), (None, false), &Clock::system()).await;
    let trends = report.answer.expect("an answer").found.trends;
    assert_eq!(trends.iter().map(|trend| &trend.name).collect::<Vec<_>>(), [&whole[2].name]);
    assert_eq!(trends[0].rank, 3, "the place in the list that it is from");
}

#[tokio::test]
async fn a_search_costs_no_more_than_it_may() {
    let server = start().await;
    let ask = async || {
        source(SourceId::EnsembleData).ask(&query(Kind::Videos), &mut client(&server, PATIENT)).await
    };
    let found = ask().await.expect("posts");
    assert_eq!((found.trends.len(), found.units, server.requests().len()), (45, Some(3), 3));
    assert!(found.trends.is_sorted_by_key(|trend| std::cmp::Reverse(trend.views)));
    let dear = Trouble {
        headers: [("units_charged".to_owned(), "5".to_owned())].into(),
        ..Trouble::next("trends_keyword", Action::Pass)
    };
    server.faults().add(dear);
    assert_eq!(ask().await.expect("posts").units, Some(5));
    assert_eq!(server.requests().len(), 4);
    // A page that comes to nothing leaves those before it.
    server.faults().add(Trouble::nth("trends_keyword", 2, answer(495, "{}")));
    let found = ask().await.expect("posts");
    assert_eq!(
        (found.trends.len(), found.incomplete.map(|fault| fault.kind)),
        (20, Some(FaultKind::Refused))
    );
}

#[tokio::test]
async fn a_token_is_told_nowhere() {
    let server = start().await;
    for (id, body) in [
        (SourceId::Business, format!("{{\"code\":1,\"message\":\"bad {BUSINESS_TOKEN}!\"}}")),
        (SourceId::EnsembleData, format!("{{\"detail\":\"bad {ENSEMBLE_TOKEN}!\"}}")),
    ] {
        for action in [
            answer(200, &*body),
            answer(400, &*body),
            Action::CutBeforeRead,
            answer(200, format!("{body}{body}")),
        ] {
            server.faults().add(Trouble::next("*", action.clone()));
            let fault = source(id)
                .ask(&query(Kind::Hashtags), &mut client(&server, PATIENT))
                .await
                .expect_err("refused");
            assert!(!format!("{fault:?}").contains("-token"), "{fault:?}");
            if action == answer(200, &*body) {
                assert!(fault.message.contains("bad …!"), "{fault:?}");
            }
        }
        assert!(!format!("{:?}", source(id).id()).contains("token"));
    }
    let wrong = Ensemble::new(Secret::new("another-token"));
    let fault = wrong.ask(&query(Kind::Hashtags), &mut client(&server, PATIENT)).await.expect_err("refused");
    assert_eq!(fault.message, "answered HTTP 491: it does not know the token");
    let wrong = Business::new(Secret::new("another-token"), ADVERTISER);
    let fault = wrong.ask(&query(Kind::Hashtags), &mut client(&server, PATIENT)).await.expect_err("refused");
    assert!(fault.message.contains("40105"), "{fault:?}");
}

/// The stand-in has what makes these sources what they are.
#[tokio::test]
async fn what_was_asked_is_what_the_stand_in_wants() {
    let server = start().await;
    for (country, host) in [("US", "/ads.us.tiktok.com/"), ("JP", "/ads.tiktok.com/")] {
        let mut query = query(Kind::Videos);
        query.country = Country::read(country).expect("a country");
        query.scope = Scope::One(&industry::of(Kind::Videos)[1]);
        let (mut client, sent) = (client(&server, PATIENT), server.requests().len());
        let found = CreativeCenter.ask(&query, &mut client).await.expect("videos");
        assert_eq!((found.trends.len(), &*found.trends[0].industries[0]), (4, "Topic 11002"));
        assert!(server.requests()[sent..].iter().all(|request| request.path.starts_with(host)), "{country}");
    }
    let mut beauty = query(Kind::Hashtags);
    beauty.scope = Scope::One(&industry::of(Kind::Hashtags)[4]);
    let found = CreativeCenter.ask(&beauty, &mut client(&server, PATIENT)).await.expect("hashtags");
    assert!(found.trends.iter().all(|trend| trend.industries == ["beauty"]), "{found:?}");
    beauty.period = Period::Month;
    let found = CreativeCenter.ask(&beauty, &mut client(&server, PATIENT)).await.expect("hashtags");
    assert!(found.trends.iter().all(|trend| trend.curve.len() == 30), "{found:?}");
}
