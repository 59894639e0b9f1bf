//! Standard error, written without ever waiting for long: whoever should read it may have stopped to.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressDrawTarget, TermLike};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The longest that a message waits for its reader, in seconds: a signal's answer is part of stopping. After that messages are dropped until somebody
/// reads again.
pub(super) const PATIENCE: i64 = 1;

/// A pipe that can be written at all takes so many bytes without waiting (`PIPE_BUF`, at least).
const CHUNK: usize = 512;

/// Whether the last message had to be given up.
static STUCK: AtomicBool = AtomicBool::new(false);

/// Writes a text, or as much of it as can be written; errors are ignored.
pub(super) fn write(text: &str, patience_s: i64) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let stderr = rustix::stdio::stderr();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let tv_sec = if STUCK.load(Ordering::Relaxed) { 0 } else { patience_s };
        let ready = poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&Timespec { tv_sec, tv_nsec: 0 }));
        match ready {
            Ok(0) => return STUCK.store(true, Ordering::Relaxed),
            Ok(_) => STUCK.store(false, Ordering::Relaxed),
            Err(Errno::INTR) => continue,
            // What can't be polled is written as it is.
            Err(_) => {}
        }
        match rustix::io::write(stderr, &rest[..rest.len().min(CHUNK)]) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}

/// Where progress bars are drawn.
pub(super) fn draw_target() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(Box::new(Screen::default()), 20)
}

/// The terminal, of which a frame is dropped when it takes nothing (it was stopped by Ctrl-S, or hangs).
#[derive(Debug, Default)]
struct Screen(Mutex<String>);

impl Screen {
    /// Adds to the frame, which is written in one go.
    fn step(&self, count: usize, direction: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.write_str(&format!("\x1b[{count}{direction}")) }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        rustix::termios::tcgetwinsize(rustix::stdio::stderr())
            .map_or(80, |size| if size.ws_col == 0 { 80 } else { size.ws_col })
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.step(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.step(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.step(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.step(n, 'D')
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.write_str(line)?;
        self.write_str("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write_str("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        write(&frame, 0);
        Ok(())
    }
}
