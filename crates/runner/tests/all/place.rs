//! Running the binary on configs in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// An empty folder to run in.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a config and returns its name.
    pub fn config(&self, name: &str, text: &str) -> String {
        let file = format!("{name}.toml");
        fs::write(self.path().join(&file), text).unwrap();
        file
    }

    /// The program, to be run here: this build, or the one that `OPTBENCH_RUNNER` names, to see a test fail.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let runner =
            std::env::var_os("OPTBENCH_RUNNER").unwrap_or_else(|| env!("CARGO_BIN_EXE_runner").into());
        let mut command = Command::new(runner);
        command.args(arguments).current_dir(self.path()).env("NO_COLOR", "1");
        command
    }

    /// Runs the program here, to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Where a grid's results lie.
    pub fn results(&self, name: &str) -> PathBuf {
        self.path().join("results").join(name)
    }
}

/// What a program printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The files that are a function of the config, as bytes.
pub fn result_files(folder: &Path) -> Vec<(&'static str, Vec<u8>)> {
    ["cells.csv", "curves.csv", "table.csv", "manifest.json"]
        .into_iter()
        .map(|name| (name, fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))))
        .collect()
}
