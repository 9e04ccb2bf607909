//! Completions and man pages, from the definitions of the command line itself.

use clap::{Command, CommandFactory};

use super::args::{Cli, CompletionsArgs, ManArgs};
use super::exit::{CliError, Exit, Outcome};
use super::output::Printer;

pub(super) fn completions(args: CompletionsArgs, printer: Printer) -> Outcome {
    // Into memory first: the generator panics on a pipe that nobody reads.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "retake", &mut script);
    printer.bytes(&script).map_err(CliError::failure)?;
    Ok(Exit::SUCCESS)
}

pub(super) fn pages(args: ManArgs, printer: Printer) -> Outcome {
    let failed = |error: std::io::Error| CliError::failure(format!("{}: {error}", args.dir.display()));
    std::fs::create_dir_all(&args.dir).map_err(failed)?;
    let mut count = 0;
    write_page(&args.dir, "retake", Cli::command(), &mut count).map_err(failed)?;
    printer.say(format_args!("{count} man pages in {}", args.dir.display()));
    Ok(Exit::SUCCESS)
}

fn write_page(dir: &std::path::Path, name: &str, command: Command, count: &mut usize) -> std::io::Result<()> {
    for child in command.get_subcommands() {
        write_page(dir, &format!("{name}-{}", child.get_name()), child.clone(), count)?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.name(name.to_owned())).render(&mut page)?;
    *count += 1;
    std::fs::write(dir.join(format!("{name}.1")), page)
}
