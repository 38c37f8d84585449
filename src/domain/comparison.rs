//! Two states of content, compared: what becomes of each post if the one follows the other. For reviews, where there is
//! no ledger: what the earlier state wants and is due counts as published.
//!
//! Pure, as the planner is, whose words it uses.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::ids::{AccountName, PlatformId, PostId};
use super::manifest::DesiredState;
use super::media::Medium;
use super::payload::Payload;
use super::plan::{Action, Desired, Input, Overrides, Plan, Planned, plan};
use super::project::Policy;
use super::publication::{Publication, Remote, State};

/// What happened to a post on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    New,
    Changed,
    /// Its manifest had errors before, so that nobody knows what has changed.
    Mended,
    /// Its manifest has errors now.
    Broken,
    /// Its manifest lies elsewhere, and says the same.
    Renamed,
    /// It is to be deleted.
    Tombstoned,
    /// Its manifest, or the account in it, is gone.
    Removed,
}

/// One difference, and what it comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    pub post: PostId,
    pub account: AccountName,
    pub platform: PlatformId,
    pub change: Kind,
    /// Names of what differs, as far as it can be told.
    pub fields: Vec<String>,
    pub action: Action,
    /// Stable code: why this action.
    pub reason: String,
    /// The same for people.
    pub message: String,
    pub path: String,
    /// Where the manifest was, if that is elsewhere.
    pub path_before: Option<String>,
    pub next_at: Option<Timestamp>,
    pub what: Option<String>,
}

/// What one commit says of its posts.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    pub desired: &'a [Desired],
    /// Posts whose manifests hold errors.
    pub broken: &'a BTreeSet<PostId>,
}

/// Compares `base` with `head`, at `now`, under the policy of the head. `complete`: all of the head was read. The order is
/// that of posts and accounts. Beside it, the plan that the words are from.
pub fn compare(
    base: Side,
    head: Side,
    complete: bool,
    (policy, overrides): (Policy, Overrides),
    now: Timestamp,
) -> (Vec<Difference>, Plan) {
    let recorded: Vec<_> =
        base.desired.iter().filter(|d| is_due(d, now)).map(|d| published(d, now)).collect();
    let mut plan = plan(&Input {
        desired: head.desired,
        recorded: &recorded,
        broken: head.broken,
        complete,
        caps: &BTreeMap::new(),
        spent: &[],
        policy,
        overrides,
        pauses: &[],
        now,
    });
    let key = |d: &Desired| (d.post.clone(), d.account.clone());
    let before: BTreeMap<_, _> = base.desired.iter().map(|d| (key(d), d)).collect();
    let after: BTreeMap<_, _> = head.desired.iter().map(|d| (key(d), d)).collect();
    let mut differences = Vec::new();
    let mut planned = BTreeSet::new();
    plan.changes.retain(|change| {
        let place = (change.post.clone(), change.account.clone());
        let found = kind(before.get(&place).copied(), after.get(&place).copied(), (base, head));
        let is_one = found.is_some();
        if let Some((kind, fields)) = found {
            differences.push(difference(change, kind, fields, before.get(&place).copied()));
        }
        planned.insert(place);
        is_one
    });
    // What was not due is not in the plan: nothing of it can be out.
    for (_, desired) in before.iter().filter(|(place, _)| !planned.contains(*place)) {
        if let Some((kind, fields)) = kind(Some(desired), None, (base, head)) {
            differences.push(gone(desired, kind, fields));
        }
    }
    differences.sort_by(|a, b| (&a.post, &a.account).cmp(&(&b.post, &b.account)));
    (differences, plan)
}

/// Whether it counts as published, or as deleted.
fn is_due(desired: &Desired, now: Timestamp) -> bool {
    desired.publish_at.is_none_or(|at| at <= now)
}

fn published(desired: &Desired, now: Timestamp) -> Publication {
    Publication {
        post: desired.post.clone(),
        account: desired.account.clone(),
        platform: desired.platform,
        state: match desired.state {
            DesiredState::Present | DesiredState::Adopted => State::Published,
            DesiredState::Deleted => State::Deleted,
        },
        digest: desired.digest,
        revision: desired.revision,
        attempts: 1,
        tries: 0,
        sends: 1,
        remote: Remote::default(),
        reason: None,
        next_at: None,
        intended_at: None,
        updated_at: now,
        path: desired.path.clone(),
        fixed: desired.payload.as_ref().and_then(|payload| payload.fixed),
        due_again: None,
        amendment: None,
    }
}

fn kind(
    before: Option<&Desired>,
    after: Option<&Desired>,
    (base, head): (Side, Side),
) -> Option<(Kind, Vec<String>)> {
    let plain = |kind| Some((kind, Vec::new()));
    match (before, after) {
        (None, None) => None,
        (None, Some(after)) if base.broken.contains(&after.post) => plain(Kind::Mended),
        (None, Some(after)) if after.state == DesiredState::Deleted => plain(Kind::Tombstoned),
        (None, Some(_)) => plain(Kind::New),
        (Some(before), None) if head.broken.contains(&before.post) => plain(Kind::Broken),
        (Some(_), None) => plain(Kind::Removed),
        (Some(before), Some(after)) => {
            let fields = fields(before, after);
            if before.state != after.state && after.state == DesiredState::Deleted {
                plain(Kind::Tombstoned)
            } else if !fields.is_empty() {
                Some((Kind::Changed, fields))
            } else if before.path != after.path {
                plain(Kind::Renamed)
            } else {
                None
            }
        }
    }
}

/// Names of what differs in two versions of a post on one account.
fn fields(before: &Desired, after: &Desired) -> Vec<String> {
    let mut fields = BTreeSet::new();
    let mut note = |differs: bool, name: &str| {
        if differs {
            fields.insert(name.to_owned());
        }
    };
    note(before.state != after.state, "state");
    note(before.publish_at != after.publish_at, "publish_at");
    note(before.revision != after.revision, "revision");
    if let Some((before, after)) = before.payload.as_ref().zip(after.payload.as_ref()) {
        note(before.text != after.text, "text");
        note(identities(before) != identities(after), "media");
        for name in options(before, after) {
            note(true, &name);
        }
    }
    if fields.is_empty() && before.digest != after.digest {
        fields.insert("options".to_owned());
    }
    fields.into_iter().collect()
}

fn identities(payload: &Payload) -> Vec<String> {
    payload.media.iter().map(Medium::identity).collect()
}

/// Keys of the adapter's own form that differ. They bear the manifest's names, but for these.
fn options(before: &Payload, after: &Payload) -> BTreeSet<String> {
    let (one, other) = (before.body.value(), after.body.value());
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else {
        return BTreeSet::new();
    };
    let differing = one.keys().chain(other.keys()).filter(|key| one.get(*key) != other.get(*key));
    differing
        .map(|key| match key.as_str() {
            "alts" => "alt",
            "parts" => "text",
            other => other,
        })
        .filter(|key| !matches!(*key, "v" | "kind"))
        .map(str::to_owned)
        .collect()
}

fn difference(change: &Planned, kind: Kind, fields: Vec<String>, before: Option<&Desired>) -> Difference {
    let path_before = before.map(|before| &before.path).filter(|path| **path != change.path).cloned();
    let message = match kind {
        Kind::Renamed => "the path means nothing: no effect".to_owned(),
        _ => change.message.clone(),
    };
    Difference {
        post: change.post.clone(),
        account: change.account.clone(),
        platform: change.platform,
        change: kind,
        fields,
        action: change.action,
        reason: change.reason.clone(),
        message,
        path: change.path.clone(),
        path_before,
        next_at: change.next_at,
        what: change.what.clone(),
    }
}

fn gone(before: &Desired, change: Kind, fields: Vec<String>) -> Difference {
    let (action, reason, message) = match change {
        Kind::Broken => (Action::Unchanged, "manifest-broken", "its manifest holds errors; left as it is"),
        _ => (Action::Skip, "manifest-removed", "it was not due, so that nothing is published"),
    };
    Difference {
        post: before.post.clone(),
        account: before.account.clone(),
        platform: before.platform,
        change,
        fields,
        action,
        reason: reason.to_owned(),
        message: message.to_owned(),
        path: before.path.clone(),
        path_before: None,
        next_at: None,
        what: before.payload.as_ref().map(|payload| payload.what.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ids::ContentDigest;
    use crate::domain::limits::Counts;
    use crate::domain::payload::Estimate;

    fn now() -> Timestamp {
        "2026-12-01T12:00:00Z".parse().expect("time")
    }

    /// A post that says `text`, which can be edited where `fixed` is the same.
    fn post(id: &str, text: &str, fixed: Option<&str>) -> Desired {
        let payload = Payload {
            platform: PlatformId::Mastodon,
            body: json!({ "v": 1, "text": text }).into(),
            media: Vec::new(),
            what: "post".into(),
            text: Some(text.into()),
            counts: Counts::Posts,
            estimate: Estimate::default(),
            fixed: fixed.map(|fixed| ContentDigest::of(fixed.as_bytes())),
        };
        Desired {
            post: id.parse().expect("id"),
            account: "acme".parse().expect("name"),
            platform: PlatformId::Mastodon,
            path: format!("content/{id}.yaml"),
            state: DesiredState::Present,
            revision: 1,
            publish_at: None,
            quiet: None,
            digest: payload.digest(),
            payload: Some(payload),
            can_delete: true,
        }
    }

    fn tombstone(id: &str) -> Desired {
        let digest = ContentDigest::of(b"");
        Desired { state: DesiredState::Deleted, payload: None, digest, ..post(id, "", None) }
    }

    /// `change: action, reason [fields]` of what becomes of one post.
    fn told(base: &[Desired], head: &[Desired], broken: (&[&str], &[&str])) -> Vec<String> {
        let set = |ids: &[&str]| ids.iter().map(|id| id.parse().expect("id")).collect::<BTreeSet<PostId>>();
        let (before, after) = (set(broken.0), set(broken.1));
        let (base, head) = (Side { desired: base, broken: &before }, Side { desired: head, broken: &after });
        let how = (Policy::default(), Overrides::default());
        let (differences, _) = compare(base, head, true, how, now());
        let line = |d: &Difference| format!("{:?}: {:?}, {} {:?}", d.change, d.action, d.reason, d.fields);
        differences.iter().map(line).collect()
    }

    #[test]
    fn each_kind_of_difference_has_its_word() {
        let one = |text, fixed| post("one", text, fixed);
        let later = |text| Desired {
            publish_at: Some("2027-01-01T00:00:00Z".parse().expect("time")),
            ..one(text, None)
        };
        let moved = Desired { path: "content/b/two.yaml".into(), ..one("a", None) };
        let raised = Desired { revision: 2, ..one("b", None) };
        let none: Vec<Desired> = Vec::new();
        let ours: (&[&str], &[&str]) = (&["one"], &[]);
        let theirs: (&[&str], &[&str]) = (&[], &["one"]);
        let all: (&[&str], &[&str]) = (&[], &[]);
        for (base, head, broken, expected) in [
            (none.clone(), vec![one("a", None)], all, "New: Publish, new []"),
            (vec![one("a", Some("x"))], vec![one("b", Some("x"))], all, r#"Changed: Edit, changed ["text"]"#),
            (
                vec![one("a", Some("x"))],
                vec![one("b", Some("y"))],
                all,
                r#"Changed: Diverged, diverged ["text"]"#,
            ),
            (vec![one("a", None)], vec![one("b", None)], all, r#"Changed: Diverged, diverged ["text"]"#),
            (vec![one("a", None)], vec![raised], all, r#"Changed: Publish, revision ["revision", "text"]"#),
            (vec![later("a")], vec![later("b")], all, r#"Changed: Wait, scheduled ["text"]"#),
            (vec![one("a", None)], vec![moved], all, "Renamed: Unchanged, published []"),
            (vec![one("a", None)], vec![tombstone("one")], all, "Tombstoned: Refuse, delete-not-allowed []"),
            (none.clone(), vec![tombstone("one")], all, "Tombstoned: Skip, deleted []"),
            (vec![tombstone("one")], vec![one("a", None)], all, r#"Changed: Skip, deleted ["state"]"#),
            (vec![one("a", None)], none.clone(), all, "Removed: Orphaned, manifest-removed []"),
            (vec![later("a")], none.clone(), all, "Removed: Skip, manifest-removed []"),
            (vec![one("a", None)], none.clone(), theirs, "Broken: Unchanged, manifest-broken []"),
            (vec![later("a")], none.clone(), theirs, "Broken: Unchanged, manifest-broken []"),
            (none.clone(), vec![one("a", None)], ours, "Mended: Publish, new []"),
        ] {
            assert_eq!(told(&base, &head, broken), [expected], "{base:?} {head:?}");
        }
        assert_eq!(told(&[one("a", None)], &[one("a", None)], all), [""; 0]);
        assert_eq!(told(&[], &[], all), [""; 0]);
    }
}
