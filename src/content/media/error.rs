use std::io;

use super::source::MAX_STEPS;

/// Why a file's facts could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("not a regular file")]
    NotAFile,
    #[error("the file is empty")]
    Empty,
    #[error("the file ends early, inside `{part}` which begins at byte {at}")]
    Truncated { part: String, at: u64 },
    #[error("`{part}` at byte {at} is larger than what contains it")]
    Overrun { part: String, at: u64 },
    #[error("broken at byte {at}: {what}")]
    Malformed { at: u64, what: &'static str },
    #[error("the file is made of more than {MAX_STEPS} parts")]
    TooManyParts,
    #[error(
        "the `moov` box is missing, without which no player finds the frames: the recording or copy was cut short"
    )]
    MoovMissing,
    #[error("the file has headers but no media data")]
    NoMediaData,
    #[error("there is no video track{}", if *.audio { ", only audio" } else { "" })]
    NoVideoTrack { audio: bool },
    #[error("the file changed while it was read")]
    Changed,
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
}

impl ProbeError {
    /// The way out, for the help line of a diagnostic.
    pub fn help(&self) -> &'static str {
        match self {
            ProbeError::NotAFile => "name a file that holds the media itself",
            ProbeError::Empty
            | ProbeError::Truncated { .. }
            | ProbeError::MoovMissing
            | ProbeError::NoMediaData => "copy or export the file again, it is incomplete",
            ProbeError::Overrun { .. } | ProbeError::Malformed { .. } | ProbeError::TooManyParts => {
                "the file is damaged: export it again"
            }
            ProbeError::NoVideoTrack { .. } => "export it with a picture",
            ProbeError::Changed => "run again when nothing writes to the file any more",
            ProbeError::Io(_) => "check that the file exists and may be read",
        }
    }
}
