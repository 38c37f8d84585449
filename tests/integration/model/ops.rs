//! What can happen: to the content, to the clock, to the platform and to the process.

use gitcast::rehearsal::Action;
use proptest::prelude::*;
use proptest::sample::select;

use super::content::Kind;

/// Posts in one case. Few, so that what happens meets what happened before.
pub(super) const POSTS: usize = 3;
/// Scenes in one case, at most.
const SCENES_MAX: usize = 12;

/// One thing that happens. Everything is small and counts from 0, so that a failing case shrinks to something readable.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    /// Writes the manifest anew. `due_h`: hours after the start of the case; 0 is "as soon as applied".
    Write {
        post: usize,
        kind: Kind,
        due_h: u8,
    },
    /// Sets the text to one of a few, so that an author can also go back.
    Text {
        post: usize,
        version: u8,
    },
    /// The same for the media.
    Media {
        post: usize,
        version: u8,
    },
    Rename {
        post: usize,
    },
    Delete {
        post: usize,
    },
    /// The tombstone, or back.
    Retire {
        post: usize,
        deleted: bool,
    },
    /// Raises `revision`.
    Revise {
        post: usize,
    },
    Break {
        post: usize,
    },
    Mend {
        post: usize,
    },
    /// Time passes for everybody.
    Pass {
        minutes: u16,
    },
    /// Our clock is set, forwards or back; the platform's goes on as it did.
    Skew {
        minutes: i16,
    },
    /// The `nth` request from now, and `times` in a row.
    Fault {
        operation: &'static str,
        nth: u32,
        times: u32,
        action: Action,
    },
    /// The platform refuses what it has processed, or does so no longer.
    Moderate {
        account: &'static str,
        refuses: bool,
    },
    /// A person stops a post, or all of them.
    Pause {
        post: Option<usize>,
    },
    Resume,
    Plan,
    Apply {
        waits: bool,
    },
    /// An apply that dies.
    Crash {
        place: Place,
        nth: u32,
    },
    /// A person does what the outcomes ask for, and tells the truth.
    Attend,
}

/// Where a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// All that goes before a request is recorded; it never leaves.
    BeforeRequest,
    /// The answer has arrived and is not recorded.
    AfterAnswer,
    /// Something was recorded, and nothing follows.
    AfterCommit,
}

/// Scenes, in which something happens to what was just written, and anything at all between them. In plain random
/// order most faults would meet nothing.
pub(super) fn ops() -> impl Strategy<Value = Vec<Op>> {
    let scene = prop_oneof![
        4 => (write(), 0..4_usize, mostly_one(), 0..10_usize, go()).prop_map(|(write, request, times, what, go)| {
            let fault = fitting(&write, request, times, what);
            vec![write, fault, go]
        }),
        2 => (write(), crash()).prop_map(|(write, crash)| vec![write, crash]),
        2 => (edit(), prop::option::of(fault()), go())
            .prop_map(|(edit, fault, go)| [Some(edit), fault, Some(go)].into_iter().flatten().collect()),
        1 => (fault(), crash(), go()).prop_map(|(fault, crash, go)| vec![fault, crash, go]),
        4 => op().prop_map(|op| vec![op]),
    ];
    prop::collection::vec(scene, 2..SCENES_MAX).prop_map(|scenes| scenes.concat())
}

/// One upload in several chunks, that is interrupted and goes on.
pub(super) fn large() -> impl Strategy<Value = Vec<Op>> {
    let write = Op::Write { post: 0, kind: Kind::Large, due_h: 0 };
    let places = select(vec![Place::BeforeRequest, Place::AfterAnswer, Place::AfterCommit]);
    let crash = (places, 2..9_u32).prop_map(|(place, nth)| Op::Crash { place, nth });
    let trouble = (1..7_u32, 0..10_usize).prop_map(|(nth, what)| Op::Fault {
        operation: "upload",
        nth,
        times: 1,
        action: action("upload", what),
    });
    let troubles = prop::collection::vec(prop_oneof![2 => crash, 1 => trouble], 2..4);
    troubles.prop_map(move |troubles| [vec![write.clone()], troubles].concat())
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => write(),
        4 => edit(),
        2 => select(vec![1_u16, 10, 59, 90, 240, 1_500]).prop_map(|minutes| Op::Pass { minutes }),
        1 => select(vec![1_i16, -1, 70, -70, 1_500, -1_500, 6_000]).prop_map(|minutes| Op::Skew { minutes }),
        3 => fault(),
        1 => (select(&["drafts", "direct", "public"][..]), any::<bool>())
            .prop_map(|(account, refuses)| Op::Moderate { account, refuses }),
        1 => prop::option::of(0..POSTS).prop_map(|post| Op::Pause { post }),
        1 => Just(Op::Resume),
        1 => Just(Op::Plan),
        3 => go(),
        2 => Just(Op::Attend),
    ]
}

fn write() -> impl Strategy<Value = Op> {
    (0..POSTS, select(&Kind::SMALL[..]), due()).prop_map(|(post, kind, due_h)| Op::Write {
        post,
        kind,
        due_h,
    })
}

/// What an author does to a post that is there.
fn edit() -> impl Strategy<Value = Op> {
    let post = || 0..POSTS;
    prop_oneof![
        2 => (post(), 0..3_u8).prop_map(|(post, version)| Op::Text { post, version }),
        2 => (post(), 0..3_u8).prop_map(|(post, version)| Op::Media { post, version }),
        2 => post().prop_map(|post| Op::Rename { post }),
        1 => post().prop_map(|post| Op::Delete { post }),
        1 => (post(), any::<bool>()).prop_map(|(post, deleted)| Op::Retire { post, deleted }),
        3 => post().prop_map(|post| Op::Revise { post }),
        1 => post().prop_map(|post| Op::Break { post }),
        1 => post().prop_map(|post| Op::Mend { post }),
    ]
}

/// An apply, to its end or not.
fn go() -> impl Strategy<Value = Op> {
    prop_oneof![prop::bool::weighted(0.7).prop_map(|waits| Op::Apply { waits }), crash()]
}

fn due() -> impl Strategy<Value = u8> {
    prop_oneof![6 => Just(0_u8), 1 => 1..30_u8]
}

pub(super) fn crash() -> impl Strategy<Value = Op> {
    let places = vec![Place::BeforeRequest, Place::AfterAnswer, Place::AfterCommit];
    (select(places), prop_oneof![3 => 1..5_u32, 1 => 5..12_u32])
        .prop_map(|(place, nth)| Op::Crash { place, nth })
}

/// Mostly around the requests that publish, where it matters.
const OPERATIONS: [&str; 11] = [
    "upload",
    "upload",
    "content_init",
    "content_init",
    "video_init",
    "inbox_init",
    "status",
    "creator_info",
    "video_list",
    "token",
    "*",
];

pub(super) fn fault() -> impl Strategy<Value = Op> {
    (select(&OPERATIONS[..]), mostly_one(), mostly_one(), 0..10_usize).prop_map(
        |(operation, nth, times, what)| Op::Fault { operation, nth, times, action: action(operation, what) },
    )
}

fn mostly_one() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(1_u32), 1 => 2..4_u32]
}

/// A fault of one of the requests that the post will make.
fn fitting(write: &Op, request: usize, times: u32, what: usize) -> Op {
    let requests = match write {
        Op::Write { kind, .. } => kind.requests(),
        _ => &["*"],
    };
    let operation = requests[request % requests.len()];
    Op::Fault { operation, nth: 1, times, action: action(operation, what) }
}

fn action(operation: &str, what: usize) -> Action {
    match what {
        0 => Action::CutBeforeRead,
        1 => Action::EffectThenCut,
        2 => Action::EffectThenStatus { code: 502, body: None },
        3 => Action::Status { code: 500, body: None },
        4 => Action::GarbageBody,
        5 if operation != "token" => Action::ExpireAccessToken,
        6 if operation == "upload" => Action::CutMidRequestBody { after: 1_000 },
        7 => Action::EffectThenStatus { code: 429, body: None },
        8 => Action::EffectThenStatus { code: 200, body: Some(STRANGE.to_owned()) },
        _ => refusal(operation),
    }
}

/// A success, as far as its form goes, that lacks all that matters.
const STRANGE: &str =
    r#"{"data":{"publish_id":{"is":"another"},"status":7},"error":{"code":"ok","message":"","log_id":"1"}}"#;

fn refusal(operation: &str) -> Action {
    let (code, body) = match operation {
        "token" => (400, r#"{"error":"invalid_grant","error_description":"no","log_id":"1"}"#),
        "upload" => (400, ""),
        _ => (400, r#"{"error":{"code":"invalid_params","message":"no","log_id":"1"}}"#),
    };
    Action::Status { code, body: Some(body.to_owned()) }
}
