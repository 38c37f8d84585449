//! Forms by which a person acts, where that is allowed.

use maud::{Markup, html};

use super::{Account, Item, Site};
use crate::domain::act::{Act, of_account, of_publication};
use crate::domain::ids::{AccountName, PostId};

/// Where forms are sent.
pub const ACT: &str = "act";

pub(super) fn reconcile(site: &Site) -> Markup {
    form(site, Act::Reconcile, (None, None), None)
}

pub(super) fn of_item(site: &Site, item: &Item) -> Markup {
    let (post, account) = (&item.change.post, &item.change.account);
    let seen = item.recorded.as_ref().map(|p| p.updated_at.as_nanosecond());
    let acts = of_publication((post, account), item.recorded.as_ref(), &site.paused);
    html! {
        @if site.form_key.is_some() && !acts.is_empty() {
            div.acts { @for act in acts { (form(site, act, (Some(post), Some(account)), seen)) } }
        }
    }
}

pub(super) fn of(site: &Site, account: &Account) -> Markup {
    html! {
        @if site.form_key.is_some() {
            div.acts { (form(site, of_account(&account.name, &site.paused), (None, Some(&account.name)), None)) }
        }
    }
}

/// Nothing where nobody may act.
fn form(
    site: &Site,
    act: Act,
    (post, account): (Option<&PostId>, Option<&AccountName>),
    seen: Option<i128>,
) -> Markup {
    let Some(key) = &site.form_key else { return html! {} };
    let (word, what) = match act {
        Act::Reconcile => ("Look now", "Read content and go on at once"),
        Act::Retry => ("Try again", "Send it once more"),
        Act::Pause => ("Pause", "Send nothing more until it is resumed; what may be live is still found out"),
        Act::Resume => ("Resume", "Let it be sent again"),
    };
    html! {
        form method="post" action=(ACT) {
            input type="hidden" name="key" value=(key);
            input type="hidden" name="do" value=(act.as_str());
            @if let Some(post) = post { input type="hidden" name="post" value=(post); }
            @if let Some(account) = account { input type="hidden" name="account" value=(account); }
            // When what is shown was recorded: something else may have happened since.
            @if let Some(seen) = seen { input type="hidden" name="seen" value=(seen); }
            button type="submit" title=(what) { (word) @if let Some(account) = account { span.hidden { " " @if let Some(post) = post { (post) " on " } (account) } } }
        }
    }
}
