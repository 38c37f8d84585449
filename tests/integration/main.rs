//! One binary for all integration tests.

mod accounts;
mod apply;
mod bluesky;
mod canary;
mod capabilities;
mod commands;
mod contract;
mod deletion;
mod exceptions;
mod faults;
mod fuzz;
mod history;
mod hostile;
mod login;
mod mastodon;
mod model;
mod month;
mod recover;
mod rehearse;
mod stop;
mod support;
mod surroundings;
mod tidy;
mod validate;
mod vault;
mod watch;
