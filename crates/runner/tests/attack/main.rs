//! Situations that version 0.1.0 fell over: hostile folders, files that change, absurd sizes, closed streams.
//!
//! `OPTBENCH_RUNNER=target/old/runner cargo test -p runner --test attack` shows what another build makes of them.

mod folder;
mod kills;
mod modules;
#[path = "../cli/place.rs"]
mod place;
mod sharing;

use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// So long a command may take that has next to nothing to do; those that hung took for ever.
const PATIENCE: Duration = Duration::from_secs(40);

/// Runs a command to its end, or says that it hangs.
fn ended(command: &mut Command) -> Output {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Pipes that nobody reads would be full at some time.
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |from: &mut dyn Read| {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    };
    std::thread::scope(|scope| {
        let out = scope.spawn(move || read(&mut out));
        let err = scope.spawn(move || read(&mut err));
        let begin = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if begin.elapsed() > PATIENCE => break None,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        if status.is_none() {
            child.kill().unwrap();
        }
        let (stdout, stderr) = (out.join().unwrap(), err.join().unwrap());
        let Some(status) = status else {
            panic!("{command:?} hangs; it said: {}", String::from_utf8_lossy(&stderr))
        };
        Output { status, stdout, stderr }
    })
}

/// What a command said on standard error, which must have ended with this exit code; in one line.
fn said(output: &Output, code: i32) -> String {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    message.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}
