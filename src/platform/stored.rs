//! What adapters have put into the ledger, read back: bodies of payloads and checkpoints, each with the version of its
//! form. Another version's, or what is none, is refused before anything is sent.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Error;
use crate::domain::payload::Payload;
use crate::domain::publication::Checkpoint;
use crate::domain::retry::ErrorKind;

/// The body of a payload from the ledger, whose form is `version`.
pub fn body<T: DeserializeOwned>(payload: &Payload, version: u32) -> Result<T, Error> {
    read(payload.body.value(), version).map_err(|why| {
        let message = format!("the recorded payload cannot be read: {why}");
        Error::new("prepare", ErrorKind::Local, "foreign-payload", message)
    })
}

/// What an earlier step left; the default before the first.
pub fn checkpoint<T: DeserializeOwned + Default>(
    stored: Option<&Checkpoint>,
    version: u32,
) -> Result<T, Error> {
    let Some(stored) = stored else { return Ok(T::default()) };
    read(stored.clone(), version).map_err(|why| {
        let message = format!("the recorded checkpoint cannot be read: {why}");
        Error::new("resume", ErrorKind::Local, "foreign-checkpoint", message)
    })
}

/// serde's own message could quote what is stored, which may hold the address of an upload.
fn read<T: DeserializeOwned>(stored: Value, version: u32) -> Result<T, String> {
    match stored["v"].as_u64() {
        Some(v) if v == u64::from(version) => {
            serde_json::from_value(stored).map_err(|_| "it is not of the expected form".to_owned())
        }
        Some(v) => Err(format!("it has form {v}, which this version does not know")),
        None => Err("it names no form".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Step {
        v: u32,
        id: String,
    }

    #[test]
    fn only_the_own_version_is_read_and_nothing_of_it_is_quoted() {
        assert_eq!(checkpoint::<Step>(None, 1), Ok(Step::default()));
        let read = |stored: Value| checkpoint::<Step>(Some(&stored), 1);
        assert_eq!(read(json!({ "v": 1, "id": "a", "new": 2 })), Ok(Step { v: 1, id: "a".into() }));
        for bad in [
            json!({ "v": 2, "id": "canary" }),
            json!({ "id": "canary" }),
            json!({ "v": 1, "id": ["canary"] }),
            json!(["canary"]),
            json!("canary"),
        ] {
            let error = read(bad.clone()).expect_err("foreign");
            assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Local, "foreign-checkpoint"), "{bad}");
            assert!(!error.message.contains("canary"), "{error:?}");
        }
    }
}
