//! Readers of files that people edit, copy and damage: whatever is in them, they answer, and end. `OPTBENCH_FULL=1` reads
//! all that was found, and without it a sample.

use std::env;
use std::num::NonZero;
use std::panic::{catch_unwind, resume_unwind};
use std::process::Command;
use std::thread::{available_parallelism, scope};

use crate::readers::{READERS, kept};
use crate::sandbox::is_full;

/// Runs a test in another process: commands print what nobody wants to read, and might take the process with them.
fn apart(test: &str, body: impl FnOnce()) {
    if env::var_os("OPTBENCH_APART").is_some() {
        return body();
    }
    let mut again = Command::new(env::current_exe().unwrap());
    let output = again
        .args(["--exact", &format!("fuzz::{test}"), "--nocapture"])
        .env("OPTBENCH_APART", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn readers_take_what_they_are_given_to_begin_with() {
    apart("readers_take_what_they_are_given_to_begin_with", || {
        for reader in &READERS {
            for seed in (reader.seeds)() {
                (reader.read)(&seed);
            }
        }
    });
}

fn survive(name: &str, bytes: &[u8]) {
    let reader = READERS.iter().find(|reader| reader.name == name).expect("the reader is there");
    if let Err(panic) = catch_unwind(|| (reader.read)(bytes)) {
        eprintln!("this broke the reader of {name}: {:?}", String::from_utf8_lossy(bytes));
        resume_unwind(panic);
    }
}

#[test]
fn nothing_that_was_found_breaks_them() {
    apart("nothing_that_was_found_breaks_them", || {
        let every = if is_full() { 1 } else { 5 };
        let kept: Vec<_> = kept().into_iter().step_by(every).collect();
        assert!(!kept.is_empty());
        // Not by rayon, which some readers work with: a worker that waits for one would begin another.
        let threads = available_parallelism().map_or(1, NonZero::get);
        scope(|scope| {
            for first in 0..threads {
                let own = kept.iter().skip(first).step_by(threads);
                scope.spawn(move || own.for_each(|(name, bytes)| survive(name, bytes)));
            }
        });
    });
}
