//! Whether it is time: pauses, due times, quiet hours, and what comes too late.

use jiff::{SignedDuration, Timestamp};

use super::{Action, Desired, LATE, PAUSED, Planner, QUIET, SCHEDULED, Verdict, verdict};
use crate::domain::pause::{Pause, pause_of};
use crate::domain::project::Late;

impl<'a> Planner<'a> {
    /// What a person has paused is not touched.
    pub(super) fn paused(&self, desired: &Desired) -> Option<Verdict> {
        let pause = self.pause(desired)?;
        Some((Action::Wait, PAUSED, pause.describe(), pause.until))
    }

    /// Why it may not be published at this time, if so; `opens_at` is when its time has come. Asked again for what has
    /// begun: its time may have been changed, and nothing is ever published after its `max_age`.
    pub(super) fn untimely(&self, desired: &Desired, opens_at: Option<Timestamp>) -> Option<Verdict> {
        let (now, policy) = (self.input.now, self.input.policy);
        // Before everything that refuses: what a person has paused needs nobody's attention.
        if let Some(pause) = self.pause(desired) {
            let next_at = pause.until.map(|until| until.max(desired.due().unwrap_or(until)));
            return Some((Action::Wait, PAUSED, pause.describe(), next_at));
        }
        let age =
            self.counted(desired, desired.publish_at).map(|at| now.duration_since(at)).unwrap_or_default();
        if age > policy.max_age && !self.input.overrides.ignore_max_age {
            return Some(verdict(
                Action::Refuse,
                "too-old",
                format!(
                    "due {} ago, longer than `policy.max_age` ({}); change `publish_at`, or say --ignore-max-age",
                    rounded(age),
                    rounded(policy.max_age)
                ),
            ));
        }
        let at = opens_at.filter(|at| at.duration_since(now) > policy.stage_ahead && *at > now)?;
        if desired.publish_at == Some(at) {
            return Some((Action::Wait, SCHEDULED, format!("due at {at}"), Some(at)));
        }
        let hours = desired.quiet.as_ref().map(|quiet| format!(" ({quiet})")).unwrap_or_default();
        Some((Action::Wait, QUIET, format!("quiet hours{hours}: due at {at}"), Some(at)))
    }

    /// What the policy says about a post that did not begin in time. What was in time when quiet hours began is so
    /// when they end.
    pub(super) fn late(&self, desired: &Desired) -> Option<Verdict> {
        let (now, policy) = (self.input.now, self.input.policy);
        let due = self.counted(desired, desired.due())?;
        let quiet = desired.quiet.as_ref().and_then(|quiet| quiet.last(now));
        let since = match quiet {
            Some((began, ended)) if began.duration_since(due) <= policy.late_grace => due.max(ended),
            _ => due,
        };
        let late = now.duration_since(since);
        if late > policy.late_grace && !self.input.overrides.publish_late {
            let (late, grace) = (rounded(late), rounded(policy.late_grace));
            let late = format!("due {late} ago, later than `policy.late.grace` ({grace})");
            match policy.late_then {
                Late::Publish => {}
                Late::Skip => {
                    let message = format!("{late}; `policy.late.then` is skip");
                    return Some(verdict(Action::Skip, LATE, message));
                }
                Late::Ask => {
                    return Some(verdict(
                        Action::Refuse,
                        LATE,
                        format!("{late}; say --publish-late, or change `publish_at`"),
                    ));
                }
            }
        }
        None
    }

    /// From when a time counts: of what is to be published again, from when that was found out.
    fn counted(&self, desired: &Desired, at: Option<Timestamp>) -> Option<Timestamp> {
        let again = self.again.get(&(&desired.post, &desired.account));
        let again = again.filter(|(revision, _)| desired.revision <= *revision).map(|(_, at)| *at);
        at.max(again.filter(|_| at.is_some()))
    }

    fn pause(&self, desired: &Desired) -> Option<&'a Pause> {
        let place = (&desired.post, &desired.account, desired.platform);
        pause_of(self.input.pauses, place, self.input.now)
    }
}

/// A duration for people: its two largest units, `3d 1h`.
pub(super) fn rounded(duration: SignedDuration) -> String {
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let mut left = duration.as_secs();
    let mut parts = Vec::new();
    for (seconds, unit) in units {
        let count = left / seconds;
        left %= seconds;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        } else if !parts.is_empty() {
            break;
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}
