//! Figures, printed by `cargo test ledger::tests::figures -- --nocapture`; the tests only see that nothing is slower
//! than a slow disk and an unoptimized build explain.

use std::io::Write;
use std::time::Instant;

use super::*;

fn report(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("stdout");
}

#[test]
fn appends_in_a_second() {
    const APPENDS: u32 = 200;
    let folder = Folder::new();
    let mut ledger = folder.create();
    ledger.append(time(0), "t", &[started("one")]).expect("append");
    let begun = Instant::now();
    for n in 0..APPENDS {
        ledger.append(time(1), "t", &[stepped("one", n)]).expect("append");
    }
    let each = begun.elapsed() / APPENDS;
    report(&format!("append of one event: {each:?}"));
    assert!(each < Duration::from_millis(100), "{each:?}");
}

#[test]
fn publications_by_the_ten_thousand() {
    let folder = Folder::new();
    let mut ledger = folder.create();
    let events: Vec<Event> = (0..10_000).map(|n| started(&format!("post-{n}"))).collect();
    let begun = Instant::now();
    ledger.append(time(1), "t", &events).expect("append");
    report(&format!("append of {} events at once: {:?}", events.len(), begun.elapsed()));
    drop(ledger);
    let begun = Instant::now();
    assert_eq!(folder.read().verify().expect("verify"), []);
    report(&format!("verify of 10,001 entries: {:?}", begun.elapsed()));
    let every_column = "UPDATE publications SET remote_id = '7350000000000000000', reason_code = 'code',
         remote_url = 'https://example.com/video/7350000000000000000', reason_message = 'message',
         next_at = updated_at, intended_at = updated_at";
    folder.write().db.execute_batch(every_column).expect("fill");
    let begun = Instant::now();
    let ledger = folder.read();
    report(&format!("open for reading: {:?}", begun.elapsed()));
    let begun = Instant::now();
    assert_eq!(ledger.publications().expect("read").len(), 10_000);
    let took = begun.elapsed();
    report(&format!("10,000 publications: {took:?}"));
    assert!(took < Duration::from_secs(2), "{took:?}");
    drop(ledger);
    let begun = Instant::now();
    drop(folder.write());
    report(&format!("open for writing and close: {:?}", begun.elapsed()));
}
