//! What became of a post: its key is looked up in the account's repository, which answers with authority. And whether
//! the account shows a post already that the ledger does not know.

use jiff::Timestamp;
use serde_json::Value;

use super::Bluesky;
use super::body::Body;
use super::checkpoint::Checkpoint;
use super::client::{Session, operation};
use super::reference::POST;
use super::stage::{did_of, frozen};
use super::types::RECORD_NOT_FOUND;
use crate::domain::grant::Grant;
use crate::domain::publication::{ALREADY_THERE, Reason};
use crate::domain::retry::ErrorKind;
use crate::platform::error::foreign;
use crate::platform::{Error, Job, Observation};

impl Bluesky {
    /// The server reads its own writes (packages/pds, read 2026-11-22): what it does not have is not there. Sent again,
    /// it is the same record under the same key, so that even a request still on its way could not make two of it.
    pub(super) async fn look(&self, job: &Job, grant: &Grant) -> Result<Observation, Error> {
        let checkpoint = Checkpoint::read(job.checkpoint.as_ref())?;
        let frozen = frozen(&checkpoint)?;
        let session = Session { grant, server: checkpoint.server(), log: &job.log };
        match self.client.get_record(session, (&frozen.did, POST, &frozen.rkey)).await {
            Ok(reply) if reply["value"] == frozen.record => {
                Ok(Observation::Published { remote: self.remote(frozen), checkpoint: None, again: None })
            }
            Ok(_) => {
                let message = format!("another record stands at {}, where this post belongs", frozen.rkey);
                Ok(Observation::CannotTell(Reason::new("other-record", message)))
            }
            Err(error) if error.code == RECORD_NOT_FOUND => {
                let reason = Reason::new("absent", "the account has no such post");
                Ok(Observation::Absent(Some(checkpoint.store()), reason))
            }
            Err(error) => Err(error),
        }
    }

    /// Refuses a post that is there already, among the newest of the account, and belongs to no publication: whoever
    /// published it, once more would be twice.
    pub(super) async fn look_back(&self, job: &Job, body: &Body, session: Session<'_>) -> Result<(), Error> {
        let Some(since) = job.look_back_to else { return Ok(()) };
        let page = self.client.list_records(session, (did_of(session.grant)?, POST)).await?;
        let records = page["records"].as_array().map_or(&[][..], Vec::as_slice);
        let is_it = |record: &&Value| {
            let value = &record["value"];
            let at = value["createdAt"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            let is_known =
                record["uri"].as_str().is_none_or(|uri| job.taken.iter().any(|taken| taken == uri));
            value["text"] == body.text.as_str() && at.is_some_and(|at| at >= since) && !is_known
        };
        let Some(found) = records.iter().find(is_it) else { return Ok(()) };
        let shown = foreign(found["uri"].as_str().unwrap_or_default());
        let message = format!(
            "the account shows a post with this text that the ledger does not know: {shown}; bind it with `gitcast adopt`, or `gitcast retry` it and apply with --allow-duplicates"
        );
        Err(Error::new(operation::LIST_RECORDS, ErrorKind::Rejected, ALREADY_THERE, message))
    }
}
