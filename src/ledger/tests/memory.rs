//! After the work is done, neither keys nor tokens are left in the process's memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::Command;

use super::*;
use crate::domain::grant::Grant;
use crate::domain::recipient::{self, Member, Recipients};
use crate::ledger::vault::{Key, KeyPlace, Vault};
use crate::secret::Secret;

const VARIABLE: &str = "GITCAST_TEST_MEMORY";
/// Read at once; a secret across two pieces is found in their overlap.
const PIECE: usize = 1 << 16;
const SECRET_BYTES: usize = 48;
/// Regions larger than this hold no data of ours.
const REGION_BYTES_MAX: u64 = 1 << 30;

/// A secret that is not in memory as itself, so that looking for it does not find what is looked for.
struct Masked(Vec<u8>);

impl Masked {
    fn new() -> Masked {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).expect("random numbers");
        // Letters once it is unmasked.
        Masked(bytes.iter().map(|byte| !(b'a' + byte % 26)).collect())
    }

    fn of(bytes: impl Iterator<Item = u8>) -> Masked {
        Masked(bytes.map(|byte| !byte).collect())
    }

    fn text(&self) -> String {
        let mut text = String::with_capacity(SECRET_BYTES);
        self.0.iter().for_each(|byte| text.push(char::from(!byte)));
        text
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        let begins = !self.0[0];
        let here =
            |rest: &[u8]| rest.len() >= self.0.len() && rest.iter().zip(&self.0).all(|(b, m)| *b == !m);
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == begins) {
            if here(&rest[at..]) {
                return true;
            }
            rest = &rest[at + 1..];
        }
        false
    }
}

/// Whether each of the secrets is anywhere in what this process can write.
fn found(secrets: &[&Masked]) -> Vec<bool> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let mut memory = File::open("/proc/self/mem").expect("memory");
    let mut found = vec![false; secrets.len()];
    let mut piece = vec![0; PIECE + SECRET_BYTES];
    for line in
        maps.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|m| m.starts_with("rw")))
    {
        let (start, end) = line.split_whitespace().next().and_then(|r| r.split_once('-')).expect("a range");
        let address = |text| u64::from_str_radix(text, 16).expect("an address");
        let (start, end) = (address(start), address(end));
        let mut at = start;
        while at < end && end - start < REGION_BYTES_MAX {
            let length = piece.len().min(usize::try_from(end - at).expect("fits"));
            if memory.seek(SeekFrom::Start(at)).is_err() || memory.read_exact(&mut piece[..length]).is_err() {
                break;
            }
            for (found, secret) in found.iter_mut().zip(secrets) {
                *found |= secret.is_in(&piece[..length]);
            }
            at += PIECE as u64;
        }
    }
    // What was read last lies in the buffer and would be found again.
    piece.fill(0);
    found
}

fn grant_of(access: &Masked, refresh: &Masked) -> Grant {
    let (access, refresh) = (Secret::new(access.text()), Some(Secret::new(refresh.text())));
    Grant { access, refresh, ..super::vault::grant("") }
}

/// The key in a file, as its digits and as its bytes.
fn key_in(file: &Path) -> [Masked; 2] {
    let mut bytes = std::fs::read(file).expect("key file");
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a digit");
    let raw = bytes[..64].chunks_exact(2).map(|pair| (digit(pair[0]) << 4 | digit(pair[1])) as u8);
    // The exchange changes bits of the first byte and the last.
    let masked = [Masked::of(bytes.iter().copied().take(64)), Masked::of(raw.skip(1).take(30))];
    bytes.fill(0);
    std::hint::black_box(&bytes);
    masked
}

/// Seals, records, shares, and seals anew.
fn record(ledger: &mut Ledger, place: &KeyPlace, tokens: [&Masked; 2], other: &Path) {
    let vault = Vault::new(place.load_or_create(None).expect("a key"), "line");
    let grant = grant_of(tokens[0], tokens[1]);
    let change = vault.stored(&account(), 1, &grant, "https://x.example".into(), "import").expect("sealed");
    ledger.append(time(1), "t", &[Event::Grant { account: account(), change }]).expect("append");
    let other = Key::create(other).expect("a key");
    let added = Member { name: "other".parse().expect("name"), key: other.public() };
    let members = recipient::with(&vault.members(), added).expect("legal");
    let events = vault.sealed_anew(None, &members, &ledger.grants().expect("read")).expect("sealed");
    ledger.append(time(2), "t", &events).expect("append");
}

fn open(recipients: Option<Recipients>, record: &GrantRecord, place: &KeyPlace) {
    let key = place.load(recipients.as_ref()).expect("a key");
    let opened = Vault::of(key, "line", recipients).expect("opens").open(record).expect("opens");
    assert_eq!(opened.access.expose().len(), SECRET_BYTES);
}

/// Where looking through the memory does not write over what was left.
#[inline(never)]
fn far_down(work: impl FnOnce()) {
    std::hint::black_box(&mut [0u8; 512 * 1024]);
    work();
}

/// The process that is looked through: this very test, with the variable set, and no other test beside it.
#[test]
fn is_looked_through_after_its_work() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    let folder = Folder::new();
    let (access, refresh) = (Masked::new(), Masked::new());
    let held = grant_of(&access, &refresh);
    assert_eq!(found(&[&access, &refresh]), [true, true], "what is there is found");
    drop(held);
    assert_eq!(found(&[&access, &refresh]), [false, false], "dropped is wiped");
    far_down(|| {
        let text: [u8; SECRET_BYTES] = std::array::from_fn(|i| !access.0[i]);
        std::hint::black_box(text);
    });
    assert_eq!(found(&[&access, &refresh]), [true, false], "what an array leaves on the stack is found");
    far_down(|| {
        std::hint::black_box([0u8; 1 << 16]);
    });
    assert_eq!(found(&[&access, &refresh]), [false, false], "until it is written over");
    let mut ledger = folder.create();
    let place = KeyPlace { variable: None, file: folder.0.path().join("key") };
    let other = folder.0.path().join("other");
    far_down(|| record(&mut ledger, &place, [&access, &refresh], &other));
    let [digits, bytes] = key_in(&place.file);
    let all = [&access, &refresh, &digits, &bytes];
    assert_eq!(found(&all), [false; 4], "access, refresh, key in digits and in bytes, after sealing");
    let (recipients, grants) = (ledger.recipients().expect("read"), ledger.grants().expect("read"));
    far_down(|| open(recipients, &grants[0], &place));
    assert_eq!(found(&all), [false; 4], "access, refresh, key in digits and in bytes, after opening");
}

#[test]
fn no_secret_is_left_in_memory() {
    let output = Command::new(std::env::current_exe().expect("this test's program"))
        .args(["--exact", "ledger::tests::memory::is_looked_through_after_its_work", "--test-threads=1"])
        .env(VARIABLE, "1")
        .output()
        .expect("start");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
