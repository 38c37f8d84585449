use std::process::ExitCode;

fn main() -> ExitCode {
    gitcast::cli::main(std::env::args_os()).into()
}
