//! What the program says: answers on standard output, messages on standard error. Nothing said ends or hangs a
//! run, and no text of others moves the cursor, hides words or turns them round.

use std::io::{self, Write};
use std::process::ExitCode;

use miette::{Diagnostic, Report};

/// Prints to standard output; a reader that has seen enough (`| head`) is no error.
pub(crate) fn print(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Says a line on standard error.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Shows a mistake and gives the exit code.
pub(crate) fn wrong(error: impl Diagnostic + Send + Sync + 'static, code: u8) -> ExitCode {
    say(&format!("{:?}", Report::new(error)));
    ExitCode::from(code)
}
