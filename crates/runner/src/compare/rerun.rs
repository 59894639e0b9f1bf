//! `--run`: results of a commit that were never committed, by building it and running the config.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::CompareError;
use super::git::{Commit, Repository, output, text};
use crate::terminal::say;

/// A checkout of a commit, which is removed again.
struct Checkout<'a> {
    repository: &'a Repository,
    folder: PathBuf,
}

impl<'a> Checkout<'a> {
    fn new(repository: &'a Repository, commit: &Commit, folder: PathBuf) -> Result<Self, CompareError> {
        let checkout = Self { repository, folder };
        // An earlier one that was killed may have left it behind.
        checkout.remove();
        let path = checkout.folder.to_string_lossy().into_owned();
        let added =
            output(&mut repository.git(&["worktree", "add", "--detach", "--force", &path, &commit.hash]))?;
        if added.status.success() {
            return Ok(checkout);
        }
        Err(CompareError::Git { what: commit.shown(), message: text(&added.stderr) })
    }

    fn remove(&self) {
        let path = self.folder.to_string_lossy().into_owned();
        let _ = output(&mut self.repository.git(&["worktree", "remove", "--force", "--force", &path]));
        let _ = std::fs::remove_dir_all(&self.folder);
        let _ = output(&mut self.repository.git(&["worktree", "prune"]));
    }
}

impl Drop for Checkout<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Builds the commit, and runs the config with that build and with this one. Each writes into its own
/// folder of `out`, and these two are what is returned.
///
/// The build goes to `target/compare`, which stays, so that libtorch's bindings are compiled once; the
/// checkout lies there too, so that cargo finds the repository's `.cargo/config.toml` above it.
pub(super) fn rerun(
    repository: &Repository,
    commit: &Commit,
    config: &Path,
    out: &Path,
) -> Result<[PathBuf; 2], CompareError> {
    // Building takes minutes, in which somebody may build this program anew under its name.
    let this = out.join(format!("runner{}", std::env::consts::EXE_SUFFIX));
    std::env::current_exe()
        .and_then(|program| std::fs::copy(program, &this))
        .map_err(|source| CompareError::Io { path: this.clone(), source })?;
    let target = repository.root().join("target").join("compare");
    let folder = target.join(format!("tree-{}", &commit.hash[..commit.hash.len().min(12)]));
    let checkout = Checkout::new(repository, commit, folder)?;
    say(&format!("building {}", commit.shown()));
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "-p", "runner", "--target-dir"]).arg(&target).current_dir(&checkout.folder);
    let help = format!("its messages are above; does {} build at all?", commit.shown());
    run(&mut build, &format!("building {}", commit.shown()), &help, |code| code == 0)?;

    let program = target.join("debug").join(format!("runner{}", std::env::consts::EXE_SUFFIX));
    let sides = [(commit.shown(), program, "left"), ("this build".to_owned(), this, "right")];
    let mut folders = [PathBuf::new(), PathBuf::new()];
    for ((name, program, side), folder) in sides.into_iter().zip(&mut folders) {
        *folder = out.join(side);
        let mut command = Command::new(program);
        command.arg(config).arg("--out").arg(&*folder);
        let help = "its messages are above; a config may name what an older build doesn't know";
        // 1: some cells failed, which is what a comparison should show.
        run(&mut command, &format!("running {} with {name}", config.display()), help, |code| code <= 1)?;
    }
    Ok(folders)
}

/// Runs a program whose messages the user sees, and whose table the user doesn't.
fn run(
    command: &mut Command,
    what: &str,
    help: &str,
    fine: impl Fn(i32) -> bool,
) -> Result<(), CompareError> {
    let problem = match command.stdin(Stdio::null()).stdout(Stdio::null()).status() {
        Ok(status) if status.code().is_some_and(fine) => return Ok(()),
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    Err(CompareError::Program { what: what.to_owned(), problem, help: help.to_owned() })
}
