//! What may be at the path, who may open it, and that reading leaves no trace.

use std::collections::BTreeMap;
use std::fs;

use rusqlite::Connection;

use super::*;

/// Names, bytes and modes of all that lies in the folder.
pub(super) fn contents(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, fs::Permissions)> {
    let entries = fs::read_dir(folder).expect("list");
    let paths = entries.map(|entry| entry.expect("entry").path());
    paths.map(|path| (path.clone(), (fs::read(&path).expect("read"), permissions(&path)))).collect()
}

fn permissions(path: &Path) -> fs::Permissions {
    fs::metadata(path).expect("metadata").permissions()
}

fn names(folder: &Path) -> Vec<String> {
    contents(folder).keys().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
}

fn use_as_a_reader(path: &Path) {
    let ledger = Ledger::open_read(path).expect("open");
    ledger.publications().expect("publications");
    ledger.work(&post("one"), &account()).expect("work");
    ledger.read(None, 0, 100).expect("entries");
    assert_eq!(ledger.verify().expect("verify"), []);
}

#[test]
fn reading_leaves_no_trace() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    drop(ledger);
    let before = contents(folder.0.path());
    assert_eq!(names(folder.0.path()), ["ledger.db", "lock"]);
    use_as_a_reader(&folder.ledger());
    assert_eq!(contents(folder.0.path()), before);
}

/// Nothing is shown when this runs as root, whom no mode stops.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_read_all_the_same() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    drop(ledger);
    fs::set_permissions(folder.ledger(), fs::Permissions::from_mode(0o400)).expect("chmod");
    fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(0o500)).expect("chmod");
    use_as_a_reader(&folder.ledger());
    let writing = Ledger::open_write(&folder.ledger(), PATIENCE, &holder())
        .and_then(|mut ledger| ledger.append(time(2), "t", &[started("two")]));
    fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(0o700)).expect("chmod");
    assert!(matches!(writing, Ok(_) | Err(Error::ReadOnly | Error::Io { .. })), "{writing:?}");
}

#[test]
fn a_copy_that_says_it_has_a_log_and_has_none_is_read_without_a_trace() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    ledger.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("checkpoint");
    let copied = folder.0.path().join("a copy?#%.d");
    fs::create_dir(&copied).expect("folder");
    fs::copy(folder.ledger(), copied.join("ledger.db")).expect("copy");
    let before = contents(&copied);
    use_as_a_reader(&copied.join("ledger.db"));
    assert_eq!(contents(&copied), before);
}

#[test]
fn a_reader_sees_what_a_writer_has_recorded_and_not_what_it_has_not() {
    let folder = Folder::new();
    let mut writer = folder.create();
    writer.append(time(1), "t", &published("one")).expect("append");
    let reader = folder.read();
    assert_eq!(reader.publications().expect("read").len(), 1);
    let transaction = writer.db.unchecked_transaction().expect("begin");
    transaction.execute("DELETE FROM publications", []).expect("delete");
    assert_eq!(reader.publications().expect("read").len(), 1);
    drop(transaction);
    writer.append(time(1), "t", &published("two")).expect("append beside a reader");
    assert_eq!(reader.publications().expect("read").len(), 2);
    drop(writer);
    assert_eq!(reader.publications().expect("read after the writer has gone").len(), 2);
    drop(reader);
    drop(folder.write());
    assert_eq!(names(folder.0.path()), ["ledger.db", "lock"]);
}

#[test]
fn a_reader_that_was_there_first_is_no_hindrance() {
    let folder = Folder::new();
    drop(folder.create());
    let reader = folder.read();
    assert_eq!(reader.publications().expect("read"), []);
    folder.write().append(time(1), "t", &published("one")).expect("append");
    assert_eq!(reader.publications().expect("read").len(), 1);
}

#[test]
fn a_writer_waits_for_a_reader_in_the_middle_of_something() {
    let folder = Folder::new();
    drop(folder.create());
    let reader = folder.read();
    let snapshot = reader.db.unchecked_transaction().expect("begin");
    assert_eq!(rows::publications(&snapshot).expect("read"), []);
    let lock = lock::path(&folder.ledger());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| folder.write().append(time(1), "t", &[started("one")]).map(drop));
        while fs::metadata(&lock).expect("lock").len() == 0 && !writer.is_finished() {
            std::thread::yield_now();
        }
        assert_eq!(rows::publications(&snapshot).expect("read"), []);
        drop(snapshot);
        writer.join().expect("writer").expect("append");
    });
    assert_eq!(reader.publications().expect("read").len(), 1);
}

#[test]
fn a_reader_cannot_write() {
    let folder = Folder::new();
    drop(folder.create());
    let mut reader = folder.read();
    assert!(matches!(reader.append(time(1), "t", &[started("one")]), Err(Error::ReadOnly)));
    assert!(matches!(reader.refold(), Err(Error::ReadOnly)));
    reader.db.execute("DELETE FROM publications", []).expect_err("not even through SQLite");
}

#[test]
fn what_is_no_ledger_is_named_and_left_alone() {
    let folder = Folder::new();
    let path = folder.ledger();
    let open_both = || {
        let reading = Ledger::open_read(&path).expect_err("no ledger");
        let writing = Ledger::open_write(&path, PATIENCE, &holder()).expect_err("no ledger");
        assert_eq!(reading.to_string(), writing.to_string());
        reading
    };
    assert!(matches!(open_both(), Error::Missing { .. }));
    assert_eq!(
        names(folder.0.path()),
        Vec::<String>::new(),
        "nothing is created for a ledger that is not there"
    );

    type Make = fn(&Path);
    let cases: [(Foreign, Make); 6] = [
        (Foreign::Directory, |path| fs::create_dir(path).expect("folder")),
        (Foreign::Empty, |path| fs::write(path, "").expect("write")),
        (Foreign::NotSqlite, |path| fs::write(path, "no").expect("write")),
        (Foreign::NotSqlite, |path| fs::write(path, [0xa5; 9_000]).expect("write")),
        (Foreign::Application(0), |path| execute(path, "CREATE TABLE events (seq)")),
        (Foreign::Application(7), |path| execute(path, "PRAGMA application_id = 7; CREATE TABLE t (x)")),
    ];
    for (expected, make) in cases {
        make(&path);
        let before = path.is_file().then(|| fs::read(&path).expect("read"));
        let Error::Foreign { found, .. } = open_both() else { panic!("{:?}", open_both()) };
        assert_eq!(found, expected);
        assert!(matches!(create(&path), Err(Error::Exists { .. })));
        match before {
            Some(before) => {
                assert_eq!(fs::read(&path).expect("read"), before);
                fs::remove_file(&path).expect("remove");
            }
            None => fs::remove_dir(&path).expect("remove"),
        }
    }
}

fn execute(path: &Path, sql: &str) {
    Connection::open(path).expect("open").execute_batch(sql).expect("execute");
}

#[test]
fn a_ledger_cut_short_anywhere_is_an_error_and_never_a_panic() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    drop(ledger);
    let whole = fs::read(folder.ledger()).expect("read");
    // An empty page ends in zeros, which are no loss.
    let least = whole.iter().rposition(|byte| *byte != 0).expect("something");
    for length in (0..least).step_by(1_000) {
        fs::write(folder.ledger(), &whole[..length]).expect("write");
        let broken = Ledger::open_read(&folder.ledger()).and_then(|ledger| ledger.verify());
        let found = broken.as_ref().is_ok_and(|problems| !problems.is_empty());
        let told = matches!(broken, Err(Error::Corrupt(_) | Error::Foreign { .. }));
        assert!(found || told, "{length} of {} bytes: {broken:?}", whole.len());
    }
}

#[test]
fn a_newer_ledger_is_not_touched() {
    let folder = Folder::new();
    drop(folder.create());
    execute(&folder.ledger(), "PRAGMA user_version = 99");
    let before = fs::read(folder.ledger()).expect("read");
    for refused in [
        Ledger::open_read(&folder.ledger()).map(drop),
        Ledger::open_write(&folder.ledger(), PATIENCE, &holder()).map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Newer { found: 99, .. })), "{refused:?}");
    }
    assert_eq!(fs::read(folder.ledger()).expect("read"), before);
}

#[test]
fn an_older_ledger_is_brought_up_to_date_with_new_views() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    ledger.db.execute_batch("DELETE FROM publications").expect("an old view");
    let mut newer = migrations::MIGRATIONS.to_vec();
    newer.push("ALTER TABLE events ADD COLUMN note TEXT");
    migrations::migrate(&mut ledger.db, &newer).expect("migrate");
    assert_eq!(migrations::version(&ledger.db).expect("version"), newer.len() as i64);
    assert_eq!(ledger.publications().expect("read").len(), 1);
    ledger.db.execute_batch("SELECT note FROM events").expect("the new column");
}

#[test]
fn a_reader_does_not_migrate() {
    let folder = Folder::new();
    drop(folder.create());
    execute(&folder.ledger(), "PRAGMA user_version = 0");
    assert!(matches!(Ledger::open_read(&folder.ledger()), Err(Error::Older { found: 0, .. })));
}

#[test]
fn a_ledger_of_another_lineage_is_refused() {
    let folder = Folder::new();
    let ledger = folder.create();
    ledger.expect_lineage("line").expect("its own");
    let refused = ledger.expect_lineage("other").expect_err("another");
    assert!(matches!(refused, Error::OtherLineage { found, .. } if found == "line"));
}

#[test]
fn creating_never_overwrites_and_survives_a_half_made_ledger() {
    let folder = Folder::new();
    fs::write(folder.0.path().join("ledger.db.new"), "half").expect("write");
    fs::write(folder.0.path().join("ledger.db.new-journal"), "half").expect("write");
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &[started("one")]).expect("append");
    drop(ledger);
    assert_eq!(names(folder.0.path()), ["ledger.db", "lock"]);
    assert!(matches!(create(&folder.ledger()), Err(Error::Exists { .. })));
    assert_eq!(folder.read().publications().expect("read").len(), 1);
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.0.path().join("new/state/ledger.db");
    let ledger = create(&path).expect("create");
    let state = path.parent().expect("folder");
    assert_eq!(permissions(state).mode() & 0o777, 0o700);
    assert!(names(state).len() > 2, "the log is there while there is a writer: {:?}", names(state));
    for (path, (_, permissions)) in contents(state) {
        assert_eq!(permissions.mode() & 0o777, 0o600, "{path:?}");
    }
    drop(ledger);
}

#[test]
fn whoever_writes_without_the_lock_is_noticed() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    let other = open::writer(&folder.ledger()).expect("open");
    let link = Link { seq: 2, at: "x", actor: "y", event: "{}" };
    rows::store_link(&other, link, [1; 32]).expect("insert");
    let refused = ledger.append(time(1), "t", &[started("one")]);
    assert!(matches!(refused, Err(Error::HeadMoved { .. })), "{refused:?}");
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    let pages: i64 = ledger.db.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("pages");
    ledger.db.pragma_update(None, "max_page_count", pages + 1).expect("limit");
    let mut steps = (0..1_000).map(|n| started(&format!("p{n}")));
    let refused = steps.by_ref().find_map(|event| ledger.append(time(1), "t", &[event]).err());
    assert!(matches!(refused, Some(Error::FullDisk)), "{refused:?}");
    ledger.db.pragma_update(None, "max_page_count", 100_000).expect("limit");
    ledger.append(time(2), "t", &[steps.next().expect("one more")]).expect("append");
    assert_eq!(ledger.verify().expect("verify"), []);
}

#[test]
fn a_journal_left_by_a_crash_is_rolled_back_even_for_a_reader() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(1), "t", &published("one")).expect("append");
    drop(ledger);
    let db = Connection::open(folder.ledger()).expect("open");
    db.execute_batch(
        "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; DELETE FROM publications;
                      CREATE TABLE big AS WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n
                      WHERE x < 500) SELECT randomblob(1000) AS b FROM n",
    )
    .expect("a large transaction");
    let crashed = Folder::new();
    for name in ["ledger.db", "ledger.db-journal"] {
        fs::copy(folder.0.path().join(name), crashed.0.path().join(name)).expect("copy");
    }
    assert_ne!(fs::read(folder.ledger()).expect("read").len(), 0);
    let reader = crashed.read();
    assert_eq!(reader.publications().expect("read").len(), 1);
    assert_eq!(reader.verify().expect("verify"), []);
}
