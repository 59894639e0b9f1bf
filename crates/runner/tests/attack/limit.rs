//! Programs that must end in time.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::place::Place;

/// Whatever takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// How a program ended, and what it printed where nothing else was asked for.
pub struct Ended {
    /// The exit code; the negative number of a signal that ended it.
    pub code: i32,
    pub stdout: String,
    /// With every white space as one space, since messages are wrapped.
    pub stderr: String,
}

/// Runs a program to its end, with streams that `streams` may set.
pub fn run(place: &Place, arguments: &[&str], streams: impl FnOnce(&mut Command)) -> Ended {
    let mut command = place.command(arguments);
    ended(place, &mut command, streams)
}

/// As [`run`], for a command that is made already.
pub fn ended(place: &Place, command: &mut Command, streams: impl FnOnce(&mut Command)) -> Ended {
    // Beside the place, so that it stays empty; a file never makes a program wait.
    let [out, err] = ["out", "err"].map(|name| place.path().with_extension(name));
    command.stdin(Stdio::null()).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    streams(command);
    let status = wait(&mut command.spawn().unwrap());
    let read = |path| {
        let mut bytes = Vec::new();
        File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)).unwrap();
        fs::remove_file(path).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (read(out), read(err));
    let words: Vec<&str> = stderr.split_whitespace().filter(|word| *word != "│").collect();
    Ended { code: code(status), stdout, stderr: words.join(" ") }
}

/// Waits for a program that must end in time.
pub fn wait(child: &mut Child) -> ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begin.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it hangs");
        }
        sleep(Duration::from_millis(10));
    }
}

/// An exit code, or the negative number of the signal.
pub fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

/// Sends a signal.
pub fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Waits until something is so; a program that doesn't get there hangs.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < LIMIT, "{what} takes too long");
        sleep(Duration::from_millis(10));
    }
}
