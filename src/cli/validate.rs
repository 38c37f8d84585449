//! `gitcast validate`: all problems of all manifests, offline.

use clap::{Args, ValueEnum};

use super::error::Failure;
use super::exit::Exit;
use super::github::Step;
use super::markdown;
use super::render::{self, Format};
use super::workspace::Workspace;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Form of the output: text, json, github or sarif
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Output>,
    /// In GitHub Actions: add the problems to the step's summary, and set its outputs
    #[arg(long)]
    github: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
    Github,
    Sarif,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Exit, Failure> {
    let step = arguments.github.then(|| Step::of(|name| std::env::var_os(name))).transpose()?;
    let loaded = workspace.load(None)?;
    let format = match (arguments.format, workspace.global.json) {
        (Some(Output::Json), _) | (None, true) => Format::Json,
        (None | Some(Output::Text), _) => Format::Text,
        (Some(Output::Github), _) => Format::Github,
        (Some(Output::Sarif), _) => Format::Sarif,
    };
    let mut out = std::io::stdout().lock();
    render::diagnostics(
        format,
        &loaded.diagnostics,
        &workspace.source(),
        workspace.palette.is_on(),
        &mut out,
    )?;
    drop(out);
    if format == Format::Text {
        super::ui::print(&format!(
            "{} {}: {}\n",
            loaded.manifests,
            if loaded.manifests == 1 { "manifest" } else { "manifests" },
            render::summary(&loaded.diagnostics)
        ));
    }
    let result = Ok(workspace.verdict(&loaded.diagnostics));
    if let Some(step) = step {
        step.summarize(&markdown::check(&loaded))?;
        step.note_exit(&result)?;
    }
    result
}
