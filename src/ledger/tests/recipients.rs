//! Several keys open one ledger, each only as long as it is on the list.

use std::fs;

use super::vault::{grant, key, log_in, write_owner_only};
use super::*;
use crate::domain::ids::RecipientName;
use crate::domain::recipient::{self, IllegalRecipients, Member, Recipient};
use crate::ledger::vault::{Key, KeyPlace, KeySource, Vault, VaultError};

fn name(text: &str) -> RecipientName {
    text.parse().expect("name")
}

fn member(text: &str, key: &Key) -> Member {
    Member { name: name(text), key: key.public() }
}

fn vault(ledger: &Ledger, key: Key) -> Result<Vault, VaultError> {
    Vault::of(key, ledger.lineage(), ledger.recipients().expect("read"))
}

fn record(ledger: &mut Ledger, events: &[Event]) {
    ledger.append(time(2), "t", events).expect("append");
}

/// Lets `added` open what `by` opens.
fn add(ledger: &mut Ledger, by: Key, added: Member) {
    let vault = vault(ledger, by).expect("opens");
    let members = recipient::with(&vault.members(), added).expect("legal");
    let events = vault.opened_to(&members, &ledger.grants().expect("read")).expect("sealed");
    record(ledger, &events);
}

fn remove(ledger: &mut Ledger, by: Key, removed: &str) {
    let vault = vault(ledger, by).expect("opens");
    let members = recipient::without(&vault.members(), &name(removed)).expect("legal");
    let events = vault.sealed_anew(None, &members, &ledger.grants().expect("read")).expect("sealed");
    record(ledger, &events);
}

/// What `key` reads of the account's login.
fn access(ledger: &Ledger, key: Key) -> Result<String, VaultError> {
    let record = ledger.grant(&account()).expect("read").expect("there");
    Ok(vault(ledger, key)?.open(&record)?.access.expose().to_owned())
}

/// A login, the keys `a` (owner) and `b` (ci).
fn shared() -> (Folder, Ledger) {
    let folder = Folder::new();
    let mut ledger = folder.create();
    let only = vault(&ledger, key('a')).expect("no recipients");
    log_in(&mut ledger, &only, &account(), "first");
    add(&mut ledger, key('a'), member("ci", &key('b')));
    (folder, ledger)
}

#[test]
fn each_of_the_recipients_opens_and_seals_for_all() {
    let (_folder, mut ledger) = shared();
    assert_eq!(ledger.grant(&account()).expect("read").expect("there").generation, 1);
    assert_eq!(access(&ledger, key('a')).expect("owner"), "first");
    assert_eq!(access(&ledger, key('b')).expect("ci"), "first");
    let by_ci = vault(&ledger, key('b')).expect("ci");
    log_in(&mut ledger, &by_ci, &account(), "second");
    assert_eq!(access(&ledger, key('a')).expect("owner"), "second");
    // A third one is let in by the second, and nothing has to be sealed anew for it.
    let sealed = ledger.grant(&account()).expect("read").expect("there").sealed;
    add(&mut ledger, key('b'), member("ben", &key('c')));
    assert_eq!(ledger.grant(&account()).expect("read").expect("there").sealed, sealed);
    for key in [key('a'), key('b'), key('c')] {
        assert_eq!(access(&ledger, key).expect("all three"), "second");
    }
    let list = ledger.recipients().expect("read").expect("there");
    let names: Vec<_> = list.recipients.iter().map(|r| r.name.as_str()).collect();
    assert_eq!((names, list.epoch, list.by), (vec!["owner", "ci", "ben"], 1, key('b').public()));
    let wrapped: std::collections::HashSet<_> = list.recipients.iter().map(|r| &r.wrapped).collect();
    assert_eq!(wrapped.len(), 3);
    assert_eq!(ledger.verify().expect("verify"), []);
    ledger.refold().expect("refold");
    assert_eq!(ledger.recipients().expect("read"), Some(list));
}

#[test]
fn the_key_of_somebody_else_says_so_and_whose_there_are() {
    let (_folder, ledger) = shared();
    let refused = access(&ledger, key('d')).expect_err("a stranger");
    assert!(matches!(refused, VaultError::NotARecipient { .. }), "{refused}");
    let shown = refused.to_string();
    for part in
        ["GITCAST_KEY".to_owned(), key('d').public().short(), "owner".into(), key('b').public().short()]
    {
        assert!(shown.contains(&part), "{part}: {shown}");
    }
    assert!(!shown.contains(&"d".repeat(64)), "{shown}");
}

#[test]
fn whoever_was_removed_opens_nothing_new() {
    let (_folder, mut ledger) = shared();
    let before = ledger.grant(&account()).expect("read").expect("there");
    let as_it_was = vault(&ledger, key('b')).expect("ci");
    remove(&mut ledger, key('a'), "ci");
    let after = ledger.grant(&account()).expect("read").expect("there");
    assert_eq!((after.generation, after.stored_at), (before.generation, before.stored_at));
    assert!(matches!(access(&ledger, key('b')), Err(VaultError::NotARecipient { .. })));
    // Not even with the data key that it knew.
    assert!(matches!(as_it_was.open(&after), Err(VaultError::NotDecryptable { .. })));
    assert_eq!(as_it_was.open(&before).expect("what it had seen").access.expose(), "first");
    assert_eq!(access(&ledger, key('a')).expect("owner"), "first");
    let only = vault(&ledger, key('a')).expect("owner");
    let last = recipient::without(&only.members(), &name("owner"));
    assert_eq!(last, Err(IllegalRecipients::Empty));
}

#[test]
fn another_key_takes_the_place_of_the_one_in_use() {
    for shared in [false, true] {
        let folder = Folder::new();
        let mut ledger = folder.create();
        let only = vault(&ledger, key('a')).expect("no recipients");
        log_in(&mut ledger, &only, &account(), "first");
        if shared {
            add(&mut ledger, key('a'), member("ci", &key('b')));
        }
        let old = vault(&ledger, key('a')).expect("owner");
        let members = recipient::with_key_changed(&old.members(), &old.public(), key('c').public());
        let events = old.sealed_anew(Some(&key('c')), &members, &ledger.grants().expect("read"));
        record(&mut ledger, &events.expect("sealed"));
        assert_eq!(access(&ledger, key('c')).expect("the new one"), "first");
        assert!(matches!(access(&ledger, key('a')), Err(VaultError::NotARecipient { .. })));
        assert_eq!(access(&ledger, key('b')).is_ok(), shared);
    }
}

#[test]
fn a_login_that_does_not_open_stops_the_sealing_anew() {
    let (_folder, mut ledger) = shared();
    let lost: AccountName = "lost".parse().expect("name");
    log_in(&mut ledger, &Vault::new(key('e'), "line"), &lost, "x");
    let vault = vault(&ledger, key('a')).expect("owner");
    let refused = vault.sealed_anew(None, &vault.members(), &ledger.grants().expect("read"));
    let refused = refused.expect_err("one login is sealed with a lost key").to_string();
    assert!(refused.contains("lost") && refused.contains("the ledger was changed"), "{refused}");
}

/// Somebody who can write the ledger and has no key of its logins tries to read what is sealed later.
#[test]
fn a_list_that_was_changed_is_noticed() {
    let (_folder, ledger) = shared();
    let real = ledger.recipients().expect("read").expect("there");
    let opens = |list: &recipient::Recipients, key| Vault::of(key, "line", Some(list.clone()));
    assert!(opens(&real, key('a')).is_ok() && opens(&real, key('b')).is_ok());
    let evil = key('f');
    let changed = |change: &dyn Fn(&mut recipient::Recipients)| {
        let mut list = real.clone();
        change(&mut list);
        list
    };
    let stranger = Recipient {
        name: name("helper"),
        public_key: evil.public(),
        wrapped: real.recipients[1].wrapped.clone(),
    };
    let own_data_key = Vault::new(key('f'), "line");
    let mut members = real.members();
    members.push(member("helper", &evil));
    let forged = own_data_key.sealed_anew(None, &members, &[]).expect("a list of his own");
    let Some(Event::Recipients(forged)) = forged.into_iter().next() else {
        unreachable!("the list is first")
    };
    let claims = real.by;
    for (what, list) in [
        ("one more", changed(&|list| list.recipients.push(stranger.clone()))),
        (
            "another's public key, to be wrapped for next",
            changed(&|list| list.recipients[1].public_key = evil.public()),
        ),
        ("another name", changed(&|list| list.recipients[1].name = name("c1"))),
        ("another epoch", changed(&|list| list.epoch += 1)),
        ("another author", changed(&|list| list.by = key('b').public())),
        ("another order", changed(&|list| list.recipients.swap(0, 1))),
        ("his own data key in the author's name", recipient::Recipients { by: claims, ..forged.clone() }),
    ] {
        let refused = opens(&list, key('a')).expect_err(what);
        assert!(matches!(refused, VaultError::ListChanged { .. }), "{what}: {refused}");
    }
    assert!(matches!(Vault::of(key('a'), "lime", Some(real.clone())), Err(VaultError::ListChanged { .. })));
    // He can put a whole list of his own making in its place. Then nothing that is stored opens.
    let record = ledger.grant(&account()).expect("read").expect("there");
    let replaced = opens(&forged, key('a')).expect("a list by somebody else").open(&record);
    assert!(
        replaced.expect_err("sealed with the real data key").to_string().contains("the ledger was changed")
    );
    let digits = real.recipients[0].wrapped.len();
    for i in (0..digits).step_by(7) {
        let list = changed(&|list| {
            let wrapped = &mut list.recipients[0].wrapped;
            let digit = if &wrapped[i..=i] == "0" { "1" } else { "0" };
            wrapped.replace_range(i..=i, digit);
        });
        assert!(opens(&list, key('a')).is_err(), "digit {i}");
        let list = changed(&|list| list.recipients[0].wrapped.truncate(i));
        assert!(opens(&list, key('a')).is_err(), "cut at {i}");
    }
}

#[test]
fn a_public_key_that_nobody_can_have_is_refused() {
    let (_folder, ledger) = shared();
    let vault = vault(&ledger, key('a')).expect("owner");
    let nobody = Member { name: name("nobody"), key: recipient::PublicKey([0; 32]) };
    let members = recipient::with(&vault.members(), nobody).expect("a list");
    let refused = vault.opened_to(&members, &[]).expect_err("no such key");
    assert!(matches!(refused, VaultError::UnusableKey { .. }), "{refused}");
}

#[test]
fn a_list_that_cannot_follow_takes_its_transaction_with_it() {
    let (_folder, mut ledger) = shared();
    let before = ledger.recipients().expect("read").expect("there");
    let mut fewer = before.clone();
    fewer.recipients.truncate(1);
    let refused = ledger.append(time(3), "t", &[started("one"), Event::Recipients(fewer)]);
    assert!(matches!(refused, Err(Error::IllegalRecipients(IllegalRecipients::Dropped(_)))), "{refused:?}");
    assert_eq!(ledger.recipients().expect("read"), Some(before));
    assert_eq!(ledger.publications().expect("read"), []);
}

/// Every state in which a `rekey` can die, and those in which it has not begun or is done.
#[test]
fn whenever_a_new_key_is_half_in_place_the_one_that_the_ledger_names_counts() {
    let (old, new) = ('a', 'c');
    for (moved, beside, recorded) in [
        (false, None, false),
        (false, Some(""), false),
        (false, Some("half a ke"), false),
        (false, Some("new"), false),
        (false, Some("new"), true),
        (true, None, true),
    ] {
        let folder = Folder::new();
        let mut ledger = folder.create();
        let only = vault(&ledger, key(old)).expect("no recipients");
        log_in(&mut ledger, &only, &account(), "first");
        let place = KeyPlace { variable: None, file: folder.0.path().join("key") };
        let next = folder.0.path().join("key.next");
        let digits = |c: char| c.to_string().repeat(64) + "\n";
        write_owner_only(&place.file, digits(if moved { new } else { old }).as_bytes());
        if let Some(text) = beside {
            let text = if text == "new" { digits(new) } else { text.to_owned() };
            write_owner_only(&next, text.as_bytes());
        }
        if recorded {
            let members = recipient::with_key_changed(&only.members(), &only.public(), key(new).public());
            let events = only.sealed_anew(Some(&key(new)), &members, &ledger.grants().expect("read"));
            record(&mut ledger, &events.expect("sealed"));
        }
        let expected = if recorded { key(new) } else { key(old) }.public();
        let list = ledger.recipients().expect("read");
        let before = opening::contents(folder.0.path());
        let found = place.load(list.as_ref()).expect("a key");
        assert_eq!(found.public(), expected, "{beside:?} {recorded}");
        assert_eq!(access(&ledger, found).expect("opens"), "first");
        assert!(opening::contents(folder.0.path()) == before, "looking changes nothing");

        let found = place.load_or_create(list.as_ref()).expect("a key");
        assert_eq!((found.public(), found.source()), (expected, &KeySource::File(place.file.clone())));
        assert_eq!(Key::from_file(&place.file).expect("in its place").public(), expected);
        assert!(!(recorded && next.exists()), "it was moved");

        let members = vault(&ledger, found).expect("opens").members();
        // A second rekey starts afresh, whatever the first one has left.
        let fresh = place.prepare_next(&members).expect("another key");
        assert!(![key(old).public(), key(new).public()].contains(&fresh.public()));
        assert_eq!(Key::from_file(&next).expect("beside").public(), fresh.public());
        assert_eq!(place.load(list.as_ref()).expect("a key").public(), expected, "not in force yet");
        let also = [member("also", &fresh)];
        assert!(matches!(place.prepare_next(&also), Err(VaultError::Taken { .. })), "it opens the logins");
        let settled = place.settled(fresh).expect("moved");
        assert_eq!(Key::from_file(&place.file).expect("in its place").public(), settled.public());
    }
}

#[test]
fn no_key_is_made_where_a_new_one_would_open_nothing() {
    let (folder, ledger) = shared();
    let place = KeyPlace { variable: None, file: folder.0.path().join("key") };
    let list = ledger.recipients().expect("read");
    assert!(matches!(place.load_or_create(list.as_ref()), Err(VaultError::NoKey { .. })));
    assert!(!place.file.exists());
    // The variable counts alone; a new key beside the file has nothing to do with it.
    write_owner_only(&folder.0.path().join("key.next"), "a".repeat(64).as_bytes());
    let variable = Some(crate::secret::Secret::new("d".repeat(64)));
    let by_variable = KeyPlace { variable, ..place };
    assert_eq!(by_variable.load(list.as_ref()).expect("a key").public(), key('d').public());
}

#[test]
fn neither_keys_nor_tokens_lie_in_the_ledgers_files() {
    let (folder, mut ledger) = shared();
    let by_ci = vault(&ledger, key('b')).expect("ci");
    log_in(&mut ledger, &by_ci, &account(), "canary-in-the-coal-mine");
    remove(&mut ledger, key('a'), "ci");
    assert!(grant("x").refresh.is_none());
    let secrets = [b"canary-in-the-coal-mine".to_vec(), vec![0xaa; 32], b"a".repeat(64), vec![0xbb; 32]];
    let files = || {
        let names: Vec<_> = opening::contents(folder.0.path()).into_iter().collect();
        assert!(names.iter().any(|(path, _)| path.ends_with("ledger.db")), "{names:?}");
        names
    };
    let check = |files: Vec<(PathBuf, (Vec<u8>, fs::Permissions))>| {
        for (path, (bytes, _)) in files {
            for secret in &secrets {
                assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{path:?}");
            }
        }
    };
    check(files());
    drop(ledger);
    check(files());
}
