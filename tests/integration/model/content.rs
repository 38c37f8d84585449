//! The author: manifests and media, as the operations leave them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::ops::POSTS;
use crate::support::fixture_path;

/// More than one chunk.
pub(super) const LARGE_BYTES: u64 = 64_500_000;

/// What a post is, and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Draft,
    /// Seen by its creator only, so that nothing lists it.
    Direct,
    Photos,
    /// Listed, once moderation is through.
    Public,
    PublicPhotos,
    /// A video that the platform fetches.
    Pulled,
    /// One video on three accounts.
    Everywhere,
    /// A draft in several chunks.
    Large,
}

impl Kind {
    pub(super) const SMALL: [Kind; 7] = [
        Kind::Draft,
        Kind::Direct,
        Kind::Photos,
        Kind::Public,
        Kind::PublicPhotos,
        Kind::Pulled,
        Kind::Everywhere,
    ];

    fn targets(self) -> &'static str {
        match self {
            Kind::Draft | Kind::Large => "  drafts:\n",
            Kind::Direct | Kind::Photos => "  direct:\n    privacy: self_only\n",
            Kind::Public | Kind::PublicPhotos | Kind::Pulled => "  public:\n    privacy: public\n",
            Kind::Everywhere => {
                "  drafts:\n  direct:\n    privacy: self_only\n  public:\n    privacy: public\n"
            }
        }
    }

    /// The stand-in's names of its requests, the one that publishes first.
    pub(super) fn requests(self) -> &'static [&'static str] {
        match self {
            Kind::Draft | Kind::Large => &["upload", "inbox_init", "status", "token"],
            Kind::Direct | Kind::Public => &["upload", "video_init", "status", "creator_info"],
            Kind::Photos => &["content_init", "content_init", "status", "creator_info"],
            Kind::PublicPhotos => &["content_init", "content_init", "status", "video_list"],
            Kind::Pulled => &["video_init", "video_init", "status", "video_list"],
            Kind::Everywhere => &["upload", "video_init", "inbox_init", "status"],
        }
    }

    fn is_photos(self) -> bool {
        matches!(self, Kind::Photos | Kind::PublicPhotos)
    }
}

/// One post as its author has it.
#[derive(Debug, Clone)]
struct Post {
    kind: Kind,
    text: u8,
    media: u8,
    revision: u32,
    due: Option<Timestamp>,
    deleted: bool,
    broken: bool,
    /// Which of its names the file has.
    name: u32,
}

/// `content/`.
#[derive(Debug)]
pub(super) struct Content {
    folder: PathBuf,
    /// Where the platform fetches media from.
    media_url: String,
    posts: [Option<Post>; POSTS],
}

pub(super) fn id(post: usize) -> String {
    format!("post{post}")
}

impl Content {
    pub(super) fn new(folder: &Path, origin: &str, lineage: &str) -> Content {
        let account = |name: &str, rest: &str| {
            format!("  {name}:\n    platform: tiktok\n    endpoint: {origin}\n    {rest}\n")
        };
        let accounts = account("drafts", "mode: draft")
            + &account("direct", "mode: direct")
            + &account("public", "mode: direct\n    audited: true");
        // The rest of the policy is the default: what is too old is refused, what is many is stopped.
        let policy = "policy:\n  late: { grace: 2h, then: publish }\n";
        let media_url = format!("{origin}/content/");
        let head = format!("version: 1\nlineage: {lineage}\ntimezone: Europe/Berlin\n");
        let yaml = format!("{head}media_base_url: {media_url}\n{policy}accounts:\n{accounts}");
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("gitcast.yaml"), yaml).expect("written");
        Content { folder: folder.to_owned(), media_url, posts: Default::default() }
    }

    /// Writes the post as its author now wants it. What it was before is overwritten, its revision and name are kept.
    pub(super) fn write(&mut self, index: usize, kind: Kind, due: Option<SignedDuration>, start: Timestamp) {
        let due = due.map(|due| start + due);
        let fresh =
            Post { kind, text: 0, media: 0, revision: 1, due, deleted: false, broken: false, name: 0 };
        let post = match self.posts[index].take() {
            Some(before) => Post { kind, due, broken: false, ..before },
            None => fresh,
        };
        self.posts[index] = Some(post);
        self.store(index);
    }

    pub(super) fn text(&mut self, index: usize, version: u8) {
        self.edit(index, |post| post.text = version);
    }

    pub(super) fn media(&mut self, index: usize, version: u8) {
        self.edit(index, |post| post.media = version);
    }

    pub(super) fn revise(&mut self, index: usize) {
        self.edit(index, |post| post.revision += 1);
    }

    pub(super) fn retire(&mut self, index: usize, deleted: bool) {
        self.edit(index, |post| post.deleted = deleted);
    }

    pub(super) fn set_broken(&mut self, index: usize, broken: bool) {
        self.edit(index, |post| post.broken = broken);
    }

    pub(super) fn rename(&mut self, index: usize) {
        let Some(post) = self.posts[index].clone() else { return };
        let before = self.manifest(index, &post);
        self.posts[index] = Some(Post { name: post.name + 1, ..post });
        fs::remove_file(before).expect("it is there");
        self.store(index);
    }

    pub(super) fn delete(&mut self, index: usize) {
        if let Some(post) = self.posts[index].take() {
            fs::remove_file(self.manifest(index, &post)).expect("it is there");
        }
    }

    pub(super) fn mend_all(&mut self) {
        (0..POSTS).for_each(|index| self.set_broken(index, false));
    }

    fn edit(&mut self, index: usize, change: impl FnOnce(&mut Post)) {
        if let Some(post) = &mut self.posts[index] {
            change(post);
            self.store(index);
        }
    }

    fn manifest(&self, index: usize, post: &Post) -> PathBuf {
        match post.name % 3 {
            0 => self.folder.join(format!("{}.yaml", id(index))),
            // In another folder, and with a name that tells nothing.
            1 => self.folder.join(format!("moved/{}.yaml", post.name * 10 + index as u32)),
            _ => self.folder.join(format!("aaa-{}-{index}.yaml", post.name)),
        }
    }

    fn store(&self, index: usize) {
        let Some(post) = &self.posts[index] else { return };
        let path = self.manifest(index, post);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        // As an editor leaves it in the middle of a change.
        let text = if post.broken {
            format!("id: {}\ntext: \"half a sen", id(index))
        } else {
            self.yaml(index, post)
        };
        fs::write(path, text).expect("written");
    }

    fn yaml(&self, index: usize, post: &Post) -> String {
        let (id, up) = (id(index), if post.name % 3 == 1 { "../" } else { "" });
        let medium = self.medium(index, post);
        let media = match post.kind {
            Kind::Pulled => format!("  - url: {}{medium}\n", self.media_url),
            kind if kind.is_photos() => format!("  - file: {up}{medium}\n  - file: {up}{medium}\n"),
            _ => format!("  - file: {up}{medium}\n"),
        };
        let due = post.due.map_or(String::new(), |due| format!("publish_at: {due}\n"));
        let state = if post.deleted { "state: deleted\n" } else { "" };
        format!(
            "id: {id}\nrevision: {}\n{due}{state}text: Text {} of {id}.\nmedia:\n{media}to:\n{}",
            post.revision,
            post.text,
            post.kind.targets()
        )
    }

    /// The medium's name; it is made where it is not there. Its last bytes tell whose it is.
    fn medium(&self, index: usize, post: &Post) -> String {
        let (suffix, fixture) = if post.kind.is_photos() { ("jpg", "good.jpg") } else { ("mp4", "good.mp4") };
        let size = if post.kind == Kind::Large { "large" } else { "small" };
        let name = format!("{}-{size}-{}.{suffix}", id(index), post.media);
        let path = self.folder.join(&name);
        if path.exists() {
            return name;
        }
        let mut bytes = fs::read(fixture_path(fixture)).expect("fixture");
        let tag = format!("{}:{}", id(index), post.media);
        if !post.kind.is_photos() {
            bytes.extend(u32::try_from(tag.len() + 8).expect("short").to_be_bytes());
            bytes.extend(b"free");
        }
        bytes.extend(tag.as_bytes());
        let mut file = fs::File::create(path).expect("a file");
        file.write_all(&bytes).expect("written");
        if post.kind == Kind::Large {
            grow(&mut file, bytes.len() as u64, tag.as_bytes());
        }
        name
    }
}

/// Sparse, so that it costs no disk: a `free` box of the rest, with the tag at its end.
fn grow(file: &mut fs::File, end: u64, tag: &[u8]) {
    use std::io::{Seek, SeekFrom};
    let rest = u32::try_from(LARGE_BYTES - end).expect("below 4 GB");
    file.write_all(&rest.to_be_bytes()).expect("size");
    file.write_all(b"free").expect("type");
    file.set_len(LARGE_BYTES).expect("length");
    file.seek(SeekFrom::Start(LARGE_BYTES - tag.len() as u64)).expect("seek");
    file.write_all(tag).expect("tag");
}
