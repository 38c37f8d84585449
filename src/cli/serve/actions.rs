//! What people have done from the pages, where `--allow-actions` lets them: what the commands of the same names do.
//!
//! # Guarantees
//!
//! Only for whoever has the token, and only from a form of this very server: each carries a key that only its pages hold.
//! Whether an act fits is decided under the ledger's lock, so that a page that is out of date does nothing.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, LOCATION, ORIGIN};
use hyper::{Request, StatusCode};
use subtle::ConstantTimeEq;
use tokio::sync::watch::Sender;

use super::{HeaderValue, Reply, guard::Guard, page, plain, unauthorized};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::workspace::{Book, Workspace};
use crate::cli::{pause, resolve};
use crate::domain::act::{Act, of_account, of_publication};
use crate::domain::ids::{AccountName, PostId, hex};
use crate::domain::pause::Scope;
use crate::ledger::Ledger;
use crate::pages::notice;

/// A form is not larger, and not slower, than this.
const BODY_BYTES_MAX: usize = 4 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
const KEY_BYTES: usize = 32;
/// As long as a person waits for a page. A pass ends sooner, unless a request takes its time.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Who acts, in the record.
const COMMAND: &str = "pages";

/// Acts for people.
pub(in crate::cli) struct Actions {
    workspace: Workspace,
    book: Book,
    key: String,
    /// Counts when there is something new to see, and to do.
    asked: Sender<u64>,
}

/// A form as it was sent.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    key: String,
    act: Act,
    post: Option<PostId>,
    account: Option<AccountName>,
    /// When what the page has shown was recorded, in nanoseconds.
    seen: Option<i128>,
}

impl Actions {
    pub(in crate::cli) fn new(
        mut workspace: Workspace,
        book: Book,
        asked: Sender<u64>,
    ) -> Result<Actions, Failure> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| Failure::error("there is no randomness").cause(&error))?;
        workspace.global.lock_timeout = LOCK_WAIT;
        Ok(Actions { workspace, book, key: hex(&key), asked })
    }

    /// What forms carry.
    pub(in crate::cli) fn key(&self) -> &str {
        &self.key
    }

    pub(super) async fn answer(self: Arc<Actions>, guard: &Guard, request: Request<Incoming>) -> Reply {
        let (parts, body) = request.into_parts();
        if !guard.admits(&parts.headers) {
            return unauthorized();
        }
        if !is_from_here(&parts.headers) {
            return refused("This form comes from another site.");
        }
        let body = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
        let Ok(Ok(body)) = body else { return refused("This form is too long, or took too long.") };
        let body = body.to_bytes();
        let Some(form) = std::str::from_utf8(&body).ok().and_then(Form::read) else {
            return refused("This form cannot be read.");
        };
        if !bool::from(form.key.as_bytes().ct_eq(self.key.as_bytes())) {
            return refused("This page is from before the watch was started. Load it again.");
        }
        // A pass that is at work gives way.
        self.asked.send_modify(|count| *count += 1);
        let done = tokio::task::spawn_blocking(move || {
            let done = self.act(&form);
            self.asked.send_modify(|count| *count += 1);
            done.map(|()| form.way_back())
        });
        match done.await {
            Ok(Ok(way)) => {
                let mut reply = plain(StatusCode::SEE_OTHER, super::TEXT, "done\n");
                if let Ok(way) = HeaderValue::try_from(way) {
                    reply.headers_mut().insert(LOCATION, way);
                }
                reply
            }
            Ok(Err(failure)) => {
                let status = match failure.exit {
                    Exit::Locked | Exit::Temporary => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::CONFLICT,
                };
                let why = [&[failure.message][..], &failure.causes[..]].concat().join(": ");
                page(status, notice("Nothing was done", &format!("{why}."), Some("index.html")))
            }
            Err(_) => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                super::TEXT,
                "it is not known what was done: look at the log\n",
            ),
        }
    }

    fn act(&self, form: &Form) -> Result<(), Failure> {
        if form.act == Act::Reconcile {
            return Ok(());
        }
        let (workspace, now) = (&self.workspace, self.workspace.clock.now());
        let project = workspace.project().project;
        let knows = |name: &AccountName| project.as_ref().is_some_and(|p| p.account(name).is_some());
        if !form.account.as_ref().is_some_and(knows) {
            return Err(Failure::error("there is no such account any more"));
        }
        let mut ledger = workspace.existing_ledger(self.book, project.as_ref(), COMMAND)?;
        let pauses = ledger.pauses()?;
        let paused: Vec<Scope> =
            pauses.into_iter().filter(|pause| pause.is_on(now)).map(|pause| pause.scope).collect();
        let acts = match (&form.post, &form.account) {
            (Some(post), Some(account)) => {
                let recorded = ledger.publication(post, account)?;
                let is_seen = recorded.as_ref().map(|p| p.updated_at.as_nanosecond()) == form.seen;
                let mut acts = of_publication((post, account), recorded.as_ref(), &paused);
                acts.retain(|act| *act != Act::Retry || is_seen);
                acts
            }
            (None, Some(account)) => vec![of_account(account, &paused)],
            _ => Vec::new(),
        };
        let scope = Scope::of(form.post.clone(), form.account.clone(), None);
        let Some(scope) = scope.filter(|_| acts.contains(&form.act)) else {
            return Err(Failure::error("it is not as this page has shown it any more"));
        };
        self.record(&mut ledger, form, scope)
    }

    fn record(&self, ledger: &mut Ledger, form: &Form, scope: Scope) -> Result<(), Failure> {
        let workspace = &self.workspace;
        match (form.act, &form.post, &form.account) {
            (Act::Pause, ..) => pause::record_pause(workspace, ledger, COMMAND, (scope, String::new(), None)),
            (Act::Resume, ..) => pause::record_resume(workspace, ledger, COMMAND, (scope, String::new())),
            (Act::Retry, Some(post), Some(account)) => {
                resolve::record_retry(workspace, ledger, COMMAND, (post, account), "")
            }
            _ => Err(Failure::error("there is nothing to do")),
        }
    }
}

impl Form {
    /// Strictly: each field once, and none needs an escape. `None`: this is no form of ours.
    fn read(text: &str) -> Option<Form> {
        let (mut key, mut act, mut post, mut account, mut seen) = (None, None, None, None, None);
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=')?;
            let before = match name {
                "key" => key.replace(value.to_owned()).is_some(),
                "do" => act.replace(value.parse().ok()?).is_some(),
                "post" => post.replace(value.parse().ok()?).is_some(),
                "account" => account.replace(value.parse().ok()?).is_some(),
                "seen" => seen.replace(value.parse().ok()?).is_some(),
                _ => return None,
            };
            if before {
                return None;
            }
        }
        Some(Form { key: key?, act: act?, post, account, seen })
    }

    /// The page that the form was on.
    fn way_back(&self) -> String {
        match (&self.post, &self.account) {
            (Some(post), Some(account)) => format!("post-{post}.html#on-{account}"),
            (None, Some(_)) => "accounts.html".to_owned(),
            _ => "index.html".to_owned(),
        }
    }
}

/// Whether a browser sends this from a page of this server, as far as it tells. Pages that send no referrer have the
/// origin `null`.
fn is_from_here(headers: &HeaderMap) -> bool {
    let all = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).into_iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    let host = all(HOST.as_str()).pop().unwrap_or_default();
    let own = [format!("http://{host}"), format!("https://{host}"), "null".to_owned()];
    let is_form = all(CONTENT_TYPE.as_str()) == ["application/x-www-form-urlencoded"];
    is_form
        && all("sec-fetch-site").iter().all(|site| site == "same-origin")
        && all(ORIGIN.as_str()).iter().all(|origin| own.contains(origin))
}

fn refused(why: &str) -> Reply {
    page(StatusCode::FORBIDDEN, notice("Nothing was done", why, Some("index.html")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forms_of_ours_are_read() {
        let form = Form::read("key=ab&do=pause&post=one&account=brand&seen=7").expect("a form");
        assert_eq!(form.way_back(), "post-one.html#on-brand");
        assert_eq!(
            form,
            Form {
                key: "ab".into(),
                act: Act::Pause,
                post: Some("one".parse().expect("id")),
                account: Some("brand".parse().expect("name")),
                seen: Some(7),
            }
        );
        for bad in [
            "",
            "key=ab",
            "do=pause",
            "key=ab&do=publish",
            "key=ab&do=pause&post=",
            "key=ab&do=pause&post=..%2Fx",
            "key=ab&do=pause&post=a+b",
            "key=ab&key=cd&do=pause",
            "key=ab&do=pause&more=x",
            "key=ab&do=pause&post=one&post=two",
        ] {
            assert_eq!(Form::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn other_sites_send_nothing() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            let host = [("host", "127.0.0.1:80")];
            let pairs = host.iter().chain(pairs);
            pairs.map(|(n, v)| (n.parse().expect("name"), v.parse().expect("value"))).collect()
        };
        for (pairs, is_good) in [
            (&[form][..], true),
            (&[form, ("origin", "http://127.0.0.1:80"), ("sec-fetch-site", "same-origin")], true),
            (&[form, ("origin", "null"), ("sec-fetch-site", "same-origin")], true),
            (&[form, ("origin", "http://evil.example")], false),
            (&[form, ("origin", "http://127.0.0.1:81")], false),
            (&[form, ("sec-fetch-site", "cross-site")], false),
            (&[form, ("sec-fetch-site", "same-site")], false),
            (&[("content-type", "text/plain")], false),
            (&[], false),
        ] {
            assert_eq!(is_from_here(&headers(pairs)), is_good, "{pairs:?}");
        }
    }
}
