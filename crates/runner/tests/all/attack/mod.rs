//! Situations that version 0.1.0 fell over: hostile folders, files that change, absurd sizes, closed streams.
//!
//! `OPTBENCH_RUNNER=target/old/runner cargo test --test all attack` shows what another build makes of them.

mod endings;
mod folder;
mod kills;
mod limits;
mod modules;
mod sharing;

use std::process::{Command, Output};

/// Runs a program to its end.
fn ended(command: &mut Command) -> Output {
    crate::limit::output(command, |_| ())
}

/// What a program said on standard error, in one line; it must have ended with this exit code.
fn said(output: &Output, code: i32) -> String {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    crate::limit::in_a_line(&message)
}
