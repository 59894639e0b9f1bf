//! A process that has loaded the program, and is copied for each command that a test runs.
//!
//! A start of the program takes libtorch half a second of registering its operators, and the tests start it more than a
//! thousand times. This binary holds the program too: it runs itself once with [`server`] as its only test, and that
//! process, which has run nothing, forks for every command.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{BufRead, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{LazyLock, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, io, panic, ptr};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::limit::LIMIT;

/// Set in the process that serves.
const SERVES: &str = "OPTBENCH_TEST_SERVER";

/// Where folders with a request are written to, a line each.
#[expect(clippy::zombie_processes, reason = "it ends with this process, when its input does")]
static SERVER: LazyLock<Mutex<ChildStdin>> = LazyLock::new(|| {
    let mut server = Command::new(env::current_exe().unwrap())
        .args(["--exact", "loaded::server", "--ignored", "--nocapture", "--test-threads=1"])
        .env(SERVES, "1")
        .env("NO_COLOR", "1")
        // What a main thread has.
        .env("RUST_MIN_STACK", "8388608")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Mutex::new(server.stdin.take().unwrap())
});

/// What the program came to, run in a folder with nothing on its standard input, and with at most so many bytes of
/// address space.
pub fn output(words: &[OsString], folder: &Path, memory: Option<u64>) -> Output {
    let request = tempfile::tempdir().unwrap();
    let memory = OsString::from(memory.map(|bytes| bytes.to_string()).unwrap_or_default());
    let lines = [&*memory, folder.as_os_str()].into_iter().chain(words.iter().map(OsString::as_os_str));
    let lines: Vec<&[u8]> = lines.map(OsStr::as_bytes).collect();
    fs::write(request.path().join("words"), lines.join(&0)).unwrap();
    let line = [request.path().as_os_str().as_bytes(), b"\n"].concat();
    SERVER.lock().unwrap().write_all(&line).unwrap();
    let begin = Instant::now();
    let status = loop {
        if let Ok(status) = fs::read_to_string(request.path().join("status")) {
            break ExitStatus::from_raw(status.parse().unwrap());
        }
        assert!(begin.elapsed() < LIMIT, "{words:?} hangs");
        sleep(Duration::from_millis(3));
    };
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| fs::read(request.path().join(name)).unwrap());
    Output { status, stdout, stderr }
}

#[test]
#[ignore = "run by the other tests"]
fn server() {
    if env::var_os(SERVES).is_none() {
        return;
    }
    let threads = fs::read_dir("/proc/self/task").unwrap().count();
    assert!(
        threads <= 2,
        "a copy has this thread alone, and may lack none but the one that waits for the test"
    );
    for line in io::stdin().lock().lines() {
        let request = PathBuf::from(line.unwrap());
        // Nobody waits for the process between: the kernel does away with it.
        if fork() == 0 {
            watch(&request);
        }
        while waited(-1, libc::WNOHANG).is_some_and(|(child, _)| child > 0) {}
    }
}

/// Runs a command in a copy of this process, and tells how it ended.
fn watch(request: &Path) -> ! {
    let child = fork();
    if child == 0 {
        let _: Result<(), _> = panic::catch_unwind(|| work(request));
        exit(101);
    }
    let (_, status) = waited(child, 0).unwrap();
    let [new, done] = ["status.new", "status"].map(|name| request.join(name));
    // Where the test has given up there is nobody to tell.
    let _ = fs::write(&new, status.to_string()).and_then(|()| fs::rename(&new, done));
    exit(0)
}

/// Is the program.
fn work(request: &Path) -> ! {
    let [out, err] = ["stdout", "stderr"].map(|name| File::create(request.join(name)).unwrap());
    rustix::stdio::dup2_stdin(File::open("/dev/null").unwrap()).unwrap();
    rustix::stdio::dup2_stdout(out).unwrap();
    rustix::stdio::dup2_stderr(err).unwrap();
    let words = fs::read(request.join("words")).unwrap();
    let mut words = words.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()));
    let memory = words.next().unwrap().into_string().unwrap().parse().ok();
    if memory.is_some() {
        setrlimit(Resource::As, Rlimit { current: memory, maximum: memory }).unwrap();
    }
    env::set_current_dir(words.next().unwrap()).unwrap();
    runner::cli::main(["optbench".into()].into_iter().chain(words))
}

/// Ends a copy, without touching all of the memory that it has in common with the others.
fn exit(code: i32) -> ! {
    signal_hook::low_level::exit(code)
}

#[expect(unsafe_code, reason = "std has no fork")]
fn fork() -> libc::pid_t {
    // SAFETY: the only other thread waits for this one, and holds no lock that a copy could need.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", io::Error::last_os_error());
    child
}

#[expect(unsafe_code, reason = "std waits only for what it started")]
fn waited(child: libc::pid_t, options: i32) -> Option<(libc::pid_t, i32)> {
    let mut status = 0;
    // SAFETY: the pointer is valid for the call.
    let child = unsafe { libc::waitpid(child, ptr::from_mut(&mut status), options) };
    (child >= 0).then_some((child, status))
}
