//! The command line: parses, wires the parts together, prints, and turns results into exit codes.
//!
//! stdout carries data, stderr everything else. One subcommand a file.

mod adopt;
mod apply;
mod auth;
mod branch;
mod caretaker;
mod comments;
mod compare;
mod completions;
mod decisions;
mod doctor;
mod error;
mod events;
pub mod exit;
mod explain;
mod files;
mod forget;
mod github;
mod hooks;
mod init;
mod insights;
mod ledger;
mod log;
mod markdown;
mod memory;
mod moment;
mod new;
mod news;
mod notices;
mod pass;
mod pause;
mod plan;
mod preview;
mod rehearsal;
pub mod render;
mod resolve;
mod runtime;
pub mod scaffold;
mod schema;
mod serve;
mod settled;
mod show;
mod site;
mod status;
mod supervisor;
mod survey;
mod table;
pub mod text;
mod trends;
mod ui;
mod validate;
mod watch;
mod workspace;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::DateTime;

use error::Failure;
use exit::Exit;
use workspace::Workspace;

/// Posts as code: commit a manifest, and the platforms agree with it, exactly once.
#[derive(Debug, Parser)]
#[command(name = "gitcast", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Work as if started in this folder
    #[arg(short = 'C', value_name = "DIR", global = true, default_value = ".", hide_default_value = true)]
    directory: PathBuf,
    /// Folder of the manifests [default: content]
    #[arg(long, value_name = "DIR", global = true)]
    content: Option<PathBuf>,
    /// Folder of the ledger and its key [default: state]
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,
    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    json: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto", hide_possible_values = true)]
    color: Color,
    /// Tell more; twice for debugging
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// Form of the log on stderr
    #[arg(long, value_name = "FORMAT", global = true, default_value = "text", hide_possible_values = true)]
    log_format: LogFormat,
    /// Take this for the present instant (plan and rehearsal only): 2026-12-01T09:00Z, or a local time of the project
    #[arg(long, value_name = "TIME", global = true, value_parser = instant)]
    now: Option<Instant>,
    /// Only these: a post's id, an account, a platform, or a glob of manifest paths
    #[arg(long, value_name = "SELECTOR", global = true)]
    only: Vec<String>,
    /// All but these
    #[arg(long, value_name = "SELECTOR", global = true)]
    exclude: Vec<String>,
    /// Exit with 1 when there are warnings
    #[arg(long, global = true)]
    deny_warnings: bool,
    /// How long to wait for the ledger's lock
    #[arg(long, value_name = "TIME", global = true, default_value = "30s", value_parser = duration)]
    lock_timeout: Duration,
    /// Use the ledger although it is older than the one that was used here last, or another one
    #[arg(long, global = true)]
    accept_older_ledger: bool,
    /// Let accounts send their tokens to this host although it is not loopback
    #[arg(long, value_name = "HOST", global = true, env = "GITCAST_ALLOW_ENDPOINT", value_delimiter = ',')]
    allow_endpoint: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up content/, state/, a first manifest and a CI workflow in this folder
    Init(init::Arguments),
    /// Begin a post: a manifest that is valid as it is
    New(new::Arguments),
    /// Check the manifests, offline
    Validate(validate::Arguments),
    /// Show what would happen, and why; change nothing
    Plan(plan::Arguments),
    /// Make the platforms agree with the manifests
    Apply(apply::Arguments),
    /// Make them agree, and keep it so: after each change, at each due time, until stopped
    Watch(watch::Arguments),
    /// Show what is recorded
    Status(status::Arguments),
    /// Show what happened
    Log(log::Arguments),
    /// Show one post: where it is, why, and what happens next
    Show(show::Arguments),
    /// Write pages of the posts as they will look, with a calendar and all problems; offline
    Preview(preview::Arguments),
    /// Show how live posts do: views, likes, comments and shares, as they were read
    Insights(insights::Arguments),
    /// Read comments below a live post, and answer them
    #[command(subcommand)]
    Comments(comments::Command),
    /// Show what is trending on TikTok: asks others, and nothing depends on it
    Trends(trends::Arguments),
    /// Settle an outcome that nobody could find out
    Resolve(resolve::Resolve),
    /// Try again what the platform refused
    Retry(resolve::Retry),
    /// Stop what would be sent: a post, an account or a platform
    Pause(pause::Pause),
    /// Let what is paused be sent again
    Resume(pause::Resume),
    /// Bind a manifest to a post that is live already
    Adopt(adopt::Arguments),
    /// Let what is recorded of a publication count no more, so that it may be published anew
    Forget(forget::Arguments),
    /// Log accounts in, and see how they stand
    #[command(subcommand)]
    Auth(auth::Command),
    /// Show where the ledger is kept, share it, and see who works with it
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Serve the stand-in platforms until stopped
    Rehearse(rehearsal::Arguments),
    /// Print the JSON Schema of manifests, for editors
    Schema(schema::Arguments),
    /// Check the ledger, the key and the surroundings
    Doctor,
    /// Print a script that completes commands in a shell
    Completions(completions::Arguments),
}

/// Parses the arguments, runs the command, reports a failure, and gives the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let usage = error.use_stderr();
            // Nobody is left to tell when even this cannot be printed.
            let _ = error.print();
            return if usage { Exit::Usage } else { Exit::Converged };
        }
    };
    let color = ui::color(cli.global.color);
    ui::start_log(cli.global.verbose, cli.global.log_format);
    memory::keep_out_of_dumps();
    let json = cli.global.json;
    match run(cli) {
        Ok(exit) => exit,
        Err(failure) => failure.report(color, json),
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let mut workspace = Workspace::new(&cli.global)?;
    if matches!(cli.command, Command::Watch(_)) {
        watch::adapt(&mut workspace);
    }
    match cli.command {
        Command::Init(arguments) => init::run(&workspace, &arguments),
        Command::New(arguments) => new::run(&workspace, &arguments),
        Command::Validate(arguments) => validate::run(&workspace, &arguments),
        Command::Plan(arguments) => plan::run(&workspace, &arguments),
        Command::Apply(arguments) => apply::run(&workspace, &arguments),
        Command::Watch(arguments) => watch::run(&workspace, &arguments),
        Command::Status(arguments) => status::run(&workspace, &arguments),
        Command::Log(arguments) => log::run(&workspace, &arguments),
        Command::Show(arguments) => show::run(&workspace, &arguments),
        Command::Preview(arguments) => preview::run(&workspace, &arguments),
        Command::Insights(arguments) => insights::run(&workspace, &arguments),
        Command::Comments(command) => comments::run(&workspace, &command),
        Command::Trends(arguments) => trends::run(&workspace, &arguments),
        Command::Resolve(arguments) => resolve::resolve(&workspace, &arguments),
        Command::Retry(arguments) => resolve::retry(&workspace, &arguments),
        Command::Pause(arguments) => pause::pause(&workspace, &arguments),
        Command::Resume(arguments) => pause::resume(&workspace, &arguments),
        Command::Adopt(arguments) => adopt::run(&workspace, &arguments),
        Command::Forget(arguments) => forget::run(&workspace, &arguments),
        Command::Auth(command) => auth::run(&workspace, &command),
        Command::Ledger(command) => ledger::run(&workspace, &command),
        Command::Rehearse(arguments) => rehearsal::run(&workspace, &arguments),
        Command::Schema(arguments) => schema::run(&workspace, &arguments),
        Command::Doctor => doctor::run(&workspace),
        Command::Completions(arguments) => completions::run::<Cli>(&arguments),
    }
}

/// A value of `--now`: without an offset it is in the project's time zone, like `publish_at`.
#[derive(Debug, Clone, Copy)]
enum Instant {
    Exact(Timestamp),
    Local(DateTime),
}

fn instant(text: &str) -> Result<Instant, String> {
    let exact = text.parse().map(Instant::Exact);
    exact.or_else(|error: jiff::Error| text.parse().map(Instant::Local).map_err(|_| error.to_string()))
}

/// Reads `30s`, `10m`, `2h`, `7d`.
fn duration(text: &str) -> Result<Duration, String> {
    crate::domain::manifest::time::read_duration(text)
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "must be a number and a unit: 30s, 10m, 2h, 7d".to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_tree_is_sound() {
        use clap::CommandFactory;
        super::Cli::command().debug_assert();
    }
}
