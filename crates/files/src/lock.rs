//! Who is at work in a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};

use crate::Folder;

/// The file that is locked. It stays: removing it would let two programs lock two files of this name.
const FILE: &str = ".lock";

/// The most bytes that it holds.
const MOST: u64 = 1024;

/// Says that a program is at work in a folder, until it is dropped, or the program ends, however it does.
///
/// Programs that do the same work share the lock; one that would do other work is refused.
#[derive(Debug)]
pub struct Lock {
    /// `None` where the file system has no locks.
    file: Option<File>,
}

/// Why a folder can't be worked in.
#[derive(Debug)]
pub enum LockError {
    /// A program is at work there, and does something else.
    Busy,
    /// The system says no.
    Io(io::Error),
}

impl Folder {
    /// Takes the lock for a work, by a name of the work that other work doesn't have.
    ///
    /// # Errors
    /// If a program with other work holds it, or the file can't be made.
    pub fn lock(&self, work: &str) -> Result<Lock, LockError> {
        let path = self.inside(FILE).map_err(LockError::Io)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let mut file = options.open(path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {
                // Nobody else is at work: the work is ours to name.
                write(&mut file, work).map_err(LockError::Io)?;
                file.lock_shared().map_err(LockError::Io)?;
            }
            // Waits only until whoever came first has named the work.
            Err(TryLockError::WouldBlock) => file.lock_shared().map_err(LockError::Io)?,
            Err(TryLockError::Error(_)) => return Ok(Lock { file: None }),
        }
        // Between the two locks another may have come.
        let mut named = String::new();
        file.rewind().map_err(LockError::Io)?;
        (&file).take(MOST).read_to_string(&mut named).map_err(LockError::Io)?;
        if named == work { Ok(Lock { file: Some(file) }) } else { Err(LockError::Busy) }
    }
}

fn write(file: &mut File, work: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(work.as_bytes())
}

impl Lock {
    /// Does something if no other program is at work in the folder, and keeps others waiting meanwhile.
    ///
    /// # Errors
    /// If the lock can't be taken back afterward.
    pub fn alone<T>(&self, act: impl FnOnce() -> T) -> io::Result<Option<T>> {
        let Some(file) = &self.file else { return Ok(None) };
        let done = file.try_lock().is_ok().then(act);
        // What failed to become exclusive may have lost what it had.
        file.lock_shared()?;
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_work_shares_a_folder_and_other_work_does_not() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path());
        let first = folder.lock("a").unwrap();
        assert_eq!(first.alone(|| 1).unwrap(), Some(1));
        let second = folder.lock("a").unwrap();
        assert!(matches!(folder.lock("b"), Err(LockError::Busy)));
        assert_eq!(first.alone(|| 1).unwrap(), None, "another is at work");
        drop(first);
        assert!(matches!(folder.lock("b"), Err(LockError::Busy)));
        assert_eq!(second.alone(|| 2).unwrap(), Some(2));
        drop(second);
        folder.lock("b").unwrap();
        folder.lock("longer than before").unwrap();
        folder.lock("a").unwrap();
    }

    #[test]
    fn many_at_once_agree_on_one_work() {
        let place = tempfile::tempdir().unwrap();
        for _ in 0..50 {
            let barrier = std::sync::Barrier::new(6);
            let holds = |work: &'static str| {
                let folder = Folder::new(place.path());
                barrier.wait();
                let lock = folder.lock(work);
                barrier.wait();
                lock.is_ok().then_some(work)
            };
            let held: Vec<&str> = std::thread::scope(|scope| {
                let threads: Vec<_> =
                    ["a", "b", "a", "b", "a", "b"].map(|work| scope.spawn(move || holds(work))).into();
                threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
            });
            assert!(!held.is_empty() && held.iter().all(|work| *work == held[0]), "{held:?}");
        }
    }
}
