//! The stand-in TikTok in the test's own process, for a program that runs as a child.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use gitcast::rehearsal::{AccountSetup, Options, Rehearsal};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{Project, Run};

/// A stand-in with the accounts `drafts` and `direct`, unaudited and private as a newcomer's are.
pub(crate) struct Server {
    pub(crate) rehearsal: Arc<Rehearsal>,
    runtime: Runtime,
    _dir: TempDir,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::start_with(vec![AccountSetup::new("drafts"), AccountSetup::new("direct")])
    }

    pub(crate) fn start_with(accounts: Vec<AccountSetup>) -> Server {
        Server::start_as(Options { accounts, ..Options::default() })
    }

    /// With whatever else may be set; it is kept in a folder of its own.
    pub(crate) fn start_as(options: Options) -> Server {
        let runtime = Runtime::new().expect("runtime");
        let dir = tempfile::tempdir().expect("temporary folder");
        let options = Options { dir: Some(dir.path().to_owned()), ..options };
        let rehearsal = runtime.block_on(Rehearsal::start(options)).expect("the stand-in starts");
        Server { rehearsal: Arc::new(rehearsal), runtime, _dir: dir }
    }

    pub(crate) fn url(&self) -> &str {
        self.rehearsal.base_url()
    }

    /// A project whose accounts point here, logged in.
    pub(crate) fn project(&self) -> Project {
        self.project_of(&["drafts", "direct"])
    }

    /// The same, with only these logged in; `sky` is on Bluesky and `toot` on Mastodon, and there if they are among them.
    pub(crate) fn project_of(&self, accounts: &[&str]) -> Project {
        let yaml = super::ACCOUNTS.replace("    mode:", &format!("    endpoint: {}\n    mode:", self.url()));
        let sky =
            format!("  sky:\n    platform: bluesky\n    handle: sky.example\n    endpoint: {}\n", self.url());
        let toot = format!(
            "  toot:\n    platform: mastodon\n    handle: toot@example.social\n    endpoint: {}\n",
            self.url()
        );
        let yaml = [("sky", sky), ("toot", toot)].iter().fold(yaml, |yaml, (name, account)| {
            match accounts.contains(name) {
                true => yaml.replace("media_base_url", &format!("{account}media_base_url")),
                false => yaml,
            }
        });
        let mut project = Project::with(&yaml);
        project.variable("TIKTOK_CLIENT_KEY", "rehearsal-key");
        project.variable("TIKTOK_CLIENT_SECRET", "rehearsal-secret");
        for account in accounts {
            self.log_in(&project, account).expect(0);
        }
        project
    }

    pub(crate) fn log_in(&self, project: &Project, account: &str) -> Run {
        let grant = self.rehearsal.issue_grant(account).expect("a grant");
        project.run_with_input(&["auth", "import", account, "-"], &grant.to_string())
    }

    /// Sends TikTok's webhooks of what happens from now on there.
    pub(crate) fn deliver_to(&self, url: &str) {
        let _entered = self.runtime.enter();
        self.rehearsal.deliver_to(url);
    }

    /// How many posts there really are.
    pub(crate) fn count(&self) -> usize {
        self.rehearsal.publications().len()
    }

    /// How many requests of this operation arrived.
    pub(crate) fn requests(&self, operation: &str) -> usize {
        self.rehearsal.requests().iter().filter(|request| request.operation == operation).count()
    }

    /// What a browser would get.
    pub(crate) fn page(&self, path: &str) -> String {
        let address = self.url().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("the stand-in listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("a page");
        page
    }
}
