//! Who can open the logins: names and public keys, and which changes of the list are legal.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::{RecipientName, hex, unhex};

/// A list longer than this would be a mistake, and each new data key is wrapped for all.
pub const RECIPIENTS_MAX: usize = 64;

/// In front of a public key, so that nobody takes it for the secret one.
const PREFIX: &str = "gitcast-key:";
/// Digits of a public key that tell keys apart in a sentence.
const SHORT_DIGITS: usize = 16;

/// The half of a key that may be shown: X25519, 32 bytes. As text `gitcast-key:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Its beginning, for people.
    pub fn short(&self) -> String {
        let digits = hex(&self.0);
        format!("{PREFIX}{}…", &digits[..SHORT_DIGITS])
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no public key. It does not repeat the text, which may be a secret key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be `gitcast-key:` and 64 hexadecimal digits, as `gitcast auth key` prints it")]
pub struct InvalidPublicKey;

impl FromStr for PublicKey {
    type Err = InvalidPublicKey;

    fn from_str(text: &str) -> Result<PublicKey, InvalidPublicKey> {
        let bytes = text.trim().strip_prefix(PREFIX).and_then(unhex);
        bytes.and_then(|bytes| bytes.try_into().ok()).map(PublicKey).ok_or(InvalidPublicKey)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = InvalidPublicKey;

    fn try_from(text: String) -> Result<PublicKey, InvalidPublicKey> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_string()
    }
}

/// A name and whose key it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: RecipientName,
    pub key: PublicKey,
}

/// A member with the data key wrapped for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    pub name: RecipientName,
    pub public_key: PublicKey,
    /// The data key, in hexadecimal digits; opens with the secret half of `public_key` only.
    pub wrapped: String,
}

/// Everybody who can open the logins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipients {
    /// Which data key: from 1; one more with each new one.
    pub epoch: u64,
    /// Who made this list: one of its members, whose secret key vouches for all of it.
    pub by: PublicKey,
    pub recipients: Vec<Recipient>,
}

/// A list that cannot be, or cannot follow the one before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalRecipients {
    #[error("there must be at least one recipient")]
    Empty,
    #[error("there can be at most {RECIPIENTS_MAX} recipients")]
    TooMany,
    #[error("there is a recipient {0} already")]
    NameTaken(RecipientName),
    #[error("{0} is a recipient with this very key")]
    KeyTaken(RecipientName),
    #[error("there is no recipient {0}")]
    Unknown(RecipientName),
    #[error("the list was made by {}, which is not one of it", .0.short())]
    Stranger(PublicKey),
    #[error("data key {found} cannot follow data key {recorded}")]
    Epoch { recorded: u64, found: u64 },
    #[error("{0} cannot be dropped while the data key stays")]
    Dropped(RecipientName),
}

impl Recipients {
    pub fn members(&self) -> Vec<Member> {
        self.recipients.iter().map(|r| Member { name: r.name.clone(), key: r.public_key }).collect()
    }

    pub fn find(&self, key: &PublicKey) -> Option<&Recipient> {
        self.recipients.iter().find(|recipient| recipient.public_key == *key)
    }

    /// Whether this list may come after `before`. A member who is dropped knows the data key, so there must be a new one.
    pub fn check(&self, before: Option<&Recipients>) -> Result<(), IllegalRecipients> {
        check_members(&self.members())?;
        self.find(&self.by).ok_or(IllegalRecipients::Stranger(self.by))?;
        let recorded = before.map_or(0, |before| before.epoch);
        if self.epoch == recorded.saturating_add(1) {
            return Ok(());
        }
        match before.filter(|_| self.epoch == recorded) {
            None => Err(IllegalRecipients::Epoch { recorded, found: self.epoch }),
            Some(before) => match before.recipients.iter().find(|r| self.find(&r.public_key).is_none()) {
                Some(dropped) => Err(IllegalRecipients::Dropped(dropped.name.clone())),
                None => Ok(()),
            },
        }
    }
}

/// `members` and one more.
pub fn with(members: &[Member], added: Member) -> Result<Vec<Member>, IllegalRecipients> {
    let more = [members, &[added]].concat();
    check_members(&more)?;
    Ok(more)
}

/// `members` without the one of this name.
pub fn without(members: &[Member], name: &RecipientName) -> Result<Vec<Member>, IllegalRecipients> {
    let rest: Vec<_> = members.iter().filter(|member| member.name != *name).cloned().collect();
    if rest.len() == members.len() {
        return Err(IllegalRecipients::Unknown(name.clone()));
    }
    check_members(&rest)?;
    Ok(rest)
}

/// `members` with another key in place of `old`.
pub fn with_key_changed(members: &[Member], old: &PublicKey, new: PublicKey) -> Vec<Member> {
    let change = |m: &Member| Member { name: m.name.clone(), key: if m.key == *old { new } else { m.key } };
    members.iter().map(change).collect()
}

fn check_members(members: &[Member]) -> Result<(), IllegalRecipients> {
    if members.is_empty() {
        return Err(IllegalRecipients::Empty);
    }
    if members.len() > RECIPIENTS_MAX {
        return Err(IllegalRecipients::TooMany);
    }
    for (i, member) in members.iter().enumerate() {
        let before = &members[..i];
        if before.iter().any(|other| other.name == member.name) {
            return Err(IllegalRecipients::NameTaken(member.name.clone()));
        }
        if let Some(other) = before.iter().find(|other| other.key == member.key) {
            return Err(IllegalRecipients::KeyTaken(other.name.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> RecipientName {
        text.parse().expect("name")
    }

    fn member(text: &str, byte: u8) -> Member {
        Member { name: name(text), key: PublicKey([byte; 32]) }
    }

    fn list(epoch: u64, by: u8, members: &[(&str, u8)]) -> Recipients {
        let recipient = |&(text, byte): &(&str, u8)| Recipient {
            name: name(text),
            public_key: PublicKey([byte; 32]),
            wrapped: String::new(),
        };
        let recipients = members.iter().map(recipient).collect();
        Recipients { epoch, by: PublicKey([by; 32]), recipients }
    }

    #[test]
    fn a_public_key_has_one_text_and_a_secret_key_is_none() {
        let key = PublicKey([0xa1; 32]);
        let text = format!("gitcast-key:{}", "a1".repeat(32));
        assert_eq!((key.to_string(), text.parse()), (text.clone(), Ok(key)));
        assert_eq!(format!(" {text}\n").parse(), Ok(key));
        assert_eq!(key.short(), "gitcast-key:a1a1a1a1a1a1a1a1…");
        for bad in ["", "gitcast-key:", &"a1".repeat(32), &text[1..], &text[..74], &format!("{text}a1")] {
            assert_eq!(bad.parse::<PublicKey>(), Err(InvalidPublicKey), "{bad}");
        }
        let shown = InvalidPublicKey.to_string();
        assert!(!shown.contains("a1"), "{shown}");
    }

    #[test]
    fn lists_follow_each_other() {
        use IllegalRecipients as I;
        let one = list(1, 1, &[("ann", 1)]);
        let two = list(1, 1, &[("ann", 1), ("ci", 2)]);
        for (before, after, expected) in [
            (None, &one, Ok(())),
            (None, &two, Ok(())),
            (Some(&one), &two, Ok(())),
            (Some(&two), &list(2, 1, &[("ann", 1)]), Ok(())),
            (Some(&two), &list(2, 3, &[("ann", 3), ("ci", 2)]), Ok(())),
            (Some(&two), &one, Err(I::Dropped(name("ci")))),
            (Some(&two), &list(1, 1, &[("ann", 1), ("ci", 3)]), Err(I::Dropped(name("ci")))),
            (Some(&one), &list(3, 1, &[("ann", 1)]), Err(I::Epoch { recorded: 1, found: 3 })),
            (Some(&one), &list(0, 1, &[("ann", 1)]), Err(I::Epoch { recorded: 1, found: 0 })),
            (None, &list(0, 1, &[("ann", 1)]), Err(I::Epoch { recorded: 0, found: 0 })),
            (None, &list(2, 1, &[("ann", 1)]), Err(I::Epoch { recorded: 0, found: 2 })),
            (None, &list(1, 9, &[("ann", 1)]), Err(I::Stranger(PublicKey([9; 32])))),
            (None, &list(1, 1, &[]), Err(I::Empty)),
            (None, &list(1, 1, &[("ann", 1), ("ann", 2)]), Err(I::NameTaken(name("ann")))),
            (None, &list(1, 1, &[("ann", 1), ("ci", 1)]), Err(I::KeyTaken(name("ann")))),
        ] {
            assert_eq!(after.check(before), expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn members_come_go_and_change_their_key() {
        let (ann, ci) = (member("ann", 1), member("ci", 2));
        let both = with(std::slice::from_ref(&ann), ci.clone()).expect("added");
        assert_eq!(both, [ann.clone(), ci.clone()]);
        assert_eq!(without(&both, &ann.name).expect("removed"), std::slice::from_ref(&ci));
        assert_eq!(without(std::slice::from_ref(&ci), &ci.name), Err(IllegalRecipients::Empty));
        assert_eq!(without(&[ci], &ann.name), Err(IllegalRecipients::Unknown(name("ann"))));
        let changed = with_key_changed(&both, &ann.key, PublicKey([7; 32]));
        assert_eq!(changed, [member("ann", 7), member("ci", 2)]);
        let many: Vec<_> = (0..64).map(|n| member(&format!("m{n}"), n)).collect();
        assert_eq!(with(&many, member("one-more", 99)), Err(IllegalRecipients::TooMany));
    }
}
