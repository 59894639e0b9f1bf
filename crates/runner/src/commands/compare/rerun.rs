//! `--run`: results of a commit that were never committed, by building it and running the config.

use std::env::consts::EXE_EXTENSION;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use losses::NO_PYTHON;
use tempfile::NamedTempFile;

use super::checkout::{Checkout, wait_for_lock};
use super::error::CompareError;
use super::git::{Commit, Repository};
use super::reduce::reduce;
use crate::signals;
use crate::terminal::say;

/// What the program is called, and what it was called in version 0.1.0.
const NAMES: [&str; 2] = ["optbench", "runner"];

/// How often a child is looked after.
const PAUSE: Duration = Duration::from_millis(50);

/// Builds the commit, and runs the config with that build and with this one. What is returned are the two results,
/// and the checkout that they are in: they go with it. What the config names and the commit doesn't know, only this
/// build runs.
///
/// The build goes to `target/compare`, which stays, so that libtorch's bindings are compiled once; the
/// checkout lies there too, so that cargo finds the repository's `.cargo/config.toml` above it.
pub(super) fn rerun<'a>(
    repository: &'a Repository,
    commit: &Commit,
    config: &Path,
    python: bool,
) -> Result<(Checkout<'a>, [PathBuf; 2]), CompareError> {
    let target = repository.root().join("target").join("compare");
    // A config by this path can't be taken for a subcommand or an option.
    let config =
        std::path::absolute(config).map_err(|source| CompareError::Io { path: config.to_owned(), source })?;
    let checkout = Checkout::new(repository, commit, &target)?;
    let program = build(commit, &target, &checkout)?;
    let known = known_part(commit, &checkout, &program, &config)?;
    let left = known.as_ref().map_or(&*config, NamedTempFile::path);
    let sides = [
        (commit.shown(), program, "left", left),
        ("this build".to_owned(), this_program(&checkout.results)?, "right", &config),
    ];
    let mut folders = [PathBuf::new(), PathBuf::new()];
    for ((name, program, side, config), folder) in sides.into_iter().zip(&mut folders) {
        *folder = checkout.results.join(side);
        let mut command = Command::new(program);
        command.args(["run", "--out"]).arg(&*folder).arg("--").arg(config);
        if !python {
            command.env(NO_PYTHON, "1");
        }
        let help = "its messages are above; a config may name what an older build doesn't know";
        let what = format!("running {} with {name}", config.display());
        // 1: some cells failed, which is what a comparison should show.
        run(&mut command, &checkout, &what, help, |code| code <= 1)?;
    }
    Ok((checkout, folders))
}

/// A config without what the commit doesn't know, in a file beside the original: the paths of files in it are relative
/// to its folder. None if the commit takes the original, or nothing of it.
fn known_part(
    commit: &Commit,
    checkout: &Checkout,
    program: &Path,
    config: &Path,
) -> Result<Option<NamedTempFile>, CompareError> {
    // A dry run that every version has, and that tries nothing.
    let takes = |config: &Path| {
        let mut command = Command::new(program);
        command.args(["status", "--out"]).arg(checkout.results.join("left")).arg("--").arg(config);
        let status = wait(command.stderr(Stdio::null()), checkout)?;
        Ok(status.is_ok_and(|status| status.success()))
    };
    if takes(config)? {
        return Ok(None);
    }
    // What can't be read is told by the run.
    let Ok(text) = files::read_text(config, files::TEXT) else { return Ok(None) };
    let beside = |text: &str| {
        let folder = config.parent().unwrap_or(Path::new("."));
        let write = || {
            let mut file =
                tempfile::Builder::new().prefix(".compare-").suffix(".toml").tempfile_in(folder)?;
            file.write_all(text.as_bytes())?;
            Ok(file)
        };
        write().map_err(|source| CompareError::Write { path: folder.join(".compare-*.toml"), source })
    };
    let Some(reduced) = reduce(&text, |text| takes(beside(text)?.path()))? else { return Ok(None) };
    say(&format!(
        "note: {} doesn't know {}: only this build runs that",
        commit.shown(),
        reduced.unknown.join(", ")
    ));
    beside(&reduced.text).map(Some)
}

/// Builds the commit, and links the program into the checkout's results: another comparison may build another
/// commit under its name.
fn build(commit: &Commit, target: &Path, checkout: &Checkout) -> Result<PathBuf, CompareError> {
    let _lock = wait_for_lock(&target.join("build.lock"))?;
    say(&format!("building {}", commit.shown()));
    // One that another commit left there isn't this one's.
    let programs = NAMES.map(|name| target.join("debug").join(name).with_extension(EXE_EXTENSION));
    for path in &programs {
        let _ = fs::remove_file(path);
    }
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "-p", "runner", "--target-dir"]).arg(target).current_dir(&checkout.tree);
    let what = format!("building {}", commit.shown());
    let help = format!("its messages are above; does {} build at all?", commit.shown());
    run(&mut build, checkout, &what, &help, |code| code == 0)?;
    let Some(built) = programs.iter().find(|path| path.exists()) else {
        let problem = format!("there is no program {} after it", NAMES.join(" or "));
        return Err(CompareError::Program { what, problem, help });
    };
    let program = checkout.results.join("program").with_extension(EXE_EXTENSION);
    fs::hard_link(built, &program)
        .or_else(|_| fs::copy(built, &program).map(|_| ()))
        .map_err(|source| CompareError::Write { path: program.clone(), source })?;
    Ok(program)
}

/// This program, as it is now: building takes minutes, in which somebody may build it anew under its name.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it is copied, which can fail")]
fn this_program(_folder: &Path) -> Result<PathBuf, CompareError> {
    Ok(format!("/proc/{}/exe", std::process::id()).into())
}

#[cfg(not(target_os = "linux"))]
fn this_program(folder: &Path) -> Result<PathBuf, CompareError> {
    let this = folder.join("this").with_extension(EXE_EXTENSION);
    std::env::current_exe()
        .and_then(|program| fs::copy(program, &this))
        .map_err(|source| CompareError::Write { path: this.clone(), source })?;
    Ok(this)
}

/// Runs a program whose messages the user sees, and whose table the user doesn't.
fn run(
    command: &mut Command,
    checkout: &Checkout,
    what: &str,
    help: &str,
    fine: impl Fn(i32) -> bool,
) -> Result<(), CompareError> {
    let problem = match wait(command, checkout)? {
        Ok(status) if status.code().is_some_and(fine) => return Ok(()),
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    Err(CompareError::Program { what: what.to_owned(), problem, help: help.to_owned() })
}

/// Waits for a program to end; an error of the comparison if it was stopped.
fn wait(command: &mut Command, checkout: &Checkout) -> Result<io::Result<ExitStatus>, CompareError> {
    command.stdin(checkout.stdin()).stdout(Stdio::null());
    // A group of its own is ended whole: cargo's compilers, too.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let status = command.spawn().and_then(|mut child| {
        loop {
            match child.try_wait()? {
                Some(status) => return Ok(Some(status)),
                None if signals::stopped() => {
                    end(&mut child);
                    return Ok(None);
                }
                None => thread::sleep(PAUSE),
            }
        }
    });
    status.transpose().ok_or(CompareError::Stopped)
}

/// Ends a child and those that it started.
fn end(child: &mut Child) {
    #[cfg(unix)]
    let _ = rustix::process::kill_process_group(
        rustix::process::Pid::from_child(child),
        rustix::process::Signal::KILL,
    );
    #[cfg(not(unix))]
    let _ = child.kill();
    let _ = child.wait();
}
