//! Record keys: timestamp identifiers, as posts must have them (atproto.com/specs/tid, read 2026-11-22).

use jiff::Timestamp;

/// Base 32 whose order is that of the numbers.
const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 13;
/// Bits of the clock identifier, which keep apart what is made in the same microsecond.
const CLOCK_BITS: u32 = 10;
const MICROS_BITS: u32 = 53;

/// The key of the microsecond `at`, with the lowest ten bits of `clock`.
pub(super) fn tid(at: Timestamp, clock: u16) -> String {
    let micros = u64::try_from(at.as_microsecond()).unwrap_or_default() & ((1 << MICROS_BITS) - 1);
    let number = (micros << CLOCK_BITS) | u64::from(clock) & ((1 << CLOCK_BITS) - 1);
    let digit = |n: usize| char::from(ALPHABET[(number >> (5 * (LENGTH - 1 - n))) as usize & 31]);
    (0..LENGTH).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_documented_form_and_the_order_of_time() {
        // The specification's own examples of the smallest key and of the alphabet.
        assert_eq!(tid(Timestamp::UNIX_EPOCH, 0), "2222222222222");
        assert_eq!(tid(Timestamp::UNIX_EPOCH, 31), "222222222222z");
        assert_eq!(tid(Timestamp::UNIX_EPOCH, u16::MAX), "22222222222zz");
        let mut last = String::new();
        for (second, clock) in [(0, 1), (1, 1_023), (2, 0), (1_700_000_000, 5), (1_900_000_000, 0)] {
            let key = tid(Timestamp::from_second(second).expect("timestamp"), clock);
            assert!(key > last, "{key} after {last}");
            assert_eq!(key.len(), LENGTH);
            assert!(key.bytes().all(|b| ALPHABET.contains(&b)) && key.as_bytes()[0] <= b'j', "{key}");
            last = key;
        }
        let at: Timestamp = "2026-11-22T10:00:00.000001Z".parse().expect("timestamp");
        assert!(tid(at, 0) > tid("2026-11-22T10:00:00Z".parse().expect("timestamp"), 1_023));
    }
}
