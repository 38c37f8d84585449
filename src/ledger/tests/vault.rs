//! Sealed tokens open in their place with their key, and nowhere else.

use std::fs;

use super::*;
use crate::domain::grant::{Grant, GrantRecord};
use crate::domain::ids::hex;
use crate::ledger::vault::{Format, Key, KeyPlace, KeySource, Place, Sealer, Tokens, Vault, VaultError};
use crate::secret::Secret;

pub(super) fn key(digit: char) -> Key {
    Key::parse(&digit.to_string().repeat(64), KeySource::Variable).expect("key")
}

const A: Sealer<'_> = Sealer { format: Format::OwnKey, key: &[0xaa; 32] };
const B: Sealer<'_> = Sealer { format: Format::OwnKey, key: &[0xbb; 32] };

fn sealed(sealer: Sealer<'_>, place: Place<'_>) -> String {
    let (access, refresh) = (Secret::new("the-access"), Secret::new("the-\"refresh"));
    sealer.seal(place, Tokens { access: &access, refresh: Some(&refresh), app: None }).expect("seal")
}

pub(super) fn grant(access: &str) -> Grant {
    Grant {
        access: Secret::new(access),
        refresh: None,
        app: Some(Secret::new("the-app")),
        expires_at: time(100),
        refresh_expires_at: Some(time(200)),
        scopes: vec!["x".into()],
        subject: "me".into(),
    }
}

/// Records a login and gives it as recorded.
pub(super) fn log_in(ledger: &mut Ledger, vault: &Vault, account: &AccountName, access: &str) -> GrantRecord {
    let generation = ledger.grant(account).expect("read").map_or(0, |grant| grant.generation) + 1;
    let change = vault
        .stored(account, generation, &grant(access), "https://example.com".into(), "import")
        .expect("seal");
    ledger.append(time(1), "t", &[Event::Grant { account: account.clone(), change }]).expect("append");
    ledger.grant(account).expect("read").expect("there")
}

#[test]
fn what_is_sealed_opens_again_and_shows_nothing() {
    let account = account();
    let place = Place { lineage: "line", account: &account, generation: 3 };
    let text = sealed(A, place);
    assert!(text.starts_with("01") && text.bytes().all(|b| b.is_ascii_hexdigit()));
    let Tokens { access, refresh, app } = A.open(place, &text).expect("open");
    assert_eq!((access.expose(), app), ("the-access", None));
    assert_eq!(refresh.expect("refresh").expose(), "the-\"refresh");
    assert_ne!(text, sealed(A, place), "each with a nonce of its own");
    let alone = A.seal(place, Tokens { access: &access, refresh: None, app: None }).expect("seal");
    assert_eq!(A.open(place, &alone).expect("open").refresh, None);
    assert_eq!(format!("{:?}", key('a')), "Key(from GITCAST_KEY)");
    assert_eq!(format!("{:?}", Vault::new(key('a'), "line")), "Vault(Key(from GITCAST_KEY))");
}

#[test]
fn sealed_tokens_open_in_no_other_place_and_with_no_other_key() {
    let (own, other): (AccountName, AccountName) = (account(), "other".parse().expect("name"));
    let place = Place { lineage: "line", account: &own, generation: 3 };
    let text = sealed(A, place);
    for (what, sealer, place) in [
        ("key", B, place),
        ("format", Sealer { format: Format::DataKey, ..A }, place),
        ("lineage", A, Place { lineage: "lime", ..place }),
        ("account", A, Place { account: &other, ..place }),
        ("generation", A, Place { generation: 4, ..place }),
    ] {
        assert!(sealer.open(place, &text).is_none(), "{what}");
    }
}

/// The format is as it was before there were recipients; sealed by another implementation of the cipher.
#[test]
fn the_first_format_still_opens() {
    let text = concat!(
        "01000102030405060708090a0b0c0d0e0f10111213141516171b0776534eb6d2ad4dff0168182c9b3109e89c9625973a",
        "fe1620ca9cb5f234cbf2e976d371e1e084c53eb6ba513337e338727ed29fac61a327b020eeda390dfc70",
    );
    let account = account();
    let Tokens { access, refresh, app } =
        A.open(Place { lineage: "line", account: &account, generation: 3 }, text).expect("open");
    assert_eq!((access.expose(), refresh.expect("refresh").expose()), ("the-access", "the-\"refresh"));
    assert_eq!(app, None);
}

#[test]
fn a_grant_goes_into_the_ledger_and_comes_back() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    let vault = Vault::new(key('a'), ledger.lineage());
    let grant = grant("the-access");
    let record = log_in(&mut ledger, &vault, &account(), "the-access");
    let back = vault.open(&record).expect("open");
    assert_eq!((back.access.expose(), back.refresh, back.app), ("the-access", None, grant.app));
    assert_eq!((back.expires_at, back.refresh_expires_at), (grant.expires_at, grant.refresh_expires_at));
    assert_eq!((back.scopes, back.subject), (grant.scopes, grant.subject));
    assert!(Vault::new(key('a'), "another").open(&record).is_err());
    let refused = Vault::new(key('b'), ledger.lineage()).open(&record).expect_err("another key");
    assert!(matches!(refused, VaultError::NotDecryptable { .. }), "{refused}");
    for part in ["GITCAST_KEY", &key('b').public().short(), "another key", "brand"] {
        assert!(refused.to_string().contains(part), "{part}: {refused}");
    }
    drop(ledger);
    let bytes = fs::read(folder.ledger()).expect("read");
    assert!(!bytes.windows(10).any(|window| window == b"the-access"), "in clear on the disk");
}

#[test]
fn no_changed_byte_opens() {
    let account = account();
    let place = Place { lineage: "line", account: &account, generation: 3 };
    let text = sealed(A, place);
    for i in 0..text.len() {
        let mut changed = text.clone();
        changed.replace_range(i..=i, if &text[i..=i] == "0" { "1" } else { "0" });
        assert!(A.open(place, &changed).is_none(), "digit {i} changed");
        assert!(A.open(place, &text[..i]).is_none(), "cut short at {i}");
    }
    assert!(A.open(place, "zz").is_none(), "no digits");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_tokens_come_back(access: String, rest: (Option<String>, Option<String>), key: [u8; 32]) {
        let account = account();
        let place = Place { lineage: "line", account: &account, generation: 1 };
        let sealer = Sealer { format: Format::DataKey, key: &key };
        let (refresh, app) = (rest.0.map(Secret::new), rest.1.map(Secret::new));
        let tokens = Tokens { access: Secret::new(access), refresh, app };
        let borrowed =
            Tokens { access: &tokens.access, refresh: tokens.refresh.as_ref(), app: tokens.app.as_ref() };
        let text = sealer.seal(place, borrowed).expect("seal");
        proptest::prop_assert_eq!(sealer.open(place, &text), Some(tokens));
    }

    #[test]
    fn bytes_that_nobody_sealed_do_not_open(bytes: Vec<u8>, text: String) {
        let account = account();
        let place = Place { lineage: "line", account: &account, generation: 1 };
        for format in [Format::OwnKey, Format::DataKey] {
            let sealer = Sealer { format, ..A };
            let forged = hex(&[&[format as u8], bytes.as_slice()].concat());
            proptest::prop_assert!(sealer.open(place, &forged).is_none());
            proptest::prop_assert!(sealer.open(place, &text).is_none());
        }
    }
}

#[test]
fn a_key_file_is_made_once_for_its_owner_only() {
    let folder = Folder::new();
    let path = folder.0.path().join("key");
    let at = |file: &Path| KeyPlace { variable: None, file: file.to_owned() };
    let missing = at(&path).load(None).expect_err("no key");
    assert!(matches!(missing, VaultError::NoKey { .. }));
    let made = at(&path).load_or_create(None).expect("create").public();
    let bytes = fs::read(&path).expect("read");
    assert_eq!(bytes.len(), 65);
    let again = at(&path).load_or_create(None).expect("load");
    assert_eq!((again.source(), again.public()), (&KeySource::File(path.clone()), made));
    assert_eq!(fs::read(&path).expect("read"), bytes);
    let variable = Some(Secret::new(String::from_utf8(bytes.clone()).expect("text")));
    let from_variable = KeyPlace { variable, file: "unused".into() }.load(None).expect("key");
    assert_eq!((from_variable.source(), from_variable.public()), (&KeySource::Variable, made));
    let taken = Key::create(&path).expect_err("never written over");
    assert!(matches!(taken, VaultError::Taken { .. }), "{taken}");
    assert_eq!(fs::read(&path).expect("read"), bytes);
}

#[test]
fn keys_that_are_none_are_refused_and_not_replaced() {
    let folder = Folder::new();
    let path = folder.0.path().join("key");
    for digits in ["", "ab", &"g".repeat(64), &"a".repeat(65), &"a".repeat(66), &"ä".repeat(32)] {
        let variable = KeyPlace { variable: Some(Secret::new(digits)), file: path.clone() };
        let variable = variable.load(None).expect_err("variable");
        assert!(matches!(variable, VaultError::InvalidKey(KeySource::Variable)), "{variable}");
        write_owner_only(&path, digits.as_bytes());
        let file = KeyPlace { variable: None, file: path.clone() }.load_or_create(None).expect_err("file");
        assert!(matches!(file, VaultError::InvalidKey(KeySource::File(_))), "{file}");
        assert_eq!(fs::read(&path).expect("read"), digits.as_bytes());
    }
    write_owner_only(&path, &[0xff; 64]);
    assert!(matches!(Key::from_file(&path), Err(VaultError::InvalidKey(_))));
}

pub(super) fn write_owner_only(path: &Path, bytes: &[u8]) {
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
    Key::create(&path).expect("create");
    assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        let refused = Key::from_file(&path).expect_err("exposed");
        assert!(refused.to_string().contains(&format!("{mode:04o}")), "{refused}");
    }
}
