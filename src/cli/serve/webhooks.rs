//! What platforms tell on their own, at `POST /webhooks/PLATFORM`. Anybody on the internet may knock here, through a
//! proxy that has a name of its own: neither the name nor the token that the pages ask for counts, only the signature.
//!
//! # Guarantees
//!
//! Nothing is changed and nothing is told but that a delivery was taken, or not. What is heard waits for the next pass of
//! the watch, which alone writes; a 200 says that it is recorded, or may be lost without harm. Sizes, times and how much
//! waits have bounds.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot, watch};

use super::{TEXT, plain};
use crate::clock::Clock;
use crate::domain::ids::{AccountName, PlatformId};
use crate::domain::news::News;
use crate::domain::project::Project;
use crate::platform::Platform;
use crate::platform::webhooks::Delivery;
use crate::reconcile::lane::Platforms;
use crate::reconcile::news::Told;
use crate::rehearsal::files::Reply;

pub(super) const PREFIX: &str = "/webhooks/";
/// Documented deliveries are far below; so much of each connection may be in memory.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// A body is not slower than this.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// So many deliveries wait for the next pass; what comes then is refused, to be sent again.
const WAITING_MAX: usize = 64;
/// How long the answer waits for the ledger; then it asks for the delivery to be sent again.
const RECORDED_TIMEOUT: Duration = Duration::from_secs(20);
/// The latest deliveries that were taken: the same ones are not taken again while their signatures last.
const REMEMBERED_MAX: usize = 1_024;

/// What was heard, on its way to the ledger.
#[derive(Debug)]
pub(in crate::cli) struct Heard {
    pub told: Told,
    /// Where somebody waits for it to be recorded. Dropped unsent: it is to be told again.
    pub recorded: Option<oneshot::Sender<()>>,
}

/// Takes deliveries.
pub(in crate::cli) struct Webhooks {
    clock: Clock,
    /// As of the last pass; before it nobody can tell what is authentic.
    hearing: Mutex<Option<Vec<Hearing>>>,
    waiting: mpsc::Sender<Heard>,
    /// Asks for a pass.
    asked: watch::Sender<u64>,
    taken: Mutex<VecDeque<[u8; 32]>>,
}

/// An account that is told something, perhaps.
#[derive(Clone)]
struct Hearing(AccountName, PlatformId, Arc<dyn Platform>);

impl Webhooks {
    /// With what takes the news to the next pass; `asked` counts when there are some.
    pub(in crate::cli) fn new(clock: Clock, asked: watch::Sender<u64>) -> (Webhooks, mpsc::Receiver<Heard>) {
        let (waiting, heard) = mpsc::channel(WAITING_MAX);
        let (hearing, taken) = (Mutex::default(), Mutex::default());
        (Webhooks { clock, hearing, waiting, asked, taken }, heard)
    }

    /// From now on these accounts are told of.
    pub(in crate::cli) fn listen_for(&self, project: &Project, platforms: &Platforms) {
        let hearing = platforms.iter().filter_map(|(name, platform)| {
            platform.webhooks()?;
            Some(Hearing(name.clone(), project.account(name)?.platform, Arc::clone(platform)))
        });
        *lock(&self.hearing) = Some(hearing.collect());
    }

    /// The platform whose deliveries come by this path.
    pub(super) fn platform_at(path: &str) -> Option<PlatformId> {
        path.strip_prefix(PREFIX)?.parse().ok()
    }

    pub(super) async fn answer(&self, platform: PlatformId, request: Request<Incoming>) -> Reply {
        if request.method() != Method::POST {
            let mut reply = said(StatusCode::METHOD_NOT_ALLOWED);
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return reply;
        }
        let (parts, body) = request.into_parts();
        // What says that it is too large is not read at all.
        if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
            return said(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let body =
            match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await {
                Ok(Ok(body)) => body.to_bytes(),
                Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                    return said(StatusCode::PAYLOAD_TOO_LARGE);
                }
                Ok(Err(_)) => return said(StatusCode::BAD_REQUEST),
                Err(_) => return said(StatusCode::REQUEST_TIMEOUT),
            };
        said(self.take(platform, &parts.headers, &body).await)
    }

    async fn take(&self, platform: PlatformId, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        let Some(mut hearing) = lock(&self.hearing).clone() else { return StatusCode::SERVICE_UNAVAILABLE };
        hearing.retain(|Hearing(_, of, _)| *of == platform);
        let delivery = Delivery { headers, body };
        let Some((accounts, news)) = hear(&hearing, delivery, self.clock.now()) else {
            return StatusCode::UNAUTHORIZED;
        };
        let Some(news) = news else { return StatusCode::OK };
        let digest: [u8; 32] = Sha256::digest(body).into();
        if lock(&self.taken).contains(&digest) {
            return StatusCode::OK;
        }
        let (recorded, done) = oneshot::channel();
        let must_be_kept = news.must_be_kept();
        let heard = Heard { told: Told { accounts, news }, recorded: must_be_kept.then_some(recorded) };
        if self.waiting.try_send(heard).is_err() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        self.asked.send_modify(|count| *count += 1);
        if must_be_kept && !matches!(tokio::time::timeout(RECORDED_TIMEOUT, done).await, Ok(Ok(()))) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        let mut taken = lock(&self.taken);
        taken.push_back(digest);
        let surplus = taken.len().saturating_sub(REMEMBERED_MAX);
        taken.drain(..surplus);
        StatusCode::OK
    }
}

/// The accounts whose app the delivery was signed for, and what it says. `None`: it was signed for none.
fn hear(
    hearing: &[Hearing],
    delivery: Delivery<'_>,
    now: Timestamp,
) -> Option<(Vec<AccountName>, Option<News>)> {
    let mut heard = hearing.iter().filter_map(|Hearing(account, _, platform)| {
        let news = platform.webhooks()?.hear(delivery, now).ok()?;
        Some((account.clone(), news))
    });
    let (first, news) = heard.next()?;
    Some((std::iter::once(first).chain(heard.map(|(account, _)| account)).collect(), news))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A status, and nothing else.
fn said(status: StatusCode) -> Reply {
    plain(status, TEXT, "")
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};

    use super::*;
    use crate::domain::capability::Knowledge;
    use crate::domain::ids::hex;
    use crate::domain::project::{Account, Mode};
    use crate::domain::span::{Located, Span};
    use crate::platform::http::Http;
    use crate::platform::{Keys, build};
    use crate::secret::Secret;

    const NOW: i64 = 1_700_000_000;

    fn account(name: &str) -> Account {
        let located = |text: &str| Located::new(text.to_owned(), Span::default());
        Account {
            name: Located::new(name.parse().expect("name"), Span::default()),
            platform: PlatformId::Tiktok,
            handle: None,
            server: None,
            audited: None,
            known: Knowledge::Nothing,
            mode: Located::new(Mode::Draft, Span::default()),
            endpoint: Some(located("http://127.0.0.1:9")),
            client_key_env: None,
            // `one-a` and `one-b` are accounts of one app, `two` is of another, and `none` has no key.
            client_secret_env: name.split('-').next().map(str::to_owned),
            business_id: None,
            business_token_env: None,
            quiet: None,
            span: Span::default(),
        }
    }

    fn hearing(name: &str) -> Hearing {
        let keys: Keys = Arc::new(|name| (name != "none").then(|| Secret::new(format!("secret of {name}"))));
        let account = account(name);
        let platform = build(&account, &Http::default(), &keys);
        Hearing(account.name.value, PlatformId::Tiktok, Arc::from(platform))
    }

    /// Before the first pass.
    fn webhooks() -> (Webhooks, mpsc::Receiver<Heard>) {
        let clock = Clock::from_fn(|| Timestamp::from_second(NOW).expect("a second"));
        Webhooks::new(clock, watch::channel(0).0)
    }

    fn listening() -> (Webhooks, mpsc::Receiver<Heard>) {
        let (webhooks, heard) = webhooks();
        *lock(&webhooks.hearing) = Some(["none", "one-a", "one-b", "two"].map(hearing).to_vec());
        (webhooks, heard)
    }

    fn event(event: &str, post: usize) -> String {
        let content = serde_json::json!({ "publish_id": format!("p~{post}") }).to_string();
        serde_json::json!({ "event": event, "create_time": NOW, "content": content }).to_string()
    }

    fn moved(post: usize) -> String {
        event("post.publish.complete", post)
    }

    fn hidden() -> String {
        event("post.publish.no_longer_publicaly_available", 1)
    }

    async fn knock(webhooks: &Webhooks, app: &str, body: &str) -> u16 {
        let key = format!("secret of {app}");
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key");
        mac.update(format!("{NOW}.{body}").as_bytes());
        let signature = format!("t={NOW},s={}", hex(&mac.finalize().into_bytes()));
        let headers: HeaderMap =
            [("tiktok-signature".parse().expect("name"), signature.parse().expect("value"))]
                .into_iter()
                .collect();
        webhooks.take(PlatformId::Tiktok, &headers, body.as_bytes()).await.as_u16()
    }

    fn names(heard: &Heard) -> Vec<&str> {
        heard.told.accounts.iter().map(AccountName::as_str).collect()
    }

    #[tokio::test]
    async fn news_are_about_the_accounts_of_the_app_that_signed_them_and_taken_once() {
        let (webhooks, _heard) = webhooks();
        assert_eq!(knock(&webhooks, "one", &moved(1)).await, 503, "nobody can tell yet");
        let (webhooks, mut heard) = listening();
        for (app, accounts) in [("one", vec!["one-a", "one-b"]), ("two", vec!["two"])] {
            let body = moved(accounts.len());
            assert_eq!(knock(&webhooks, app, &body).await, 200);
            let told = heard.try_recv().expect("it was heard");
            assert_eq!(names(&told), accounts);
            assert!(told.recorded.is_none(), "a hint waits for nothing");
            assert_eq!(knock(&webhooks, app, &body).await, 200);
            assert!(heard.try_recv().is_err(), "it was heard before");
        }
        for app in ["three", "none"] {
            assert_eq!(knock(&webhooks, app, &moved(9)).await, 401, "{app}");
        }
        assert!(heard.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_must_be_kept_is_answered_once_the_ledger_has_it() {
        let (webhooks, mut heard) = listening();
        assert_eq!(knock(&webhooks, "two", &hidden()).await, 503, "no pass came");
        drop(heard.try_recv().expect("it waits"));
        let body = hidden();
        for is_recorded in [false, true] {
            let (status, ()) = tokio::join!(knock(&webhooks, "two", &body), async {
                let recorded = heard.recv().await.expect("it was heard").recorded.expect("somebody waits");
                if is_recorded {
                    recorded.send(()).expect("somebody waits");
                }
            });
            assert_eq!(status, if is_recorded { 200 } else { 503 });
        }
        assert_eq!(knock(&webhooks, "two", &body).await, 200, "and told again, it is known");
        assert!(heard.try_recv().is_err());
    }

    #[tokio::test]
    async fn what_waits_has_a_bound() {
        let (webhooks, mut heard) = listening();
        for post in 0..WAITING_MAX {
            assert_eq!(knock(&webhooks, "one", &moved(post)).await, 200);
        }
        assert_eq!(knock(&webhooks, "one", &moved(WAITING_MAX)).await, 503);
        assert!(heard.try_recv().is_ok());
        assert_eq!(knock(&webhooks, "one", &moved(WAITING_MAX)).await, 200, "sent again, it is taken");
    }
}
