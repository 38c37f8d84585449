//! The schema. `user_version` is the number of migrations that a ledger has seen.
//!
//! Only the table of events and the outbox migrate; the views are dropped and folded anew after any migration, so that a
//! change of a view needs no more than an entry in the list (an empty text will do) and the new definition.

use rusqlite::{Connection, TransactionBehavior};

use super::{Error, fold};

/// Append only: an entry that has been released never changes.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE events (
        seq     INTEGER PRIMARY KEY,
        at      TEXT NOT NULL,
        actor   TEXT NOT NULL,
        event   TEXT NOT NULL,
        hash    BLOB NOT NULL,
        post    TEXT GENERATED ALWAYS AS (event ->> '$.post') VIRTUAL
    ) STRICT;
    CREATE INDEX events_by_post ON events (post) WHERE post IS NOT NULL;
    CREATE TRIGGER events_never_change BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'events never change'); END;
    CREATE TRIGGER events_never_go BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'events never go'); END;
    ",
    // Pauses and decisions from files, as views.
    "",
    // An intent that came to nothing is no intent.
    "",
    // Recipients, as a view.
    "",
    // Sends are counted.
    "",
    // What edits cannot change, and what is asked for of live posts.
    "",
    // What is to be told to others. No view: it says how far others know what the events say.
    "
    CREATE TABLE told (
        hook      TEXT NOT NULL PRIMARY KEY,
        seq       INTEGER NOT NULL,
        standing  TEXT NOT NULL,
        dropped   INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE outbox (
        number    INTEGER PRIMARY KEY AUTOINCREMENT,
        hook      TEXT NOT NULL,
        id        TEXT NOT NULL,
        at        TEXT NOT NULL,
        body      TEXT NOT NULL,
        attempts  INTEGER NOT NULL
    ) STRICT;
    ",
    // Of which ref this is a copy, and how much of it is there.
    "
    CREATE TABLE shared (
        one    INTEGER PRIMARY KEY CHECK (one = 1),
        id     TEXT NOT NULL,
        place  TEXT NOT NULL,
        tip    TEXT,
        seq    INTEGER NOT NULL
    ) STRICT;
    ",
    // How live posts differ stays until a look finds otherwise; insights, as a view.
    "",
];

/// The trigger of the first migration, for whoever has taken it away for a moment.
pub(super) const NEVER_GO: &str = "
    CREATE TRIGGER events_never_go BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'events never go'); END;
";

/// The tables that are folded from events. `work.started` and `intents.started` are the entry that began the attempt
/// or the edit, and holds its payload.
const VIEWS_SQL: &str = "
    CREATE TABLE publications (
        post            TEXT NOT NULL,
        account         TEXT NOT NULL,
        platform        TEXT NOT NULL,
        state           TEXT NOT NULL,
        digest          BLOB NOT NULL,
        revision        INTEGER NOT NULL,
        attempts        INTEGER NOT NULL,
        tries           INTEGER NOT NULL,
        sends           INTEGER NOT NULL,
        remote_id       TEXT,
        remote_url      TEXT,
        reason_code     TEXT,
        reason_message  TEXT,
        next_at         TEXT,
        intended_at     TEXT,
        updated_at      TEXT NOT NULL,
        path            TEXT NOT NULL,
        fixed           BLOB,
        amendment       TEXT,
        due_again       TEXT,
        PRIMARY KEY (post, account)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE work (
        post        TEXT NOT NULL,
        account     TEXT NOT NULL,
        started     INTEGER NOT NULL,
        checkpoint  TEXT,
        PRIMARY KEY (post, account)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE grants (
        account             TEXT NOT NULL PRIMARY KEY,
        generation          INTEGER NOT NULL,
        sealed              TEXT NOT NULL,
        origin              TEXT NOT NULL,
        scopes              TEXT NOT NULL,
        subject             TEXT NOT NULL,
        stored_at           TEXT NOT NULL,
        expires_at          TEXT NOT NULL,
        refresh_expires_at  TEXT,
        presented_at        TEXT,
        refused             TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE recipients (
        name        TEXT NOT NULL PRIMARY KEY,
        position    INTEGER NOT NULL,
        public_key  TEXT NOT NULL,
        wrapped     TEXT NOT NULL,
        epoch       INTEGER NOT NULL,
        author      TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE pauses (
        scope   TEXT NOT NULL PRIMARY KEY,
        why     TEXT NOT NULL,
        until   TEXT,
        actor   TEXT NOT NULL,
        at      TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE decisions (
        digest  BLOB NOT NULL PRIMARY KEY
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE requests (
        account    TEXT NOT NULL,
        sent_at    TEXT NOT NULL,
        operation  TEXT NOT NULL
    ) STRICT;
    CREATE INDEX requests_by_time ON requests (account, sent_at);
    CREATE TABLE intents (
        account  TEXT NOT NULL,
        at       TEXT NOT NULL,
        post     TEXT NOT NULL,
        started  INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX intents_by_time ON intents (account, at);
    CREATE TABLE remotes (
        account    TEXT NOT NULL,
        remote_id  TEXT NOT NULL,
        PRIMARY KEY (account, remote_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE insights (
        post      TEXT NOT NULL,
        account   TEXT NOT NULL,
        at        TEXT NOT NULL,
        views     INTEGER,
        likes     INTEGER,
        comments  INTEGER,
        shares    INTEGER,
        PRIMARY KEY (post, account, at)
    ) STRICT, WITHOUT ROWID;
";

/// Every view, with the order in which its rows are compared.
pub(super) const VIEWS: &[(&str, &str)] = &[
    ("publications", "post, account"),
    ("work", "post, account"),
    ("grants", "account"),
    ("requests", "account, sent_at, operation"),
    ("intents", "account, at, post, started"),
    ("remotes", "account, remote_id"),
    ("insights", "post, account, at"),
    ("recipients", "position"),
    ("pauses", "scope"),
    ("decisions", "digest"),
];

/// Brings a ledger up to the last of `migrations`, all at once or not at all.
pub(super) fn migrate(db: &mut Connection, migrations: &[&str]) -> Result<(), Error> {
    let known = migrations.len() as i64;
    let found = version(db)?;
    if found == known {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for sql in migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(sql)?;
    }
    rebuild(&transaction)?;
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

pub(super) fn version(db: &Connection) -> Result<i64, Error> {
    Ok(db.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Empty views.
pub(super) fn create_views(db: &Connection) -> Result<(), Error> {
    for (view, _) in VIEWS {
        db.execute_batch(&format!("DROP TABLE IF EXISTS {view}"))?;
    }
    Ok(db.execute_batch(VIEWS_SQL)?)
}

/// Views folded from the first event on.
pub(super) fn rebuild(db: &Connection) -> Result<(), Error> {
    create_views(db)?;
    fold::fold_all(db, db)
}
