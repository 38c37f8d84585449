//! Taking a post away: of a thread the last post first, and each with its media.
//!
//! A server that does not find a post may not know how to delete: so it is asked for the post, and only one that is not
//! shown any more is gone.

use super::Mastodon;
use super::checkpoint::Checkpoint;
use super::client::{Session, operation};
use super::edit::pointed_to;
use super::types::{NOT_FOUND, rejected};
use crate::domain::grant::Grant;
use crate::platform::{BoxFuture, Deleted, Deletes, Error, Job};

impl Deletes for Mastodon {
    fn delete<'a>(&'a self, job: &'a Job, grant: &'a Grant) -> BoxFuture<'a, Result<Deleted, Error>> {
        Box::pin(self.delete_step(job, grant))
    }
}

impl Mastodon {
    pub(super) fn delete_operation(&self, job: &Job) -> &'static str {
        let checkpoint = Checkpoint::read(job.checkpoint.as_ref());
        let asks = |c: Checkpoint| c.is_doubtful || is_guessed(job, &c);
        if checkpoint.is_ok_and(asks) { operation::STATUS } else { operation::DELETE }
    }

    async fn delete_step(&self, job: &Job, grant: &Grant) -> Result<Deleted, Error> {
        let mut checkpoint = Checkpoint::read(job.checkpoint.as_ref())?;
        let session = Session { grant, log: &job.log };
        let is_guessed = is_guessed(job, &checkpoint);
        if checkpoint.live.is_empty() && !checkpoint.is_going {
            checkpoint.live.push(pointed_to(&job.remote, operation::DELETE)?);
        }
        checkpoint.is_going = true;
        if let (true, Some(live)) = (is_guessed, checkpoint.live.last()) {
            self.client.status(session, &live.id).await.map_err(not_there)?;
            return Ok(Deleted::More(checkpoint.store()));
        }
        if let Some(last) = checkpoint.live.last() {
            let is_gone = if checkpoint.is_doubtful {
                match self.client.status(session, &last.id).await {
                    Ok(_) => return Err(still_there(&last.id)),
                    Err(error) if error.code == NOT_FOUND => true,
                    Err(error) => return Err(error),
                }
            } else {
                match self.client.delete(session, &last.id).await {
                    Ok(()) => true,
                    Err(error) if error.code == NOT_FOUND => false,
                    Err(error) => return Err(error),
                }
            };
            checkpoint.is_doubtful = !is_gone;
            if is_gone {
                checkpoint.live.pop();
            }
        }
        Ok(if checkpoint.live.is_empty() { Deleted::Done } else { Deleted::More(checkpoint.store()) })
    }
}

/// Whether the post's id is only what its address ends in: on some servers that is another one, and "not found" would mean
/// nothing.
fn is_guessed(job: &Job, checkpoint: &Checkpoint) -> bool {
    job.remote.id.is_none() && checkpoint.live.is_empty() && !checkpoint.is_going
}

fn not_there(error: Error) -> Error {
    if error.code != NOT_FOUND {
        return error;
    }
    let message = "the address does not tell the post's id at the server: delete it in an app, or forget it";
    rejected(operation::DELETE, "no-such-post", message)
}

fn still_there(id: &str) -> Error {
    let message = format!(
        "the server did not delete the post {id} and still shows it: it may not know how to; delete it in its own app"
    );
    rejected(operation::DELETE, "not-deleted", message)
}
