//! Figures for Prometheus, in its text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats, read 2026-11-26).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::pulse::Passes;
use crate::cli::site::View;
use crate::domain::event::{Event, GrantChange};
use crate::domain::plan::Action;
use crate::domain::publication::{Change, State};
use crate::ledger::{Error, Ledger};
use crate::pages::{Item, Login};

/// Entries read at once, and how often: more come with the next question.
const PAGE: u32 = 1_000;
const PAGES_MAX: usize = 100;

/// What has happened since the process started, counted from the ledger's entries.
#[derive(Debug, Default)]
pub(super) struct Tally {
    after: u64,
    published: Counts,
    uploads: Counts,
    upload_bytes: Counts,
    refreshes: Counts,
    requests: Counts,
    errors: Counts,
}

/// By the values of their labels.
type Counts = BTreeMap<Vec<String>, u64>;

fn count(counts: &mut Counts, labels: &[&str], more: u64) {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    let count = counts.entry(labels).or_default();
    *count = count.saturating_add(more);
}

impl Tally {
    /// Counts what comes after this entry.
    pub(super) fn after(seq: u64) -> Tally {
        Tally { after: seq, ..Tally::default() }
    }

    pub(super) fn catch_up(&mut self, ledger: &Ledger) -> Result<(), Error> {
        for _ in 0..PAGES_MAX {
            let page = ledger.read(None, self.after, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            self.after = last.seq;
            page.iter().for_each(|entry| self.count(&entry.event));
        }
        Ok(())
    }

    fn count(&mut self, event: &Event) {
        match event {
            Event::Publication { account, change, .. } => match change {
                Change::Started { payload, .. } | Change::EditStarted { payload, .. }
                    if payload.estimate.bytes > 0 =>
                {
                    count(&mut self.uploads, &[account.as_str()], 1);
                    count(&mut self.upload_bytes, &[account.as_str()], payload.estimate.bytes);
                }
                Change::Published { .. } => count(&mut self.published, &[account.as_str()], 1),
                _ => {}
            },
            Event::Grant { account, change } => match change {
                GrantChange::Stored { how, .. } if how == "refresh" => {
                    count(&mut self.refreshes, &[account.as_str(), "stored"], 1);
                }
                GrantChange::Refused { .. } => count(&mut self.refreshes, &[account.as_str(), "refused"], 1),
                _ => {}
            },
            Event::Request { account, request, .. } => {
                let status = request.status.map_or("none".to_owned(), |status| status.to_string());
                count(&mut self.requests, &[account.as_str(), &request.operation, &status], 1);
                if let Some(kind) = request.error.and_then(|kind| serde_json::to_value(kind).ok()) {
                    count(&mut self.errors, &[account.as_str(), kind.as_str().unwrap_or_default()], 1);
                }
            }
            _ => {}
        }
    }
}

/// All figures.
pub(super) fn render(view: &View, tally: &Tally, passes: Passes) -> String {
    let mut out = Text::default();
    let (site, now) = (&view.site, view.site.now);
    let mut states = Counts::new();
    let mut actions = Counts::new();
    for account in &site.accounts {
        for state in State::ALL {
            count(&mut states, &[account.name.as_str(), account.platform.as_str(), state.as_str()], 0);
        }
    }
    for item in &site.items {
        let change = &item.change;
        let state = item.recorded.as_ref().map_or(State::Planned, |p| p.state);
        count(&mut states, &[change.account.as_str(), change.platform.as_str(), state.as_str()], 1);
        let action = serde_json::to_value(change.action).unwrap_or_default();
        count(&mut actions, &[change.account.as_str(), action.as_str().unwrap_or_default()], 1);
    }
    out.counts(
        "gauge",
        "gitcast_publications",
        "Publications by state.",
        &["account", "platform", "state"],
        &states,
    );
    out.counts(
        "gauge",
        "gitcast_planned",
        "Publications by what the plan does about them.",
        &["account", "action"],
        &actions,
    );
    let queue =
        site.items.iter().filter(|item| item.change.action.acts() && item.hindrance.is_none()).count();
    out.one("gauge", "gitcast_queue", "Publications that the next pass works on.", queue as f64);
    let uploading = |item: &&Item| item.recorded.as_ref().is_some_and(|p| p.state == State::Staging);
    out.one(
        "gauge",
        "gitcast_uploading",
        "Publications whose media are on their way.",
        site.items.iter().filter(uploading).count() as f64,
    );
    let lag = site.items.iter().filter_map(|item| lag_of_due(item, now)).fold(0.0, f64::max);
    out.one(
        "gauge",
        "gitcast_due_lag_seconds",
        "For how long the most overdue publication has been due.",
        lag,
    );
    let lags = view.published_lags();
    out.head("summary", "gitcast_publish_lag_seconds", "From when posts were due until they were sent.");
    out.line("gitcast_publish_lag_seconds_sum", &[], lags.iter().sum());
    out.line("gitcast_publish_lag_seconds_count", &[], lags.len() as f64);
    out.counts(
        "counter",
        "gitcast_published_total",
        "Posts that went live since the process started.",
        &["account"],
        &tally.published,
    );
    out.counts(
        "counter",
        "gitcast_uploads_total",
        "Uploads begun since the process started.",
        &["account"],
        &tally.uploads,
    );
    out.counts(
        "counter",
        "gitcast_upload_bytes_total",
        "Bytes of the uploads begun since the process started.",
        &["account"],
        &tally.upload_bytes,
    );
    out.counts(
        "counter",
        "gitcast_refreshes_total",
        "Logins renewed or refused since the process started.",
        &["account", "outcome"],
        &tally.refreshes,
    );
    out.counts(
        "counter",
        "gitcast_requests_total",
        "Requests to platforms since the process started.",
        &["account", "operation", "status"],
        &tally.requests,
    );
    out.counts(
        "counter",
        "gitcast_errors_total",
        "Requests that failed since the process started, by kind.",
        &["account", "kind"],
        &tally.errors,
    );
    let errors = site.findings.iter().filter(|finding| finding.diagnostic.is_error()).count();
    out.head("gauge", "gitcast_problems", "Problems in content.");
    out.line("gitcast_problems", &[("severity", "error")], errors as f64);
    out.line("gitcast_problems", &[("severity", "warning")], (site.findings.len() - errors) as f64);
    out.head(
        "gauge",
        "gitcast_login_needed",
        "Whether nothing is published on the account until somebody logs in.",
    );
    for account in &site.accounts {
        let is_needed = matches!(account.login, Login::Missing | Login::Needed(_));
        out.line(
            "gitcast_login_needed",
            &[("account", account.name.as_str())],
            f64::from(u8::from(is_needed)),
        );
    }
    out.head("counter", "gitcast_passes_total", "Passes by how they ended.");
    out.line("gitcast_passes_total", &[("outcome", "done")], passes.done as f64);
    out.line("gitcast_passes_total", &[("outcome", "failed")], passes.failed as f64);
    let last = passes.last.map_or(0.0, |(_, at)| at.as_millisecond() as f64 / 1_000.0);
    out.one(
        "gauge",
        "gitcast_last_pass_timestamp_seconds",
        "When a pass last succeeded; 0 if none has.",
        last,
    );
    out.0
}

/// Of what is due, wanted and not sent; also where somebody would have to log in first.
fn lag_of_due(item: &Item, now: Timestamp) -> Option<f64> {
    let is_open = matches!(item.change.action, Action::Publish | Action::Replace | Action::Continue)
        && item.recorded.as_ref().is_none_or(|p| p.intended_at.is_none());
    item.at.filter(|at| is_open && *at < now).map(|at| now.duration_since(at).as_secs_f64())
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, kind: &str, name: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn one(&mut self, kind: &str, name: &str, help: &str, value: f64) {
        self.head(kind, name, help);
        self.line(name, &[], value);
    }

    fn counts(&mut self, kind: &str, name: &str, help: &str, labels: &[&str], counts: &Counts) {
        self.head(kind, name, help);
        for (values, count) in counts {
            let pairs: Vec<_> = labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
            self.line(name, &pairs, *count as f64);
        }
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let pairs: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

/// A label's value.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_leaves_its_quotes() {
        let mut out = Text::default();
        out.line("m", &[("a", "x\"} 1\nm{a=\"\\")], 0.5);
        assert_eq!(out.0, "m{a=\"x\\\"} 1\\nm{a=\\\"\\\\\"} 0.5\n");
        let mut out = Text::default();
        let counts = Counts::from([(vec!["a".to_owned()], 3)]);
        out.counts("counter", "n_total", "Help.", &["l"], &counts);
        assert_eq!(out.0, "# HELP n_total Help.\n# TYPE n_total counter\nn_total{l=\"a\"} 3\n");
    }

    #[test]
    fn what_happens_is_counted_by_account_and_kind() {
        let request = serde_json::json!({
            "event": "request", "account": "a", "post": "p", "operation": "upload", "sent_at": "2026-11-26T00:00:00Z",
            "millis": 1, "status": null, "error": "rate_limited", "code": null, "log_id": null,
        });
        let mut tally = Tally::default();
        for _ in 0..2 {
            tally.count(&serde_json::from_value(request.clone()).expect("an event"));
        }
        let labels = |labels: &[&str]| labels.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        assert_eq!(tally.errors, Counts::from([(labels(&["a", "rate_limited"]), 2)]));
        assert_eq!(tally.requests, Counts::from([(labels(&["a", "upload", "none"]), 2)]));
    }
}
