//! What people see: colour, the log, progress. Data goes to stdout, everything else to stderr.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;

use super::{Color, LogFormat, text};
use crate::domain::drift::AS_RECORDED;
use crate::domain::ids::{AccountName, PostId};
use crate::domain::publication::{Change, Publication, State};
pub(super) use crate::domain::telling::{bytes, time};
use crate::platform::Progress;
use crate::reconcile::execute::Notice;

/// How often a progress bar looks at the bytes sent.
const TICK: Duration = Duration::from_millis(100);

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Palette(bool);

impl Palette {
    pub(super) fn is_on(self) -> bool {
        self.0
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    pub(super) fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    pub(super) fn notable(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    pub(super) fn strong(self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }
}

/// Whether to use colour, by flag, `NO_COLOR` and terminal.
pub(super) fn color(wanted: Color) -> Palette {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    Palette(match wanted {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => !unwanted && std::io::stdout().is_terminal() && std::io::stderr().is_terminal(),
    })
}

/// Sends the log to stderr.
pub(super) fn start_log(verbose: u8, format: LogFormat) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(false);
    // A second start in one process changes nothing: the first log stays.
    let _ = match format {
        LogFormat::Text => log.with_target(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

/// Writes to stdout; a reader that went away is no failure.
pub(super) fn print(data: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(data.as_bytes()).and_then(|()| out.flush());
}

/// Prints one JSON document, harmless on a terminal too.
pub(super) fn print_json(document: &impl serde::Serialize) {
    let mut out = std::io::stdout().lock();
    let _ =
        text::json_safe(document, &mut out).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

/// Writes a line to stderr.
pub(super) fn tell(line: &str) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{line}");
}

/// Shows a run as it goes: bars on a terminal, a line for each change elsewhere.
pub(super) struct Reporter {
    palette: Palette,
    zone: TimeZone,
    bars: Option<MultiProgress>,
    uploads: HashMap<(PostId, AccountName), Upload>,
}

struct Upload {
    bar: ProgressBar,
    ticker: tokio::task::JoinHandle<()>,
}

impl Reporter {
    pub(super) fn new(palette: Palette, zone: TimeZone) -> Reporter {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Reporter { palette, zone, bars, uploads: HashMap::new() }
    }

    pub(super) fn notice(&mut self, notice: &Notice<'_>) {
        match notice {
            Notice::Working { post, account, bytes, progress } => {
                self.working(post, account, *bytes, progress)
            }
            Notice::Changed { publication, change } => self.changed(publication, change),
            Notice::Paced { account, operation, until } => {
                let until = time(*until, &self.zone);
                self.line(&format!(
                    "  {account}: the platform's limit for {operation} is reached; going on at {until}"
                ));
            }
            Notice::Login { account, message } => {
                let message = text::one_line(message, 300);
                self.line(&format!("{} {account}: {message}", self.palette.notable("login")));
            }
        }
    }

    fn line(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| tell(line)),
            None => tell(line),
        }
    }

    fn working(&mut self, post: &PostId, account: &AccountName, bytes: u64, progress: &Progress) {
        let key = (post.clone(), account.clone());
        let Some(bars) = &self.bars else { return };
        if bytes == 0 || self.uploads.contains_key(&key) {
            return;
        }
        let style = ProgressStyle::with_template(
            "  {msg} {bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
        );
        let bar = bars.add(ProgressBar::new(bytes)).with_message(format!("{post} → {account}"));
        if let Ok(style) = style {
            bar.set_style(style);
        }
        let (watched, progress) = (bar.clone(), progress.clone());
        let ticker = tokio::spawn(async move {
            loop {
                watched.set_position(progress.get());
                tokio::time::sleep(TICK).await;
            }
        });
        self.uploads.insert(key, Upload { bar, ticker });
    }

    fn changed(&mut self, publication: &Publication, change: &Change) {
        if !matches!(change, Change::Stepped { .. } | Change::Started { .. } | Change::Delayed { .. }) {
            self.finish_bar(publication);
        }
        if let Some(what) = self.describe(publication, change) {
            self.line(&format!("  {} → {}: {what}", publication.post, publication.account));
        }
    }

    fn finish_bar(&mut self, publication: &Publication) {
        let key = (publication.post.clone(), publication.account.clone());
        if let Some(upload) = self.uploads.remove(&key) {
            upload.ticker.abort();
            upload.bar.finish_and_clear();
        }
    }

    fn describe(&self, publication: &Publication, change: &Change) -> Option<String> {
        let because = |state: &str| match &publication.reason {
            Some(reason) => format!("{state}: {}", text::one_line(&reason.message, 300)),
            None => state.to_owned(),
        };
        let palette = self.palette;
        Some(match change {
            Change::Started { payload, .. } => match payload.estimate.bytes {
                0 => "started".to_owned(),
                count => format!("uploading {}", bytes(count)),
            },
            Change::Accepted { .. } if publication.tries == 0 && publication.state == State::Accepted => {
                return None;
            }
            Change::Intended { .. } => "publishing".to_owned(),
            Change::Published { .. } => palette.good(&match &publication.remote.url {
                Some(url) => format!("published {}", text::one_line(url, 300)),
                None => "published".to_owned(),
            }),
            Change::Advanced { .. } => "one part is live".to_owned(),
            Change::EditStarted { .. } => "editing".to_owned(),
            Change::DeleteStarted { .. } => "deleting".to_owned(),
            Change::Edited { .. } => palette.good("edited"),
            Change::Deleted => palette.good("deleted"),
            Change::Noticed { reason } if reason.code == AS_RECORDED => palette.good("as recorded again"),
            Change::Noticed { .. } => palette.notable(&because("not as recorded")),
            Change::Forgotten { .. } => palette.notable(&because("forgotten")),
            Change::TurnedDown { .. } => palette.bad(&because("turned down")),
            Change::Delivered { .. } => palette.good("delivered to the creator's inbox"),
            Change::Refused { .. } => palette.bad(&because("failed")),
            Change::Held { .. } => palette.bad(&because("held")),
            Change::Unanswered { .. } => palette.notable(&because("no answer, finding out")),
            Change::Absent { .. } => palette.notable(&because("not there, trying again")),
            Change::Superseded { .. } => palette.notable(&because("given up")),
            Change::Delayed { next_at, .. } => palette.notable(&format!(
                "{}; next try at {}",
                because("waiting"),
                time(*next_at, &self.zone)
            )),
            Change::Accepted { .. }
            | Change::Stepped { .. }
            | Change::Staged { .. }
            | Change::Looked { .. }
            | Change::Retried { .. }
            | Change::Adopted { .. }
            | Change::Settled { .. } => return None,
        })
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        for upload in self.uploads.values() {
            upload.ticker.abort();
            upload.bar.finish_and_clear();
        }
    }
}
