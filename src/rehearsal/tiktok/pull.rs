//! PULL_FROM_URL: the media are fetched from the media host, then processed (TikTok docs `mt`, read 2026-11-22).

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Server, fetch, lock};
use super::model::{Kind, Media, Phase, Source};
use super::{rules, upload};

/// A pull gives up after an hour (TikTok docs `mt`).
const PULL_MAX: Duration = Duration::from_secs(3_600);

/// Why a publication fails.
type Reason = &'static str;

pub(super) fn begin(server: &Arc<Server>, number: u64) {
    let mut pulls = lock(&server.pulls);
    while pulls.try_join_next().is_some() {}
    pulls.spawn(run(Arc::clone(server), number));
}

/// Takes up what a stop interrupted.
pub(in crate::rehearsal) fn resume_pulls(server: &Arc<Server>) {
    let downloading = |publication: &&super::Publication| publication.phase == Phase::Downloading;
    let numbers: Vec<_> =
        server.model().publications().iter().filter(downloading).map(|p| p.number).collect();
    numbers.into_iter().for_each(|number| begin(server, number));
}

async fn run(server: Arc<Server>, number: u64) {
    let Some((kind, urls)) = work(&server, number) else { return };
    let failed = if kind == Kind::Photo { "photo_pull_failed" } else { "video_pull_failed" };
    let pulled = tokio::time::timeout(PULL_MAX, pull_all(&server, number, kind, &urls)).await;
    let verdict = match pulled {
        Ok(Ok(verdict)) => Ok(verdict),
        Ok(Err(error)) => {
            tracing::debug!(%error, "rehearsal pull failed");
            Err(failed)
        }
        Err(_) => Err(failed),
    };
    finish(&server, number, verdict);
}

fn work(server: &Server, number: u64) -> Option<(Kind, Vec<String>)> {
    let mut model = server.model();
    let publication = model.by_number(number)?;
    match &publication.source {
        Source::Pull { urls, .. } => Some((publication.kind, urls.clone())),
        Source::Upload { .. } => None,
    }
}

/// The first thing wrong with the media, if they could be fetched: one bad photo fails them all.
async fn pull_all(server: &Server, number: u64, kind: Kind, urls: &[String]) -> io::Result<Option<Reason>> {
    let limit = if kind == Kind::Photo { rules::PHOTO_SIZE_MAX } else { rules::VIDEO_SIZE_MAX };
    let mut verdict = None;
    for (index, url) in urls.iter().enumerate() {
        let file = format!("{number:06}-{index:02}.pulled");
        let path = server.store.media_path(&file);
        let size = fetch::to_file(url, limit, &path).await?;
        let (content_type, wrong) = check(kind, &path)?;
        verdict = verdict.or(wrong);
        stored(server, number, index, Media { file, content_type: content_type.to_owned(), size });
    }
    Ok(verdict)
}

fn check(kind: Kind, path: &Path) -> io::Result<(&'static str, Option<Reason>)> {
    let start = upload::start_of(path)?;
    if kind == Kind::Video {
        let content_type = if start.starts_with(&[0x1A, 0x45]) { "video/webm" } else { "video/mp4" };
        return Ok((content_type, upload::check_video(path)?));
    }
    let Some(content_type) = rules::photo_type(&start) else {
        return Ok(("application/octet-stream", Some("file_format_check_failed")));
    };
    let wrong = match imagesize::size(path) {
        Ok(size) if rules::photo_sides_fit(size.width, size.height) => None,
        Ok(_) => Some("picture_size_check_failed"),
        Err(_) => Some("file_format_check_failed"),
    };
    Ok((content_type, wrong))
}

fn stored(server: &Server, number: u64, index: usize, media: Media) {
    let mut model = server.model();
    let Some(publication) = model.by_number(number) else { return };
    // A pull that was resumed fetches everything once more.
    publication.media.truncate(index);
    publication.media.push(media);
    let so_far = publication.media.iter().map(|media| media.size).sum();
    if let Source::Pull { downloaded, .. } = &mut publication.source {
        *downloaded = so_far;
    }
}

fn finish(server: &Server, number: u64, verdict: Result<Option<Reason>, Reason>) {
    let mut model = server.model();
    let found = model.by_number(number);
    // It may have been cancelled meanwhile.
    let Some(publication) = found.filter(|publication| publication.phase == Phase::Downloading) else {
        return;
    };
    match verdict {
        Ok(verdict) => publication.received(server.now(), verdict),
        Err(reason) => publication.fail(reason),
    }
    if let Err(error) = publication.save(&server.store) {
        tracing::warn!(%error, "rehearsal state was not stored");
    }
}
