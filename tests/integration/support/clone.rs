//! Machines with a clone of a repository.

use std::collections::BTreeMap;

use super::hub::git;
use super::{Hub, Project};

/// Opens the logins on every machine.
const KEY: &str = "5a";

impl Hub {
    /// A machine with a fresh clone and no state, that has this project's keys.
    pub(crate) fn clone(&self, keys: &BTreeMap<String, String>) -> Project {
        self.clone_as(keys, &[])
    }

    /// The same, as these options of `git clone` make it.
    pub(crate) fn clone_as(&self, keys: &BTreeMap<String, String>, options: &[&str]) -> Project {
        let mut project = Project::empty();
        project.variable("PATH", &std::env::var("PATH").expect("a path"));
        project.variable("GITCAST_KEY", &KEY.repeat(32));
        for (name, value) in keys {
            project.variable(name, value);
        }
        project.git(&[&["clone", "-q"][..], options, &[&self.url(), "."]].concat());
        project.git(&["config", "user.name", "Ann"]);
        project.git(&["config", "user.email", "ann@example.com"]);
        project
    }
}

impl Project {
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.path(""), arguments)
    }

    /// Commits everything and pushes it.
    pub(crate) fn publish(&self, subject: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", subject]);
        self.git(&["push", "-q", "origin", "HEAD:main"]);
    }
}
