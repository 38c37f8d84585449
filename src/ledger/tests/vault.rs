//! Sealed tokens open in their place with their key, and nowhere else.

use std::fs;

use super::*;
use crate::domain::grant::Grant;
use crate::ledger::vault::{Key, KeySource, Place, Vault, VaultError, open, seal};
use crate::secret::Secret;

fn key(digit: char) -> Key {
    let digits = Secret::new(digit.to_string().repeat(64));
    Key::load(Some(&digits), Path::new("unused")).expect("key")
}

fn sealed(key: &Key, place: Place<'_>) -> String {
    seal(key, place, &Secret::new("the-access"), Some(&Secret::new("the-\"refresh"))).expect("seal")
}

#[test]
fn what_is_sealed_opens_again_and_shows_nothing() {
    let account = account();
    let place = Place { lineage: "line", account: &account, generation: 3 };
    let text = sealed(&key('a'), place);
    assert!(text.starts_with("01") && text.bytes().all(|b| b.is_ascii_hexdigit()));
    let (access, refresh) = open(&key('a'), place, &text).expect("open");
    assert_eq!(access.expose(), "the-access");
    assert_eq!(refresh.expect("refresh").expose(), "the-\"refresh");
    assert_ne!(text, sealed(&key('a'), place), "each with a nonce of its own");
    let alone = seal(&key('a'), place, &access, None).expect("seal");
    assert_eq!(open(&key('a'), place, &alone).expect("open").1, None);
    assert_eq!(format!("{:?}", key('a')), "Key(from GITCAST_KEY)");
}

#[test]
fn sealed_tokens_open_in_no_other_place_and_with_no_other_key() {
    let (own, other): (AccountName, AccountName) = (account(), "other".parse().expect("name"));
    let place = Place { lineage: "line", account: &own, generation: 3 };
    let text = sealed(&key('a'), place);
    for (what, key, place) in [
        ("key", key('b'), place),
        ("lineage", key('a'), Place { lineage: "lime", ..place }),
        ("account", key('a'), Place { account: &other, ..place }),
        ("generation", key('a'), Place { generation: 4, ..place }),
    ] {
        let refused = open(&key, place, &text).expect_err(what);
        assert!(matches!(refused, VaultError::NotDecryptable { .. }), "{what}");
        assert!(refused.to_string().contains("GITCAST_KEY"), "{refused}");
    }
}

#[test]
fn a_grant_goes_into_the_ledger_and_comes_back() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    let vault = Vault::new(key('a'), ledger.lineage());
    let grant = Grant {
        access: Secret::new("the-access"),
        refresh: None,
        expires_at: time(100),
        refresh_expires_at: Some(time(200)),
        scopes: vec!["x".into()],
        subject: "me".into(),
    };
    let change = vault.stored(&account(), 1, &grant, "https://example.com".into(), "import").expect("seal");
    ledger.append(time(1), "t", &[Event::Grant { account: account(), change }]).expect("append");
    let record = ledger.grant(&account()).expect("read").expect("there");
    let back = vault.open(&record).expect("open");
    assert_eq!((back.access.expose(), back.refresh), ("the-access", None));
    assert_eq!((back.expires_at, back.refresh_expires_at), (grant.expires_at, grant.refresh_expires_at));
    assert_eq!((back.scopes, back.subject), (grant.scopes, grant.subject));
    assert!(Vault::new(key('a'), "another").open(&record).is_err());
    drop(ledger);
    let bytes = fs::read(folder.ledger()).expect("read");
    assert!(!bytes.windows(10).any(|window| window == b"the-access"), "in clear on the disk");
}

#[test]
fn no_changed_byte_opens() {
    let account = account();
    let place = Place { lineage: "line", account: &account, generation: 3 };
    let text = sealed(&key('a'), place);
    for i in 0..text.len() {
        let mut changed = text.clone();
        changed.replace_range(i..=i, if &text[i..=i] == "0" { "1" } else { "0" });
        open(&key('a'), place, &changed).expect_err("changed");
        open(&key('a'), place, &text[..i]).expect_err("cut short");
    }
    open(&key('a'), place, "zz").expect_err("no digits");
}

#[test]
fn a_key_file_is_made_once_for_its_owner_only() {
    let folder = Folder::new();
    let path = folder.0.path().join("key");
    let account = account();
    let place = Place { lineage: "line", account: &account, generation: 1 };
    let missing = Key::load(None, &path).expect_err("no key");
    assert!(matches!(missing, VaultError::NoKey { .. }));
    let text = sealed(&Key::load_or_create(None, &path).expect("create"), place);
    let bytes = fs::read(&path).expect("read");
    assert_eq!(bytes.len(), 65);
    let again = Key::load_or_create(None, &path).expect("load");
    assert_eq!(again.source(), &KeySource::File(path.clone()));
    open(&again, place, &text).expect("the same key");
    assert_eq!(fs::read(&path).expect("read"), bytes);
    let from_variable = Secret::new(String::from_utf8(bytes).expect("text"));
    let from_variable = Key::load(Some(&from_variable), Path::new("unused")).expect("key");
    open(&from_variable, place, &text).expect("the same key, from the variable");
}

#[test]
fn keys_that_are_none_are_refused_and_not_replaced() {
    let folder = Folder::new();
    let path = folder.0.path().join("key");
    for digits in ["", "ab", &"g".repeat(64), &"a".repeat(65), &"a".repeat(66), &"ä".repeat(32)] {
        let variable = Key::load(Some(&Secret::new(digits)), &path).expect_err("variable");
        assert!(matches!(variable, VaultError::InvalidKey(KeySource::Variable)), "{variable}");
        write_owner_only(&path, digits.as_bytes());
        let file = Key::load_or_create(None, &path).expect_err("file");
        assert!(matches!(file, VaultError::InvalidKey(KeySource::File(_))), "{file}");
        assert_eq!(fs::read(&path).expect("read"), digits.as_bytes());
    }
    write_owner_only(&path, &[0xff; 64]);
    assert!(matches!(Key::load(None, &path), Err(VaultError::InvalidKey(_))));
}

fn write_owner_only(path: &Path, bytes: &[u8]) {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    super::super::open::owner_only(&mut options);
    std::io::Write::write_all(&mut options.open(path).expect("open"), bytes).expect("write");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.0.path().join("key");
    Key::load_or_create(None, &path).expect("create");
    assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        let refused = Key::load(None, &path).expect_err("exposed");
        assert!(refused.to_string().contains(&format!("{mode:04o}")), "{refused}");
    }
}
