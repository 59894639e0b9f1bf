//! What the program says: answers on standard output, messages on standard error. A stream that can't be written
//! never panics, ends or hangs a run, and no text of others moves the cursor or hides words.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use miette::{GraphicalReportHandler, GraphicalTheme, Report};
use records::text::{is_hidden_control, plain_lines};

use crate::exit::Exit;

#[cfg(unix)]
mod stderr;
#[cfg(not(unix))]
#[path = "terminal/stderr_elsewhere.rs"]
mod stderr;

/// The first error in writing to standard output; nothing is written after it.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Whether standard output is being written, which lasts for as long as nobody reads a pipe.
static PRINTING: AtomicBool = AtomicBool::new(false);

/// What tables are styled with: the only control sequences that [`print`] writes.
const STYLES: [&str; 2] = ["\x1b[1m", "\x1b[0m"];

/// Prints a text for people to standard output.
pub(crate) fn print(text: &str) {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // What is between our own styles is made plain.
    while let Some(at) = rest.find('\x1b') {
        let (before, from) = rest.split_at(at);
        let style = STYLES.into_iter().find(|style| from.starts_with(style));
        out += &plain_lines(before);
        out += style.unwrap_or(r"\u{1b}");
        rest = &from[style.map_or(1, str::len)..];
    }
    out += &plain_lines(rest);
    write_out(&out);
}

/// Prints JSON. What a terminal would not show as it is becomes JSON's own escape, which is the same value.
pub(crate) fn print_json(json: &str) {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && is_hidden_control(character) {
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    write_out(&out);
}

/// Prints CSV: for a program as it is, on a terminal made plain.
pub(crate) fn print_csv(csv: &str) {
    if io::stdout().is_terminal() { print(csv) } else { write_out(csv) }
}

fn write_out(text: &str) {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.is_none() {
        PRINTING.store(true, Ordering::Relaxed);
        let mut out = io::stdout().lock();
        *failed = out.write_all(text.as_bytes()).and_then(|()| out.flush()).err();
        PRINTING.store(false, Ordering::Relaxed);
    }
}

/// Whether a text is being printed right now.
pub(crate) fn is_printing() -> bool {
    PRINTING.load(Ordering::Relaxed)
}

/// Whether all could be printed, once all is; says so if not. A reader that has seen enough (`| head`) is no error.
pub(crate) fn finish() -> bool {
    let failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner).take();
    let failed = failed.filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
    if let Some(error) = &failed {
        say(&format!("can't write to standard output: {error}"));
    }
    failed.is_none()
}

/// Says a line on standard error.
pub(crate) fn say(line: &str) {
    stderr::write(&(plain_lines(line) + "\n"), stderr::PATIENCE);
}

/// Shows a mistake.
pub(crate) fn report_error(report: &Report) {
    // Colors are control sequences too, so the text is searched without them.
    let mut bare = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    let rendered = handler.render_report(&mut bare, report.as_ref());
    let plain = plain_lines(&bare);
    if rendered.is_ok() && plain != bare {
        say(&plain);
    } else {
        stderr::write(&format!("{report:?}\n"), stderr::PATIENCE);
    }
}

/// Shows what clap has to say: help and version on standard output, a mistake on standard error.
pub(crate) fn usage(message: &clap::Error) -> Exit {
    let styled = |terminal: bool| {
        let colors = terminal
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|value| value != "dumb");
        let text = message.render();
        // Arguments are repeated in it.
        let plain = text.to_string();
        if colors && plain_lines(&plain) == plain.as_str() {
            text.ansi().to_string()
        } else {
            plain_lines(&plain).into()
        }
    };
    if message.use_stderr() {
        stderr::write(&styled(io::stderr().is_terminal()), stderr::PATIENCE);
        return Exit::WrongInput;
    }
    write_out(&styled(io::stdout().is_terminal()));
    Exit::Fine
}

/// A progress bar of so many steps, or one that turns; hidden where standard error is no terminal.
pub(crate) fn progress(steps: Option<u64>, style: ProgressStyle) -> ProgressBar {
    if !io::stderr().is_terminal() || std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(steps, stderr::draw_target()).with_style(style);
    // It draws itself from a thread of its own, and panics where there is no thread to be had.
    if thread::Builder::new().spawn(|| ()).is_ok_and(|thread| thread.join().is_ok()) {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}
