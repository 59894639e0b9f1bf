//! A commit that is checked out beside the working tree, for as long as it is compared.
//!
//! In `target/compare` a checkout `tree-<hash>` has a file `tree-<hash>.lock`, which is locked while the checkout is
//! used, and a folder `tree-<hash>.results`. The lock goes with the process, so that a checkout that isn't locked was
//! left behind by one that was killed, and the next comparison removes it.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::error::CompareError;
use super::git::{Commit, Repository, output, text};
use crate::signals;

/// What the name of a checkout begins with.
const PREFIX: &str = "tree-";

/// A checkout and its results, which are removed again.
pub(super) struct Checkout<'a> {
    repository: &'a Repository,
    target: PathBuf,
    lock: Option<File>,
    /// The files of the commit.
    pub(super) tree: PathBuf,
    /// Where results and programs go.
    pub(super) results: PathBuf,
}

impl<'a> Checkout<'a> {
    pub(super) fn new(
        repository: &'a Repository,
        commit: &Commit,
        target: &Path,
    ) -> Result<Self, CompareError> {
        fs::create_dir_all(target)
            .map_err(|source| CompareError::Write { path: target.to_owned(), source })?;
        let (name, lock) = claim(repository, commit, target)?;
        let checkout = Self {
            repository,
            target: target.to_owned(),
            lock: Some(lock),
            tree: target.join(&name),
            results: target.join(format!("{name}.results")),
        };
        fs::create_dir_all(&checkout.results)
            .map_err(|source| CompareError::Write { path: checkout.results.clone(), source })?;
        let mut add = repository.git(&["worktree", "add", "--detach", "--force"]);
        let added = output(add.arg(&checkout.tree).arg(&commit.hash))?;
        if added.status.success() {
            return Ok(checkout);
        }
        Err(CompareError::Git { what: commit.shown(), message: text(&added.stderr) })
    }

    /// An empty input for a child, with which it holds the lock for as long as it runs: should this process be
    /// killed, nobody removes what a compiler is still at work on.
    pub(super) fn stdin(&self) -> Stdio {
        let lock = self.lock.as_ref().filter(|_| cfg!(unix));
        lock.and_then(|lock| lock.try_clone().ok()).map_or_else(Stdio::null, Stdio::from)
    }
}

impl Drop for Checkout<'_> {
    fn drop(&mut self) {
        // From here on it is one that nobody uses.
        self.lock = None;
        if let Ok(_turn) = File::create(self.target.join("lock")).and_then(|lock| lock.lock().map(|()| lock))
        {
            remove_abandoned(self.repository, &self.target);
        }
    }
}

/// The name of a checkout of a commit, and its lock.
fn claim(repository: &Repository, commit: &Commit, target: &Path) -> Result<(String, File), CompareError> {
    // Others look for checkouts to remove, too.
    let _turn = wait_for_lock(&target.join("lock"))?;
    remove_abandoned(repository, target);
    let hash = &commit.hash[..commit.hash.len().min(12)];
    // Of the same commit there may be another one in use. The first has the same name each time, so that cargo
    // knows what it built there.
    for number in 1.. {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let name = format!("{PREFIX}{hash}{suffix}");
        if let Some(lock) = try_lock(&target.join(format!("{name}.lock")))? {
            return Ok((name, lock));
        }
    }
    unreachable!("the numbers don't end")
}

/// Removes the checkouts that aren't locked. What can't be removed stays for the next time.
fn remove_abandoned(repository: &Repository, target: &Path) {
    let names: BTreeSet<String> = fs::read_dir(target)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(PREFIX))
        .map(|name| name.split('.').next().unwrap_or_default().to_owned())
        .collect();
    for name in names {
        let (tree, lock) = (target.join(&name), target.join(format!("{name}.lock")));
        let Ok(Some(_held)) = try_lock(&lock) else { continue };
        // One that was killed while git made it is locked by git.
        for arguments in [&["worktree", "unlock"][..], &["worktree", "remove", "--force", "--force"]] {
            let _ = output(repository.git(arguments).arg(&tree));
        }
        let _ = fs::remove_dir_all(&tree);
        let _ = fs::remove_dir_all(target.join(format!("{name}.results")));
        if !tree.exists() {
            let _ = fs::remove_file(&lock);
        }
    }
    let _ = output(&mut repository.git(&["worktree", "prune"]));
}

/// Locks a file, which is made if need be; none if it is locked.
fn try_lock(path: &Path) -> Result<Option<File>, CompareError> {
    let failed = |source: io::Error| CompareError::Write { path: path.to_owned(), source };
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Locks a file as soon as nobody else does.
pub(super) fn wait_for_lock(path: &Path) -> Result<File, CompareError> {
    loop {
        if let Some(lock) = try_lock(path)? {
            return Ok(lock);
        }
        if signals::stopped() {
            return Err(CompareError::Stopped);
        }
        thread::sleep(Duration::from_millis(50));
    }
}
