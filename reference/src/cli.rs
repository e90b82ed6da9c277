//! The command lines: `cli.md`, man pages, shell completions.

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use user_info_services::{client, server};

use crate::File;
use crate::markdown::head;

const ABOUT: &str = "\
What `--help` of each program says. `make install` puts the same into man pages, and completions for bash, zsh and fish
beside them.";

/// The programs.
fn programs() -> [Command; 4] {
    [user_info_local::args::Args::command(), server::Args::command(), client::Args::command(), user_info_operator::args::Args::command()]
}

/// The page.
pub(crate) fn page() -> String {
    let mut text = head("Command lines", ABOUT);
    for mut program in programs() {
        program.build();
        describe(&mut program, 2, &mut text);
    }
    text
}

/// The help of a program, and of its subcommands.
fn describe(command: &mut Command, depth: usize, text: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.clone().term_width(100).render_long_help().to_string();
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    *text += &format!("\n{} {name}\n\n```text\n{}\n```\n", "#".repeat(depth), lines.join("\n").trim());
    for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
        describe(inner, depth + 1, text);
    }
}

/// Man pages and completions, at the paths below a folder such as `/usr/local/share`.
pub(crate) fn share() -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    for mut program in programs() {
        let name = program.get_name().to_owned();
        program.build();
        manuals(&program, &mut files)?;
        for (shell, path) in [
            (Shell::Bash, format!("bash-completion/completions/{name}")),
            (Shell::Zsh, format!("zsh/site-functions/_{name}")),
            (Shell::Fish, format!("fish/vendor_completions.d/{name}.fish")),
        ] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut program.clone(), &name, &mut script);
            files.push((path, text(script)?));
        }
    }
    Ok(files)
}

/// The man page of a program, and one for each of its subcommands.
fn manuals(command: &Command, files: &mut Vec<File>) -> Result<(), String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(|error| error.to_string())?;
    let name = command.get_display_name().unwrap_or(command.get_name());
    files.push((format!("man/man1/{name}.1"), text(page)?));
    command.get_subcommands().filter(|inner| inner.get_name() != "help").try_for_each(|inner| manuals(inner, files))
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_help_text_with_an_example() {
        for mut program in programs() {
            let help = program.render_long_help().to_string();
            assert!(help.contains("Examples:"), "{}:\n{help}", program.get_name());
            program.debug_assert();
        }
    }

    #[test]
    fn every_program_has_a_manual_and_completions() {
        let files = share().expect("files");
        let find = |path: &str| &files.iter().find(|(name, _)| name == path).unwrap_or_else(|| panic!("{path}")).1;
        assert!(find("man/man1/user-info-operator-check.1").contains("\\-\\-diff"));
        assert!(find("bash-completion/completions/user_client").contains("--target"));
        assert!(find("zsh/site-functions/_user-info-local").starts_with("#compdef user-info-local"));
        assert!(find("fish/vendor_completions.d/user_info.fish").contains("migrate"));
    }
}
