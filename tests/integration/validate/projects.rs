//! `gitcast.yaml`: with an error in it nothing is known about the accounts, so nothing is planned.

use super::{ACCOUNTS, Case, manifest};

pub(super) fn cases() -> Vec<Case> {
    [documents(), keys(), accounts(), addresses(), policy(), photos()].into_iter().flatten().collect()
}

fn gitcast(yaml: &str, expected: &[&str]) -> Case {
    let expected: Vec<String> = expected.iter().map(|line| line.replace(' ', " gitcast.yaml:")).collect();
    let mut case = Case::new(yaml, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    case.gitcast = Some(yaml.to_owned());
    case.good_stays = false;
    case
}

/// [`ACCOUNTS`] with one text replaced by another, everywhere.
fn with(from: &str, to: &str, expected: &[&str]) -> Case {
    assert!(ACCOUNTS.contains(from), "{from}");
    gitcast(&ACCOUNTS.replacen(from, to, 1), expected)
}

/// With another key at the first account, on line 6.
fn account(key: &str, expected: &[&str]) -> Case {
    with("platform: tiktok\n", &format!("platform: tiktok\n    {key}\n"), expected)
}

fn documents() -> Vec<Case> {
    let mut missing = Case::new("no gitcast.yaml", &["no-project gitcast.yaml"]);
    missing.gitcast = None;
    missing.good_stays = false;
    vec![
        missing,
        gitcast("", &["empty-file 1:1"]),
        gitcast("version: 1\naccounts: [\n", &["yaml-syntax 2:11"]),
        gitcast("version: 1\n", &["missing-key 1:1"]),
        gitcast(&format!("{ACCOUNTS}---\nversion: 1\n"), &["multiple-documents 14:1"]),
    ]
}

fn keys() -> Vec<Case> {
    vec![
        with("version: 1\n", "", &["missing-key 1:1"]),
        with("version: 1", "version: 2", &["invalid-value 1:10"]),
        with("version: 1", "version: one", &["invalid-type 1:10"]),
        with("accounts:", "acounts:", &["missing-key 1:1", "unknown-key 3:1"]),
        with("Europe/Berlin", "Europe/Brelin", &["invalid-value 2:11"]),
        with("Europe/Berlin", "CEST", &["invalid-value 2:11"]),
        with("version: 1", "version: 1\nversion: 1", &["duplicate-key 2:1"]),
        with("version: 1", "version: 1\nlineage: ../x", &["invalid-value 2:10"]),
    ]
}

fn accounts() -> Vec<Case> {
    vec![
        with("  drafts:", "  direct:", &["duplicate-key 6:3"]),
        with("  drafts:", "  a/b:", &["invalid-value 4:3"]),
        with("platform: tiktok", "platform: tictoc", &["invalid-value 5:15"]),
        with("platform: tiktok", "platform: youtube", &["invalid-value 5:15"]),
        with("platform: tiktok", "mode: draft", &["missing-key 4:3"]),
        with("mode: direct", "mode: live", &["invalid-value 8:11"]),
        with("audited: true", "audited: yes", &["invalid-type 12:14"]),
        account("audit: true", &["unknown-key 6:5"]),
        account("client_key_env: brand-key", &["invalid-value 6:21"]),
        // A change of content must not choose which of the environment's secrets is sent to a server.
        account("client_key_env: HOME", &["invalid-value 6:21"]),
        account("client_secret_env: AWS_SECRET_ACCESS_KEY", &["invalid-value 6:24"]),
        account("client_secret_env: BRAND_CLIENT_KEY", &["invalid-value 6:24"]),
        account("client_secret_env: _CLIENT_SECRET", &["invalid-value 6:24"]),
    ]
}

fn addresses() -> Vec<Case> {
    vec![
        account("endpoint: 127.0.0.1:4010", &["invalid-url 6:15"]),
        account("endpoint: https://example.com/v2", &["invalid-url 6:15"]),
        account("endpoint: https://user@example.com", &["invalid-url 6:15"]),
        account("endpoint: ftp://example.com", &["invalid-url 6:15"]),
        account("endpoint: https://example.com:99999", &["invalid-url 6:15"]),
        with("https://media.example.com/", "http://media.example.com/", &["invalid-url 13:17"]),
        with("https://media.example.com/", "https://10.0.0.1/", &["invalid-url 13:17"]),
        with("https://media.example.com/", "https://media.example.com/?token=1", &["invalid-url 13:17"]),
    ]
}

fn policy() -> Vec<Case> {
    let policy = |text: &str, expected: &[&str]| gitcast(&format!("{ACCOUNTS}policy:\n  {text}\n"), expected);
    vec![
        policy("max_age: 7 days", &["invalid-value 15:12"]),
        policy("max_age: -1d", &["invalid-value 15:12"]),
        policy("late: { grace: 2h, then: wait }", &["invalid-value 15:28"]),
        policy("late: skip", &["invalid-type 15:9"]),
        policy("max_new_posts: ten", &["invalid-type 15:18"]),
        policy("max_new_posts: 1000001", &["invalid-value 15:18"]),
    ]
}

/// TikTok pulls photos, so that somewhere they have to be.
fn photos() -> Vec<Case> {
    let served = |base: &str, expected: &[&str]| {
        let photo = "id: bad\nmedia:\n  - file: good.jpg\nto:\n  drafts:\n";
        let mut case = manifest(photo, expected);
        case.gitcast = Some(ACCOUNTS.replace("media_base_url: https://media.example.com/\n", base));
        case
    };
    vec![
        served("", &["media-unreachable 3:11"]),
        served("media_base_url: http://localhost:8000/\n", &["invalid-url 3:11"]),
    ]
}
