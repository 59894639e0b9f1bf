//! Standard error, written without ever waiting for long: whoever should read it may have stopped to.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use indicatif::{ProgressDrawTarget, TermLike};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// The longest that a message waits for its reader: a signal's answer is part of stopping. After that messages are
/// dropped until somebody reads again.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// A pipe that can be written at all takes so many bytes without waiting (`PIPE_BUF`, at least).
const CHUNK: usize = 512;

/// Whether the last message had to be given up.
static STUCK: AtomicBool = AtomicBool::new(false);

/// Standard error opened once more, so that it doesn't wait: the same open file is that of other programs, too.
/// None where that can't be done, and for a file, which never waits.
static UNWAITING: LazyLock<Option<File>> = LazyLock::new(|| {
    const HERE: &str = "/proc/self/fd/2";
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let waits = io::stderr().is_terminal() || std::fs::metadata(HERE).is_ok_and(|m| m.file_type().is_fifo());
    waits.then(|| File::options().write(true).custom_flags(flags).open(HERE).ok()).flatten()
});

/// Writes a text, or as much of it as can be written; errors are ignored.
pub(super) fn write(text: &str, patience: Duration) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let begin = Instant::now();
    let patience = if STUCK.load(Ordering::Relaxed) { Duration::ZERO } else { patience };
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let chunk = &rest[..rest.len().min(CHUNK)];
        let written = match UNWAITING.as_ref() {
            Some(mut file) => file.write(chunk),
            None => write_if_ready(chunk),
        };
        match written {
            Ok(count) => {
                STUCK.store(false, Ordering::Relaxed);
                rest = &rest[count..];
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if begin.elapsed() >= patience {
                    return STUCK.store(true, Ordering::Relaxed);
                }
                sleep(Duration::from_millis(5));
            }
            Err(_) => return,
        }
    }
}

/// Writes where that doesn't wait, as far as the system knows.
fn write_if_ready(bytes: &[u8]) -> io::Result<usize> {
    let stderr = rustix::stdio::stderr();
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&now)) {
        Ok(0) => Err(ErrorKind::WouldBlock.into()),
        // What can't be polled is written as it is.
        Ok(_) | Err(_) => Ok(rustix::io::write(stderr, bytes)?),
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
        write(&frame, Duration::ZERO);
        Ok(())
    }
}
