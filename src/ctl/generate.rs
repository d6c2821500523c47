//! `generate`: manual pages and completions for a package, from the same source as the command line itself, and the page of the
//! configuration from the file that comes with it. Hidden, for only the build of a package wants it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use clap_complete::aot::{Bash, Fish, Zsh, generate_to};
use clap_mangen::Man;

use super::failure::Failure;
use super::manual;

/// The configuration as it is installed.
const CONFIGURATION: &str = include_str!("../../conf/smsotpd.toml");

#[derive(Debug, Subcommand)]
pub(super) enum Generate {
    /// Manual pages
    Man {
        /// An existing directory
        directory: PathBuf,
    },
    /// Completions for bash, zsh and fish
    Completions {
        /// An existing directory
        directory: PathBuf,
    },
}

pub(super) fn run(what: Generate, own: clap::Command, daemon: clap::Command) -> Result<(), Failure> {
    match what {
        Generate::Man { directory } => man(&directory, own, daemon),
        Generate::Completions { directory } => completions(&directory, own, daemon),
    }
    .map_err(|error| Failure::Local("the files cannot be written", error))
}

fn man(directory: &Path, own: clap::Command, daemon: clap::Command) -> io::Result<()> {
    for (mut command, section) in [(own, "1"), (daemon, "8")] {
        command = command.disable_help_subcommand(true);
        command.build();
        pages(directory, &command, section)?;
    }
    fs::write(directory.join("smsotpd.toml.5"), manual::page(CONFIGURATION))
}

/// One page for the command and for each below it.
fn pages(directory: &Path, command: &clap::Command, section: &str) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(directory, below, section)?;
    }
    Man::new(command.clone()).section(section).manual("smsotpd").generate_to(directory)?;
    Ok(())
}

fn completions(directory: &Path, own: clap::Command, daemon: clap::Command) -> io::Result<()> {
    for mut command in [own, daemon] {
        let name = command.get_name().to_owned();
        generate_to(Bash, &mut command, &name, directory)?;
        generate_to(Zsh, &mut command, &name, directory)?;
        generate_to(Fish, &mut command, &name, directory)?;
    }
    Ok(())
}
