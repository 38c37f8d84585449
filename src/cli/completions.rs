//! `gitcast completions`: a script for the shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::error::Failure;
use super::exit::Exit;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// bash, elvish, fish, powershell or zsh
    #[arg(hide_possible_values = true)]
    shell: Shell,
}

pub(super) fn run<C: CommandFactory>(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut C::command(), "gitcast", &mut script);
    super::ui::print(&String::from_utf8_lossy(&script));
    Ok(Exit::Converged)
}
