//! Taking a post away, record by record: the thread's last post first, the first post, then its gates. The server
//! answers a deletion of what is not there like any other (packages/pds, read 2026-11-22), so that each may be repeated.

use super::Bluesky;
use super::checkpoint::Checkpoint;
use super::client::{Session, operation};
use super::reference::{POST, Reference, is_did};
use super::stage::did_of;
use crate::domain::grant::Grant;
use crate::domain::retry::ErrorKind;
use crate::platform::error::foreign;
use crate::platform::{BoxFuture, Deleted, Deletes, Error, Job};

impl Deletes for Bluesky {
    fn delete<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Deleted, Error>> {
        Box::pin(self.delete_step(job, grant))
    }
}

impl Bluesky {
    pub(super) fn delete_operation(&self, job: &Job) -> &'static str {
        let is_asked = Checkpoint::read(job.checkpoint.as_ref()).is_ok_and(|c| c.server.is_none());
        if is_asked && self.client.has_entryway() { operation::GET_SESSION } else { operation::DELETE_RECORD }
    }

    async fn delete_step(&self, job: &Job, grant: &Grant) -> Result<Deleted, Error> {
        let mut checkpoint = Checkpoint::read(job.checkpoint.as_ref())?;
        let did = did_of(grant)?;
        if self.client.has_entryway() && checkpoint.server.is_none() {
            let session = Session { grant, server: None, log: &job.log };
            checkpoint.server = Some(self.ask_server(session).await?);
            return Ok(Deleted::More(checkpoint.store()));
        }
        let records = self.records(job, &checkpoint, did)?;
        let session = Session { grant, server: checkpoint.server(), log: &job.log };
        if let Some((collection, rkey)) = records.get(checkpoint.deleted) {
            self.client.delete_record(session, (did, collection, rkey)).await?;
            checkpoint.deleted += 1;
        }
        let is_done = checkpoint.deleted >= records.len();
        Ok(if is_done { Deleted::Done } else { Deleted::More(checkpoint.store()) })
    }

    /// Collection and key of each record, in the order in which they go.
    fn records(&self, job: &Job, checkpoint: &Checkpoint, did: &str) -> Result<Vec<(String, String)>, Error> {
        let refused = |code: &'static str, message: String| {
            Error::new(operation::DELETE_RECORD, ErrorKind::Rejected, code, message)
        };
        let is_own =
            |who: &str| if is_did(who) { who == did } else { who.eq_ignore_ascii_case(self.handle()) };
        if let Some(frozen) = &checkpoint.frozen {
            if frozen.did != did {
                let message = "another account has been logged in since it was published".to_owned();
                return Err(refused("other-owner", message));
            }
            let posts = frozen.parts.iter().rev().map(|part| &part.rkey).chain([&frozen.rkey]);
            let posts = posts.map(|rkey| (POST.to_owned(), rkey.clone()));
            let gates = frozen.gates.iter().filter_map(|gate| gate["$type"].as_str());
            return Ok(posts.chain(gates.map(|gate| (gate.to_owned(), frozen.rkey.clone()))).collect());
        }
        // A post that a person pointed to.
        let address = job.remote.id.as_deref().or(job.remote.url.as_deref()).unwrap_or_default();
        match Reference::parse(address).filter(|reference| is_own(&reference.who)) {
            Some(reference) => Ok(vec![(POST.to_owned(), reference.rkey)]),
            None => {
                let message =
                    format!("`{}` is no post of this account: delete it in the app", foreign(address));
                Err(refused("no-such-post", message))
            }
        }
    }
}
