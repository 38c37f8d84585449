//! The adapter against the stand-in TikTok, over real HTTP: how many posts are there in the end?

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::support::{account, file, image, pass_steadily, prepare, video};
use crate::clock::Clock;
use crate::domain::grant::Grant;
use crate::domain::ids::ContentDigest;
use crate::domain::media::{Medium, Probe, Video};
use crate::domain::payload::Payload;
use crate::domain::project::Mode::{self, Direct, Draft};
use crate::domain::publication::{Checkpoint, Reason, Remote};
use crate::domain::retry::ErrorKind::{self, *};
use crate::platform::http::Http;
use crate::platform::tiktok::Tiktok;
use crate::platform::{Error, Job, Observation, Platform, RequestLog, Sent, Staged, upload};
use crate::rehearsal::{AccountSetup, Action, Fault, IdStyle, Options, PerformedPublication, Rehearsal};
use crate::secret::Secret;

/// Steps after which a run counts as endless.
const STEPS_MAX: usize = 300;
/// Between looks, for what the stand-in does in the background.
const BREATH: Duration = Duration::from_millis(2);
/// Six chunks.
const LARGE: usize = 64_000_001;
const SMALL: usize = 10_000;

/// How a run ended.
#[derive(Debug, PartialEq)]
enum End {
    Published(Remote),
    Delivered,
    Rejected(String),
    Held(String),
    Failed(ErrorKind, String),
}

/// A project, an account at a stand-in, and a clock that jumps over every wait.
struct Stage {
    rehearsal: Rehearsal,
    tiktok: Tiktok,
    grant: Grant,
    mode: Mode,
    audited: bool,
    /// Milliseconds that were waited, on top of the system's clock.
    waited: Arc<AtomicI64>,
    content: tempfile::TempDir,
}

impl Stage {
    async fn new(mode: Mode, setup: AccountSetup) -> Stage {
        Stage::with(mode, setup, Options::default()).await
    }

    async fn with(mode: Mode, setup: AccountSetup, options: Options) -> Stage {
        let content = tempfile::tempdir().expect("a directory");
        let waited = Arc::new(AtomicI64::new(0));
        let clock = waited.clone();
        let audited = setup.audited;
        let options = Options {
            clock: Arc::new(move || Timestamp::now().as_millisecond() + clock.load(Ordering::SeqCst)),
            content: Some(content.path().to_owned()),
            accounts: vec![setup],
            ..options
        };
        let rehearsal = Rehearsal::start(options).await.expect("a stand-in");
        let tiktok = adapter(&rehearsal, mode, audited, &waited);
        let reply = rehearsal.issue_grant("brand").expect("a grant");
        let grant = tiktok.read_grant(&reply, now(&waited)).expect("a readable grant");
        Stage { rehearsal, tiktok, grant, mode, audited, waited, content }
    }

    async fn public() -> Stage {
        Stage::new(Direct, AccountSetup::audited("brand")).await
    }

    fn fault(&self, operation: &str, nth: u32, action: Action) {
        assert!(self.rehearsal.faults().add(Fault::nth(operation, nth, action)));
    }

    fn now(&self) -> Timestamp {
        now(&self.waited)
    }

    fn wait(&self, time: Duration) {
        self.waited.fetch_add(i64::try_from(time.as_millis()).expect("short"), Ordering::SeqCst);
    }

    /// Another process.
    fn restart(&mut self) {
        self.tiktok = adapter(&self.rehearsal, self.mode, self.audited, &self.waited);
    }

    fn payload(&self, options: &str, media: &[Medium]) -> Payload {
        let items = "  - file: x\n".repeat(media.len());
        let yaml = format!("id: p\nmedia:\n{items}to:\n  brand: {{ {options} }}\ntext: We shipped\n");
        let account = account(self.mode, self.audited, Some(self.rehearsal.base_url()));
        let prepared = prepare(account, &yaml, media);
        prepared.payload.unwrap_or_else(|| panic!("{:?}", prepared.diagnostics))
    }

    fn video(&self, size: usize) -> Medium {
        let mut bytes = b"\0\0\0\x18ftypisom".to_vec();
        bytes.extend((0..9_973).map(|n: usize| (n % 251) as u8).collect::<Vec<_>>().repeat(size / 9_973 + 1));
        bytes.truncate(size);
        let path = self.content.path().join("a.mp4");
        std::fs::write(&path, &bytes).expect("write");
        let stamp = upload::stamp_of(&std::fs::metadata(&path).expect("metadata"));
        let probe = Probe::Video(video());
        Medium::File {
            path: "a.mp4".into(),
            size: size as u64,
            digest: ContentDigest([0; 32]),
            stamp,
            probe,
            url: None,
        }
    }

    fn photo(&self, name: &str) -> Medium {
        std::fs::write(self.content.path().join(name), jpeg(1_080, 1_920)).expect("write");
        let url = format!("{}/content/{name}", self.rehearsal.base_url());
        file(Probe::Image(image()), 1_000, Some(&url))
    }

    fn job(&self, payload: Payload) -> Job {
        Job {
            payload: Arc::new(payload),
            content: self.content.path().to_owned(),
            checkpoint: None,
            key: crate::domain::ids::ContentDigest([7; 32]),
            remote: Default::default(),
            publish_at: None,
            now: self.now(),
            intended_at: None,
            taken: Arc::default(),
            look_back_to: None,
            reason: None,
            progress: Default::default(),
            log: Default::default(),
        }
    }

    async fn run(&mut self, payload: Payload) -> End {
        let mut job = self.job(payload);
        self.finish(&mut job).await
    }

    /// What the executor does, in short: stage, publish once, look; again only where that is proven to be safe.
    async fn finish(&mut self, job: &mut Job) -> End {
        let mut steps = 0..STEPS_MAX;
        'staging: loop {
            loop {
                steps.next().expect("staging comes to an end");
                job.now = self.now();
                match self.tiktok.stage(job, &self.grant).await {
                    Ok(Staged::More(checkpoint)) => job.checkpoint = Some(checkpoint),
                    Ok(Staged::Wait(checkpoint, wait)) => {
                        job.checkpoint = Some(checkpoint);
                        self.wait(wait);
                    }
                    Ok(Staged::Ready(checkpoint)) => {
                        job.checkpoint = Some(checkpoint);
                        break;
                    }
                    Err(error) if matches!(error.kind, Transient | Protocol) => {
                        self.wait(Duration::from_secs(1))
                    }
                    Err(error) => return End::Failed(error.kind, error.code),
                }
            }
            loop {
                steps.next().expect("publishing comes to an end");
                job.now = self.now();
                job.intended_at = Some(job.now);
                match self.tiktok.publish(job, &self.grant).await {
                    Ok(Sent::Accepted(checkpoint, wait)) => {
                        job.checkpoint = Some(checkpoint);
                        self.wait(wait);
                    }
                    Ok(Sent::Published(remote, _)) => return End::Published(remote),
                    Ok(Sent::Partly(..)) => unreachable!("a post on TikTok has one part"),
                    Ok(Sent::Stale(checkpoint, _)) => {
                        job.checkpoint = Some(checkpoint);
                        continue 'staging;
                    }
                    Err(error) if matches!(error.kind, Ambiguous | Protocol) => {}
                    Err(error) if error.kind == Transient => continue,
                    Err(error) => return End::Failed(error.kind, error.code),
                }
                match self.settle(job).await {
                    Ok(end) => return end,
                    Err((checkpoint, is_staged)) => {
                        job.checkpoint = checkpoint;
                        if !is_staged {
                            continue 'staging;
                        }
                    }
                }
            }
        }
    }

    /// Looks until it is clear. `Err`: provably not there, with what is left to go on from, and whether that is staged.
    async fn settle(&self, job: &mut Job) -> Result<End, (Option<Checkpoint>, bool)> {
        for _ in 0..STEPS_MAX {
            tokio::time::sleep(BREATH).await;
            job.now = self.now();
            match self.tiktok.observe(job, &self.grant).await {
                Ok(Observation::Published { checkpoint, again: Some(wait), .. }) => {
                    job.checkpoint = checkpoint;
                    self.wait(wait);
                }
                Ok(Observation::Published { remote, checkpoint, again: None }) => {
                    job.checkpoint = checkpoint;
                    return Ok(End::Published(remote));
                }
                Ok(Observation::Delivered { checkpoint, .. }) => {
                    job.checkpoint = checkpoint;
                    return Ok(End::Delivered);
                }
                Ok(Observation::Working(checkpoint, wait)) => {
                    job.checkpoint = Some(checkpoint);
                    self.wait(wait);
                }
                Ok(Observation::Unknown(wait)) => {
                    pass_steadily(wait).await;
                    self.wait(wait);
                }
                Ok(Observation::Absent(checkpoint, _)) => {
                    let is_staged = checkpoint.is_some();
                    return Err((checkpoint, is_staged));
                }
                Ok(Observation::Partly(..)) => unreachable!("a post on TikTok has one part"),
                Ok(Observation::Lost(checkpoint, _)) => return Err((Some(checkpoint), false)),
                Ok(Observation::Rejected(Reason { code, .. })) => return Ok(End::Rejected(code)),
                Ok(Observation::CannotTell(Reason { code, .. })) => return Ok(End::Held(code)),
                Err(Error { kind: Transient, .. }) => self.wait(Duration::from_secs(1)),
                Err(error) => return Ok(End::Failed(error.kind, error.code)),
            }
        }
        panic!("observing comes to no end");
    }

    fn live(&self) -> Vec<PerformedPublication> {
        self.rehearsal.publications().into_iter().filter(PerformedPublication::is_live).collect()
    }

    /// Exactly one post, with all of the file's bytes.
    fn assert_one(&self, what: &str) {
        let live = self.live();
        assert_eq!(live.len(), 1, "{what}: {live:?}");
        let sent = std::fs::read(self.content.path().join("a.mp4")).expect("read");
        assert!(std::fs::read(&live[0].media[0].path).expect("read") == sent, "{what}: other bytes");
    }
}

fn now(waited: &AtomicI64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_millis(waited.load(Ordering::SeqCst))
}

fn adapter(rehearsal: &Rehearsal, mode: Mode, audited: bool, waited: &Arc<AtomicI64>) -> Tiktok {
    let waited = waited.clone();
    let http = Http::new(Clock::from_fn(move || now(&waited)));
    let mut account = account(mode, audited, Some(rehearsal.base_url()));
    account.client_secret_env = None;
    let keys = Arc::new(|name: &str| match name {
        "TIKTOK_CLIENT_KEY" => Some(Secret::new("rehearsal-key")),
        "TIKTOK_CLIENT_SECRET" => Some(Secret::new("rehearsal-secret")),
        _ => None,
    });
    Tiktok::new(account, http, keys)
}

/// The least that has the dimensions of a JPEG.
fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let ([w0, w1], [h0, h1]) = (width.to_be_bytes(), height.to_be_bytes());
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0];
    bytes.extend([0xff, 0xc0, 0, 17, 8, h0, h1, w0, w1, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xff, 0xd9]);
    bytes
}

fn count(path: &Path, stage: &Stage, operation: &str) -> usize {
    assert!(path.exists());
    stage.rehearsal.requests().iter().filter(|seen| seen.operation == operation).count()
}

#[tokio::test]
async fn a_public_video_of_six_chunks_arrives_whole_and_gets_its_link() {
    for style in [IdStyle::Integers, IdStyle::Strings, IdStyle::Integer, IdStyle::String] {
        let mut stage =
            Stage::new(Direct, AccountSetup { id_style: style, ..AccountSetup::audited("brand") }).await;
        let payload = stage.payload("privacy: public, allow: [comment]", &[stage.video(LARGE)]);
        let End::Published(remote) = stage.run(payload).await else { panic!("not published") };
        stage.assert_one("plain");
        assert_eq!(count(stage.content.path(), &stage, "upload"), 6);
        let post = &stage.live()[0];
        let id = post.post_ids[0].to_string();
        assert_eq!(remote.url, Some(format!("{}/@brand/video/{id}", stage.rehearsal.base_url())));
        assert_eq!(remote.id, Some(id));
        assert_eq!(
            (post.title.as_str(), post.privacy.as_deref()),
            ("We shipped", Some("PUBLIC_TO_EVERYONE"))
        );
        assert_eq!((post.toggles["disable_comment"], post.toggles["disable_duet"]), (false, true));
    }
}

#[tokio::test]
async fn an_unaudited_app_posts_to_a_private_account_for_its_creator_only() {
    let mut stage = Stage::new(Direct, AccountSetup::new("brand")).await;
    let payload = stage.payload("privacy: public", &[stage.video(SMALL)]);
    assert_eq!(stage.run(payload.clone()).await, End::Published(Remote::default()));
    assert_eq!(stage.live()[0].privacy.as_deref(), Some("SELF_ONLY"));
    stage.rehearsal.update_account("brand", |account| account.private = false);
    let refused = "unaudited_client_can_only_post_to_private_accounts";
    assert_eq!(stage.run(payload).await, End::Failed(Permission, refused.into()));
}

#[tokio::test]
async fn a_draft_is_delivered_and_its_publication_is_seen_later() {
    let mut stage = Stage::new(Draft, AccountSetup::new("brand")).await;
    let mut job = stage.job(stage.payload("", &[stage.video(SMALL)]));
    assert_eq!(stage.finish(&mut job).await, End::Delivered);
    stage.assert_one("draft");
    assert!(stage.rehearsal.finish_draft(&stage.live()[0].publish_id));
    let later = stage.settle(&mut job).await;
    assert!(matches!(later, Ok(End::Published(_))), "{later:?}");
}

#[tokio::test]
async fn photos_are_pulled_in_both_modes() {
    for (mode, options) in [(Direct, "privacy: public, title: T, cover: 1"), (Draft, "title: T, cover: 1")] {
        let mut stage = Stage::new(mode, AccountSetup::audited("brand")).await;
        let payload = stage.payload(options, &[stage.photo("1.jpg"), stage.photo("2.jpg")]);
        let end = stage.run(payload).await;
        match mode {
            Direct => assert!(
                matches!(&end, End::Published(Remote { url: Some(url), .. }) if url.contains("/photo/")),
                "{end:?}"
            ),
            Draft => assert_eq!(end, End::Delivered),
        }
        let post = &stage.live()[0];
        assert_eq!(
            (post.title.as_str(), post.description.as_str(), post.cover),
            ("T", "We shipped", Some(1))
        );
        assert_eq!((post.media.len(), stage.live().len()), (2, 1));
    }
}

#[tokio::test]
async fn a_video_is_pulled_from_its_address() {
    for (mode, options) in [(Direct, "privacy: public"), (Draft, "")] {
        let mut stage = Stage::new(mode, AccountSetup::audited("brand")).await;
        stage.video(SMALL);
        let url = format!("{}/content/a.mp4", stage.rehearsal.base_url());
        let payload = stage.payload(options, &[Medium::Url { url }]);
        let end = stage.run(payload).await;
        assert!(matches!(end, End::Published(_) | End::Delivered), "{end:?}");
        stage.assert_one("pull");
        let foreign = Medium::Url { url: "https://elsewhere.example/a.mp4".into() };
        let payload = stage.payload(options, &[foreign]);
        assert_eq!(stage.run(payload).await, End::Failed(Permission, "url_ownership_unverified".into()));
    }
}

fn status(code: u16) -> Action {
    Action::Status { code, body: None }
}

/// Every request fails once, in every way: there is one post in the end, and it is known.
#[tokio::test]
async fn whatever_fails_a_video_is_published_once() {
    let actions = || {
        [
            status(500),
            status(503),
            Action::CutBeforeRead,
            Action::EffectThenCut,
            Action::EffectThenStatus { code: 500, body: None },
            Action::GarbageBody,
        ]
    };
    for operation in ["creator_info", "video_init", "upload", "status"] {
        for action in actions() {
            let what = format!("{operation} {action:?}");
            let mut stage = Stage::public().await;
            stage.fault(operation, 1, action);
            let payload = stage.payload("privacy: public", &[stage.video(SMALL)]);
            let end = stage.run(payload).await;
            assert!(matches!(end, End::Published(Remote { id: Some(_), .. })), "{what}: {end:?}");
            stage.assert_one(&what);
        }
    }
}

#[tokio::test]
async fn whatever_fails_in_the_middle_of_an_upload_it_arrives_whole() {
    let actions = |nth| {
        [
            (nth, status(500)),
            (nth, status(416)),
            (nth, Action::CutMidRequestBody { after: 1_000_000 }),
            (nth, Action::EffectThenCut),
            (nth, Action::EffectThenStatus { code: 502, body: None }),
        ]
    };
    for (nth, action) in [3, 6].into_iter().flat_map(actions) {
        let what = format!("chunk {nth} {action:?}");
        let mut stage = Stage::new(Draft, AccountSetup::new("brand")).await;
        stage.fault("upload", nth, action);
        let payload = stage.payload("", &[stage.video(LARGE)]);
        assert_eq!(stage.run(payload).await, End::Delivered, "{what}");
        stage.assert_one(&what);
        let inits = count(stage.content.path(), &stage, "inbox_init");
        assert_eq!(inits, 1, "{what}: what was uploaded is not thrown away");
    }
}

#[tokio::test]
async fn an_upload_that_tiktok_forgot_begins_anew() {
    for nth in [1, 3] {
        for code in [403, 404] {
            let mut stage = Stage::new(Draft, AccountSetup::new("brand")).await;
            stage.fault("upload", nth, status(code));
            let payload = stage.payload("", &[stage.video(LARGE)]);
            assert_eq!(stage.run(payload).await, End::Delivered);
            stage.assert_one("begun anew");
            assert_eq!(count(stage.content.path(), &stage, "inbox_init"), 2);
        }
    }
}

#[tokio::test]
async fn another_process_goes_on_where_this_one_stopped() {
    let mut stage = Stage::new(Draft, AccountSetup::new("brand")).await;
    let mut job = stage.job(stage.payload("", &[stage.video(LARGE)]));
    for _ in 0..4 {
        let staged = stage.tiktok.stage(&job, &stage.grant).await.expect("a step");
        let Staged::More(checkpoint) = staged else { panic!("{staged:?}") };
        job.checkpoint = Some(checkpoint);
    }
    stage.restart();
    assert_eq!(stage.finish(&mut job).await, End::Delivered);
    stage.assert_one("resumed");
    assert_eq!(count(stage.content.path(), &stage, "upload"), 6);

    // An hour and more later the address has expired.
    let mut job = stage.job(stage.payload("", &[stage.video(LARGE)]));
    for _ in 0..4 {
        let Ok(Staged::More(checkpoint)) = stage.tiktok.stage(&job, &stage.grant).await else {
            panic!("no step")
        };
        job.checkpoint = Some(checkpoint);
    }
    stage.restart();
    stage.wait(Duration::from_secs(5_000));
    assert_eq!(stage.finish(&mut job).await, End::Delivered);
    assert_eq!((stage.live().len(), count(stage.content.path(), &stage, "inbox_init")), (2, 3));
}

#[tokio::test]
async fn a_photo_init_without_an_answer_is_found_or_held_and_never_repeated() {
    let lost = [
        (Action::EffectThenCut, 1),
        (Action::EffectThenStatus { code: 500, body: None }, 1),
        (Action::GarbageBody, 1),
        (Action::CutBeforeRead, 0),
        (status(500), 0),
    ];
    for (privacy, findable) in [("public", true), ("self_only", false)] {
        for (action, posts) in lost.clone() {
            let what = format!("{privacy} {action:?}");
            let mut stage = Stage::public().await;
            stage.fault("content_init", 1, action);
            let payload = stage.payload(&format!("privacy: {privacy}"), &[stage.photo("1.jpg")]);
            let end = stage.run(payload).await;
            match findable && posts == 1 {
                true => assert!(matches!(end, End::Published(Remote { id: Some(_), .. })), "{what}: {end:?}"),
                false => assert!(matches!(end, End::Held(_)), "{what}: {end:?}"),
            }
            assert_eq!(count(stage.content.path(), &stage, "content_init"), 1, "{what}");
            assert!(stage.live().len() <= posts, "{what}");
        }
    }
}

#[tokio::test]
async fn refusals_come_out_as_what_they_are() {
    type Change = fn(&mut AccountSetup);
    let table: [(Change, End); 6] = [
        (
            |a| a.barred = Some("spam_risk_user_banned_from_posting".into()),
            End::Failed(Permission, "spam_risk_user_banned_from_posting".into()),
        ),
        (|a| a.posts_per_day = 0, End::Failed(RateLimited, "spam_risk_too_many_posts".into())),
        (
            |a| a.max_video_post_duration_sec = 5,
            End::Failed(Rejected, "duration-over-creators-maximum".into()),
        ),
        (|a| a.private = true, End::Failed(Rejected, "privacy_level_option_mismatch".into())),
        (
            |a| a.scopes.retain(|scope| scope != "video.publish"),
            End::Failed(Permission, "scope_not_authorized".into()),
        ),
        (|a| a.fail_reason = Some("spam_risk_text".into()), End::Rejected("spam_risk_text".into())),
    ];
    for (change, expected) in table {
        let mut setup = AccountSetup::audited("brand");
        change(&mut setup);
        let mut stage = Stage::new(Direct, setup).await;
        let payload = stage.payload("privacy: public", &[stage.video(SMALL)]);
        assert_eq!(stage.run(payload).await, expected);
        assert!(stage.live().is_empty());
    }
}

#[tokio::test]
async fn an_expired_token_is_renewed_and_the_old_pair_ends() {
    for with_200 in [false, true] {
        let options = Options { oauth_errors_with_200: with_200, ..Options::default() };
        let mut stage = Stage::with(Direct, AccountSetup::audited("brand"), options).await;
        let payload = stage.payload("privacy: public", &[stage.video(SMALL)]);
        stage.wait(Duration::from_secs(7_300));
        assert_eq!(stage.run(payload.clone()).await, End::Failed(Auth, "access_token_invalid".into()));

        let old = stage.grant.clone();
        let log = RequestLog::default();
        stage.grant = stage.tiktok.refresh(&old, &log).await.expect("a new pair");
        assert_ne!(stage.grant.refresh, old.refresh);
        assert_eq!(stage.grant.scopes, old.scopes);
        assert!(matches!(stage.run(payload).await, End::Published(_)));
        let again = stage.tiktok.refresh(&old, &log).await.expect_err("single use");
        assert_eq!((again.kind, again.code.as_str()), (Auth, "invalid_grant"));
        assert_eq!(log.take().len(), 2);
    }
}

#[tokio::test]
async fn a_token_that_expires_while_looking_changes_nothing_about_the_post() {
    let mut stage = Stage::public().await;
    stage.fault("status", 1, Action::ExpireAccessToken);
    let mut job = stage.job(stage.payload("privacy: public", &[stage.video(SMALL)]));
    assert_eq!(stage.finish(&mut job).await, End::Failed(Auth, "access_token_invalid".into()));
    stage.grant = stage.tiktok.refresh(&stage.grant, &RequestLog::default()).await.expect("a new pair");
    let end = stage.settle(&mut job).await;
    assert!(matches!(end, Ok(End::Published(_))), "{end:?}");
    stage.assert_one("after the refresh");
}

#[tokio::test]
async fn a_pull_is_cancelled_while_it_lasts() {
    let stage = Stage::new(Draft, AccountSetup::new("brand")).await;
    let url = format!("{}/content/a.mp4", stage.rehearsal.base_url());
    stage.video(SMALL);
    stage.fault("content", 1, Action::Delay { ms: 60_000 });
    let mut job = stage.job(stage.payload("", &[Medium::Url { url }]));
    let Ok(Sent::Accepted(checkpoint, _)) = stage.tiktok.publish(&job, &stage.grant).await else {
        panic!("refused")
    };
    job.checkpoint = Some(checkpoint);
    stage.tiktok.cancel(&job, &stage.grant).await.expect("cancelled");
    let end = stage.settle(&mut job).await;
    assert_eq!(end, Ok(End::Rejected("publish_cancelled".into())));
    let late = stage.tiktok.cancel(&job, &stage.grant).await.expect_err("too late");
    assert_eq!((late.kind, late.code.as_str()), (Rejected, "publish_not_cancellable"));
}

/// A video's facts never reach the platform, so that this one may be longer than it is.
#[tokio::test]
async fn the_creators_maximum_holds_before_any_byte() {
    let mut stage = Stage::new(
        Direct,
        AccountSetup { max_video_post_duration_sec: 60, ..AccountSetup::audited("brand") },
    )
    .await;
    let Medium::File { path, size, digest, stamp, url, .. } = stage.video(SMALL) else { panic!("no file") };
    let probe = Probe::Video(Video { duration_ms: Some(60_001), ..video() });
    let payload = stage.payload("privacy: public", &[Medium::File { path, size, digest, stamp, probe, url }]);
    assert_eq!(stage.run(payload).await, End::Failed(Rejected, "duration-over-creators-maximum".into()));
    assert_eq!(stage.rehearsal.requests().len(), 1);
}
