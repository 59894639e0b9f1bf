//! What Ctrl-C (SIGINT), SIGTERM and SIGHUP do to a command that has something to finish. A command that hasn't is
//! ended by them at once.
//!
//! Nothing here depends on standard error being read, nor on a thread being free: the second signal ends the program
//! from within its handler.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use crate::terminal::{is_printing, say};
use crate::threads::NoThreads;

/// The exit code of a program that was stopped.
pub(crate) const STOPPED: u8 = 130;

/// Set by the first signal to a run: batches already started are finished, and no other starts.
pub static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Held by whichever comes first: a signal that ends the program, or the writing of files that it must not cut off.
static WRITING: Mutex<()> = Mutex::new(());

/// The first signal sets [`STOP`] and is answered with these words; the second one ends the program. So does the
/// first one where nothing is left but an answer that nobody reads.
///
/// # Errors
/// If there is no thread to answer with.
pub(crate) fn finish_first(words: &'static str) -> Result<(), NoThreads> {
    listen(&STOP, move || {
        say(words);
        end_when_unread();
    })
}

/// The first signal ends the program with these words; once files are written ([`hold`]), only a second one does.
///
/// # Errors
/// If there is no thread to answer with.
pub(crate) fn end_at_once(words: &'static str) -> Result<(), NoThreads> {
    listen(&Arc::default(), move || {
        let Ok(_held) = WRITING.try_lock() else { return end_when_unread() };
        say(words);
        end(STOPPED);
    })
}

/// Where `OPTBENCH_PARENT` is the process that started this one, as the Python package says, its end is a SIGTERM: a
/// notebook's kernel that is killed leaves no run behind.
#[cfg(target_os = "linux")]
pub(crate) fn follow_parent() {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};

    let Ok(parent) = std::env::var("OPTBENCH_PARENT") else { return };
    let set = set_parent_process_death_signal(Some(Signal::TERM));
    // It may have ended before.
    if set.is_ok() && getppid().is_none_or(|now| now.as_raw_nonzero().to_string() != parent) {
        end(STOPPED);
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn follow_parent() {}

/// Ends the program once it has finished all but printing an answer that nobody reads.
fn end_when_unread() {
    let mut printing = 0;
    while printing < 3 {
        sleep(Duration::from_millis(100));
        printing = if is_printing() { printing + 1 } else { 0 };
    }
    end(STOPPED);
}

/// From now on files are written, and then the program ends.
pub(crate) fn hold() {
    std::mem::forget(WRITING.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Ends the program and tears nothing down: other threads may be in the middle of something.
#[cfg(unix)]
pub(crate) fn end(code: u8) -> ! {
    signal_hook::low_level::exit(code.into())
}

#[cfg(not(unix))]
pub(crate) fn end(code: u8) -> ! {
    std::process::exit(code.into())
}

/// The first signal sets the flag and calls `answer`; the second one ends the program.
#[cfg(unix)]
fn listen(flag: &Arc<AtomicBool>, answer: impl FnOnce() + Send + 'static) -> Result<(), NoThreads> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::flag;
    use signal_hook::iterator::Signals;

    let mut signals = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP) {
        signals.push(SIGHUP);
    }
    let waiting = Signals::new(&signals);
    for &signal in &signals {
        // In this order: the first signal finds the flag unset.
        let second = flag::register_conditional_shutdown(signal, STOPPED.into(), flag.clone());
        if let Err(error) = second.and_then(|_| flag::register(signal, flag.clone())) {
            say(&format!("Ctrl-C will not be waited for: {error}"));
        }
    }
    let Ok(mut waiting) = waiting else { return Ok(()) };
    let wait = move || {
        if waiting.forever().next().is_some() {
            answer();
        }
    };
    let thread = std::thread::Builder::new().name("signals".into()).spawn(wait);
    thread.map(|_| ()).map_err(|error| NoThreads::new(1, error))
}

#[cfg(not(unix))]
fn listen(flag: &Arc<AtomicBool>, answer: impl FnOnce() + Send + 'static) -> Result<(), NoThreads> {
    let (flag, answer) = (flag.clone(), Mutex::new(Some(answer)));
    let set = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            end(STOPPED);
        }
        if let Some(answer) = answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            answer();
        }
    });
    if let Err(error) = set {
        say(&format!("Ctrl-C will not be waited for: {error}"));
    }
    Ok(())
}

/// Whether whoever started this program had it ignore a signal, as `nohup` does with SIGHUP.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let mask = || {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    mask().is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// A file that grows beyond its limit (`ulimit -f`) becomes an error of writing; by default its signal ends the
/// program without a word.
pub(crate) fn refuse_large_files() {
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// Whether a first signal came.
pub(crate) fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}
