//! Keeps the shape of the sources: who may import whom, what is used where, and that no file is left over.
//!
//! Code under `#[cfg(test)]` and in files named `tests` is free in what it imports and prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

mod lex;

const LINES_MAX: usize = 700;
/// Files bigger than this are media.
const BYTES_MAX: u64 = 1 << 20;

/// What each module may import beside itself. `lib.rs` and `main.rs` may all.
const IMPORTS: &[(&str, &[&str])] = &[
    ("secret", &[]),
    ("clock", &[]),
    ("crash", &[]),
    ("git", &[]),
    ("domain", &["secret"]),
    ("content", &["domain", "secret", "clock", "git"]),
    ("ledger", &["domain", "secret", "clock", "crash", "git"]),
    ("platform", &["domain", "secret", "clock"]),
    // The stand-ins read the platforms' documentation on their own, so that a misreading on one side shows.
    ("rehearsal", &["clock"]),
    // Pure: what it shows is handed to it.
    ("pages", &["domain"]),
    ("hooks", &["domain", "ledger", "platform", "secret", "clock", "crash"]),
    // Publishing neither needs nor knows it.
    ("trends", &["domain", "platform", "secret", "clock"]),
    ("reconcile", &["domain", "content", "ledger", "platform", "secret", "clock", "crash"]),
    (
        "cli",
        &[
            "domain",
            "content",
            "ledger",
            "platform",
            "hooks",
            "reconcile",
            "rehearsal",
            "pages",
            "trends",
            "secret",
            "clock",
        ],
    ),
];

/// The only modules that may use these crates.
const OWNERS: &[(&str, &[&str])] = &[
    ("rusqlite", &["ledger"]),
    ("reqwest", &["platform", "hooks", "trends"]),
    ("hmac", &["hooks", "platform", "rehearsal"]),
    ("base64", &["hooks"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("indicatif", &["cli"]),
    ("annotate_snippets", &["cli"]),
    ("serde_yaml", &["domain"]),
    ("notify", &["content"]),
    ("imagesize", &["rehearsal"]),
    ("hyper", &["rehearsal", "cli"]),
    ("hyper_util", &["rehearsal", "cli"]),
];

/// What the pure core does not know.
const IMPURE: &[&[&str]] = &[
    &["tokio"],
    &["tracing"],
    &["getrandom"],
    &["std", "fs"],
    &["std", "env"],
    &["TcpStream"],
    &["TcpListener"],
    &["UdpSocket"],
    &["ToSocketAddrs"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "io"],
    &["SystemTime", "now"],
    &["Instant", "now"],
    &["Timestamp", "now"],
    &["Zoned", "now"],
    &["TimeZone", "system"],
];

const PRINTING: &[&str] = &["print", "println", "eprint", "eprintln"];
const UNFINISHED: &[&str] = &["dbg", "todo", "unimplemented"];
/// Folders of `platform` that all platforms share.
const PLATFORM_SHARED: &[&str] = &["error", "http", "oauth", "upload"];
const PLATFORM_FILES: &[&str] = &["mod.rs", "oauth.rs", "client.rs", "types.rs", "media.rs", "limits.rs"];
/// Paths of one machine and hosts of package registries. (Put together here, or this file would hold them.)
const FORBIDDEN_WORDS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("crates", ".io"),
    concat!("npmjs", ".org"),
    concat!("py", "pi.org"),
    concat!("debian", ".org"),
    concat!("docker", ".io"),
    concat!("dos", "sier"),
];

#[test]
fn the_sources_are_tidy() {
    let sources = read(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(sources.contains_key("src/lib.rs"), "the sources were not found");
    let found = check(&sources);
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

/// All text files of the project by their paths.
type Sources = BTreeMap<String, String>;

fn read(root: &Path) -> Sources {
    let (mut sources, mut folders) = (Sources::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project").map(|e| e.expect("an entry")) {
            let path = entry.path();
            let name =
                path.strip_prefix(root).expect("inside the project").to_string_lossy().replace('\\', "/");
            let kind = entry.file_type().expect("its type");
            if matches!(
                name.as_str(),
                ".git"
                    | "target"
                    | "state"
                    | "Cargo.lock"
                    | "fuzz/target"
                    | "fuzz/artifacts"
                    | "fuzz/Cargo.lock"
            ) || kind.is_symlink()
            {
                continue;
            } else if kind.is_dir() {
                folders.push(path);
            } else if entry.metadata().is_ok_and(|m| m.len() <= BYTES_MAX)
                && let Ok(text) = fs::read_to_string(&path)
            {
                sources.insert(name, text);
            }
        }
    }
    sources
}

/// Every violation as `path:line: what is wrong`.
fn check(sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources {
        words(path, text, &mut found);
        if path.starts_with("src/") && path.ends_with(".rs") && !is_test(path) {
            rust(path, text, sources, &mut found);
        }
    }
    undeclared(sources, &mut found);
    platform_folders(sources, &mut found);
    found
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn words(path: &str, text: &str, found: &mut Vec<String>) {
    for (line, text) in text.lines().enumerate() {
        for word in FORBIDDEN_WORDS.iter().filter(|word| text.to_lowercase().contains(*word)) {
            found.push(format!("{path}:{}: forbidden word `{word}`", line + 1));
        }
    }
}

fn rust(path: &str, text: &str, sources: &Sources, found: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > LINES_MAX {
        found.push(format!("{path}:{lines}: more than {LINES_MAX} lines"));
    }
    let module = module(path);
    let tokens = lex::without_tests(&lex::tokens(&lex::code(text)));
    macros(path, &module, &tokens, found);
    for used in lex::paths(&tokens) {
        let mut report = |what: String| {
            found.push(format!("{path}:{}: {what} (`{}`)", used.line, used.segments.join("::")));
        };
        match absolute(&module, &used.segments) {
            Some(target) => direction(&module, &target, sources, &mut report),
            None => external(&module, &used.segments, &mut report),
        }
    }
}

/// The path of the module that a file holds: `platform::tiktok` for `src/platform/tiktok/mod.rs`.
fn module(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    inner.split('/').filter(|part| !matches!(*part, "lib" | "main")).map(str::to_owned).collect()
}

/// A path inside the crate from its root, whichever way it was written; nothing if it leads elsewhere.
fn absolute(module: &[String], segments: &[String]) -> Option<Vec<String>> {
    let ups = segments.iter().take_while(|segment| *segment == "super").count();
    match segments.first().map(String::as_str) {
        Some("crate" | "gitcast") => Some(segments[1..].to_vec()),
        Some("self") => Some([module, &segments[1..]].concat()),
        Some("super") => Some([&module[..module.len().saturating_sub(ups)], &segments[ups..]].concat()),
        _ => None,
    }
}

fn direction(from: &[String], to: &[String], sources: &Sources, report: &mut impl FnMut(String)) {
    let Some(layer) = from.first() else { return };
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| name == layer) else {
        return report(format!("`{layer}` has no place in the table of imports"));
    };
    let Some(target) = to.first().filter(|target| IMPORTS.iter().any(|(name, _)| name == target)) else {
        return report("imports from the root: name the module that defines it".to_owned());
    };
    if target != layer && !allowed.contains(&target.as_str()) {
        report(format!("`{layer}` may not import `{target}`"));
    }
    let is_platform = |name: &&String| sources.contains_key(&format!("src/platform/{name}/mod.rs"));
    let platform =
        |path: &[String]| path.get(1).filter(|_| path[0] == "platform").filter(is_platform).cloned();
    let may_name_all = layer == "cli" || from == ["platform"];
    if let Some(named) = platform(to)
        && !may_name_all
        && platform(from).is_none_or(|own| own != named)
    {
        report(format!("`{}` may not know the platform `{named}`", from.join("::")));
    }
}

fn external(module: &[String], segments: &[String], report: &mut impl FnMut(String)) {
    let Some(layer) = module.first() else { return };
    for (name, owners) in OWNERS {
        if segments[0] == *name && !owners.contains(&layer.as_str()) {
            report(format!("`{name}` may be used in {} only", owners.join(" and ")));
        }
    }
    let holds = |part: &&[&str]| {
        if part[0].starts_with(char::is_uppercase) {
            segments.windows(part.len()).any(|window| window.iter().eq(part.iter()))
        } else {
            segments.iter().take(part.len()).eq(part.iter())
        }
    };
    if layer == "domain"
        && let Some(part) = IMPURE.iter().copied().find(|part| holds(part))
    {
        report(format!("`domain` is pure and does not know `{}`", part.join("::")));
    }
}

fn macros(path: &str, module: &[String], tokens: &[lex::Token], found: &mut Vec<String>) {
    let may_print = module.first().is_none_or(|layer| layer == "cli");
    for pair in tokens.windows(2).filter(|pair| pair[1].text == "!") {
        let (name, line) = (pair[0].text.as_str(), pair[0].line);
        if PRINTING.contains(&name) && !may_print {
            found.push(format!("{path}:{line}: `{name}!` outside cli"));
        }
        if UNFINISHED.contains(&name) {
            found.push(format!("{path}:{line}: `{name}!` is left over"));
        }
    }
}

fn undeclared(sources: &Sources, found: &mut Vec<String>) {
    let mut open = vec!["src/lib.rs".to_owned(), "src/main.rs".into(), "tests/integration/main.rs".into()];
    let mut reached: BTreeSet<String> = BTreeSet::new();
    while let Some(path) = open.pop() {
        let Some(text) = sources.get(&path) else { continue };
        for name in lex::declared(&lex::tokens(&lex::code(text))) {
            let folder = folder_of(&path);
            open.extend([format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]);
        }
        reached.insert(path);
    }
    let ours = |path: &&String| {
        (path.starts_with("src/") || path.starts_with("tests/integration/")) && path.ends_with(".rs")
    };
    let left = sources.keys().filter(ours).filter(|path| !reached.contains(*path));
    found.extend(left.map(|path| format!("{path}:1: no `mod` declares this file")));
}

/// Where the modules that a file declares lie.
fn folder_of(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').expect("a path in a folder");
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        name => format!("{folder}/{}", name.trim_end_matches(".rs")),
    }
}

fn platform_folders(sources: &Sources, found: &mut Vec<String>) {
    for platform in platforms(sources) {
        for file in PLATFORM_FILES {
            let path = format!("src/platform/{platform}/{file}");
            if !sources.contains_key(&path) {
                found.push(format!("{path}:1: each platform has the same six files; this one is missing"));
            }
        }
    }
}

fn platforms(sources: &Sources) -> BTreeSet<&str> {
    let inner = sources.keys().filter_map(|path| path.strip_prefix("src/platform/")?.split_once('/'));
    inner.map(|(folder, _)| folder).filter(|folder| !PLATFORM_SHARED.contains(folder)).collect()
}

/// What `check` says of a project of these files, whose modules are all declared.
fn checked(files: &[(&str, &str)]) -> Vec<String> {
    let mut sources: Sources = files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect();
    for file in PLATFORM_FILES {
        for platform in ["tiktok", "x"] {
            sources.entry(format!("src/platform/{platform}/{file}")).or_default();
        }
    }
    check(&sources).into_iter().filter(|found| !found.contains("no `mod`")).collect()
}

#[test]
fn a_forbidden_import_is_found_however_it_is_written() {
    for (path, text, line) in [
        ("src/domain/plan.rs", "//! doc\nuse crate::ledger::Ledger;", 2),
        ("src/domain/plan.rs", "use crate::{domain::ids, platform};", 1),
        ("src/domain/plan.rs", "use crate::{\n    domain::{ids, span},\n    clock::Clock,\n};", 3),
        ("src/domain/manifest/mod.rs", "use super::super::content;", 1),
        ("src/domain/manifest/node.rs", "fn f() { super::super::super::cli::run() }", 1),
        ("src/domain/plan.rs", "use crate::*;", 1),
        ("src/content/scan.rs", "fn f() -> crate::platform::Error { }", 1),
        ("src/content/scan.rs", "use crate::ledger;", 1),
        ("src/ledger/mod.rs", "use crate::content::scan;", 1),
        ("src/platform/http.rs", "use super::tiktok::client;", 1),
        ("src/platform/x/mod.rs", "use crate::platform::tiktok::types;", 1),
        ("src/platform/x/client.rs", "use super::super::tiktok;", 1),
        ("src/rehearsal/mod.rs", "use crate::domain::ids::hex;", 1),
        ("src/rehearsal/tiktok/mod.rs", "use crate::platform::http;", 1),
        ("src/reconcile/mod.rs", "use crate::platform::tiktok::Tiktok;", 1),
        ("src/reconcile/mod.rs", "use crate::cli;", 1),
        ("src/clock.rs", "use crate::domain::ids;", 1),
        ("src/new.rs", "use crate::domain::ids;", 1),
    ] {
        let found = checked(&[(path, text)]);
        assert_eq!(found.len(), 1, "{path}: {text}: {found:?}");
        assert!(found[0].starts_with(&format!("{path}:{line}: ")), "{found:?}");
    }
}

#[test]
fn what_is_used_in_the_wrong_place_is_found() {
    for (path, text) in [
        ("src/domain/plan.rs", "use std::{fmt, fs};"),
        ("src/domain/plan.rs", "fn f() { std::env::var(x) }"),
        ("src/domain/plan.rs", "fn f() { jiff::Timestamp::now() }"),
        ("src/domain/plan.rs", "fn f() { Timestamp::now() }"),
        ("src/domain/plan.rs", "use tokio::time;"),
        ("src/domain/plan.rs", "use clap;"),
        ("src/reconcile/mod.rs", "use rusqlite::Connection;"),
        ("src/cli/auth.rs", "fn f() { reqwest::get(x) }"),
        ("src/content/scan.rs", "#[derive(clap::Args)] struct A;"),
        ("src/content/scan.rs", "fn f() { println!(x) }"),
        ("src/platform/http.rs", "fn f() { anstream::eprintln!(x) }"),
        ("src/cli/mod.rs", "fn f() { todo!() }"),
        ("src/cli/mod.rs", "fn f() { dbg!(x); }"),
        ("README.md", concat!("see /wo", "rk/x")),
        (".ci/run", concat!("curl https://crates", ".io/x")),
    ] {
        let found = checked(&[(path, text)]);
        assert_eq!(found.len(), 1, "{path}: {text}: {found:?}");
        assert!(found[0].starts_with(&format!("{path}:1: ")), "{found:?}");
    }
    assert_eq!(checked(&[("src/cli/mod.rs", &"\n".repeat(LINES_MAX + 1))]).len(), 1);
}

#[test]
fn what_is_allowed_is_not_found() {
    for (path, text) in [
        ("src/main.rs", "fn main() { gitcast::cli::run(); println!(x) }"),
        ("src/domain/grant.rs", "use crate::secret::Secret; use super::ids; use std::time::Duration;"),
        ("src/domain/plan.rs", "//! use crate::ledger;\nconst A: &str = \"crate::ledger println!\";"),
        ("src/domain/plan.rs", "#[cfg(test)]\nmod tests { use crate::ledger; fn f() { println!(x) } }"),
        ("src/domain/plan/tests.rs", "use crate::ledger;"),
        ("src/platform/mod.rs", "pub mod tiktok; fn f() { tiktok::new(); super::platform::x::new() }"),
        ("src/platform/tiktok/client.rs", "use super::types; use crate::platform::{Error, http::Http};"),
        ("src/reconcile/mod.rs", "use crate::platform::Platform; use crate::clock::Clock;"),
        ("src/rehearsal/tiktok/mod.rs", "use super::store; use crate::clock::Clock; use std::fs;"),
        ("src/cli/mod.rs", "use crate::rehearsal::tiktok; use clap::Parser; fn f() { println!(x) }"),
    ] {
        assert_eq!(checked(&[(path, text)]), [""; 0], "{path}: {text}");
    }
}

#[test]
fn a_file_that_nobody_declares_and_a_platform_without_a_file_are_found() {
    let mut sources = Sources::new();
    for (path, text) in [
        ("src/lib.rs", "pub mod a; pub mod platform;"),
        ("src/a.rs", "mod b; /* mod c; */ #[cfg(test)] mod tests;"),
        ("src/a/b.rs", ""),
        ("src/a/c.rs", ""),
        ("src/a/tests.rs", ""),
        ("src/platform/mod.rs", "mod y;"),
        ("src/platform/y/mod.rs", "mod oauth; mod client; mod types; mod media;"),
        ("src/platform/y/oauth.rs", ""),
        ("src/platform/y/client.rs", ""),
        ("src/platform/y/types.rs", ""),
        ("src/platform/y/media.rs", ""),
        ("tests/integration/lost.rs", ""),
    ] {
        sources.insert(path.to_owned(), text.to_owned());
    }
    let found = check(&sources);
    let places: Vec<&str> = found.iter().map(|f| f.split(':').next().expect("a path")).collect();
    assert_eq!(places, ["src/a/c.rs", "tests/integration/lost.rs", "src/platform/y/limits.rs"], "{found:?}");
}
