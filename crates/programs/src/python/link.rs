//! Connections to workers: a process for each thread that needs one, or the notebook that started this program.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tch::Tensor;

use super::frame;
use super::sources;

/// The version of the protocol.
const PROTOCOL: u64 = 1;
/// How long an answer may take where `OPTBENCH_PYTHON_TIMEOUT` says nothing, in seconds.
const TIMEOUT_S: f64 = 60.0;
/// How much longer may take what imports torch, exports, or waits for other threads of a notebook.
const PATIENCE: f64 = 10.0;
/// How long a process that has closed its end may take to end.
const LAST: Duration = Duration::from_secs(2);

/// Where code is evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// In a process of this interpreter.
    Process(PathBuf),
    /// In the process that listens at this socket.
    Notebook(PathBuf),
}

/// What a thread is connected to.
type Links = HashMap<Place, Arc<Mutex<Link>>>;

thread_local! {
    static LINKS: RefCell<Links> = RefCell::default();
}

/// A connection, which ends its process when it goes.
#[derive(Debug)]
pub(crate) struct Link {
    stream: UnixStream,
    child: Option<Child>,
    limit: Duration,
    /// Why it answers no more.
    ended: Option<String>,
}

/// That of this thread; a new one where it has none that answers.
pub(crate) fn of_thread(place: &Place) -> Result<Arc<Mutex<Link>>, String> {
    let known = LINKS.with_borrow(|links| links.get(place).cloned());
    if let Some(link) = known.filter(|link| locked(link, |link| link.ended.is_none())) {
        return Ok(link);
    }
    let link = Arc::new(Mutex::new(Link::new(place)?));
    LINKS.with_borrow_mut(|links| links.insert(place.clone(), link.clone()));
    Ok(link)
}

/// Uses a link; what panicked while it was used leaves it as it is.
pub(crate) fn locked<T>(link: &Mutex<Link>, used: impl FnOnce(&mut Link) -> T) -> T {
    used(&mut link.lock().unwrap_or_else(PoisonError::into_inner))
}

fn limit(factor: f64) -> Duration {
    let given =
        std::env::var("OPTBENCH_PYTHON_TIMEOUT").ok().and_then(|text| text.trim().parse::<f64>().ok());
    let seconds = given.filter(|seconds| *seconds > 0.0 && seconds.is_finite()).unwrap_or(TIMEOUT_S);
    Duration::try_from_secs_f64(seconds * factor).unwrap_or(Duration::MAX)
}

impl Link {
    /// A connection on which the worker has answered.
    pub fn new(place: &Place) -> Result<Self, String> {
        let (stream, child) = match place {
            Place::Process(python) => start(python)?,
            Place::Notebook(path) => {
                let stream = UnixStream::connect(path).map_err(|error| {
                    format!(
                        "the notebook can't be reached at {} ({error}): it has to wait for this program",
                        path.display()
                    )
                })?;
                (stream, None)
            }
        };
        let patience = if child.is_some() { 1.0 } else { PATIENCE };
        let mut link = Self { stream, child, limit: limit(patience), ended: None };
        let (hello, _) = link.ask_patiently(json!({ "op": "hello" }), &[])?;
        match hello["protocol"].as_u64() {
            Some(PROTOCOL) => Ok(link),
            other => Err(format!(
                "the Python process speaks version {other:?} of the protocol, and this program {PROTOCOL}: install the \
                 package optbench of the same version"
            )),
        }
    }

    /// What the worker answers.
    pub fn ask(&mut self, header: Value, tensors: &[Tensor]) -> Result<(Value, Vec<Tensor>), String> {
        self.turn(header, tensors, self.limit)
    }

    /// As [`ask`](Self::ask), for what may take much longer.
    pub fn ask_patiently(
        &mut self,
        header: Value,
        tensors: &[Tensor],
    ) -> Result<(Value, Vec<Tensor>), String> {
        self.turn(header, tensors, limit(PATIENCE))
    }

    fn turn(
        &mut self,
        header: Value,
        tensors: &[Tensor],
        limit: Duration,
    ) -> Result<(Value, Vec<Tensor>), String> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let exchanged = || {
            self.stream.set_read_timeout(Some(limit))?;
            self.stream.set_write_timeout(Some(limit))?;
            let sent = frame::write(&mut &self.stream, header, tensors);
            // A process that ended may have said why.
            frame::read(&mut &self.stream).or_else(|error| sent.and(Err(error)))
        };
        let (answer, tensors) = exchanged().map_err(|error: io::Error| self.end(&error, limit))?;
        match answer["error"].as_str() {
            Some(message) => Err(message.to_owned()),
            None => Ok((answer, tensors)),
        }
    }

    /// Gives it up: why.
    fn end(&mut self, error: &io::Error, limit: Duration) -> String {
        let is_late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        let status = if is_late { None } else { self.status() };
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        self.kill();
        let whose = if self.child.is_some() { "its Python process" } else { "the notebook" };
        let message = match status {
            Some(status) => format!("{whose} ended ({status})"),
            None if is_late => format!(
                "{whose} hasn't answered for {} s: OPTBENCH_PYTHON_TIMEOUT sets another limit, in seconds",
                limit.as_secs_f64()
            ),
            None => format!("{whose} is gone ({error})"),
        };
        self.ended = Some(message.clone());
        message
    }

    /// How its process ended, if it does within a moment.
    fn status(&mut self) -> Option<std::process::ExitStatus> {
        let child = self.child.as_mut()?;
        let begin = Instant::now();
        while begin.elapsed() < LAST {
            if let Ok(Some(status)) = child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Ends the process, and those that it started.
    fn kill(&mut self) {
        let Some(child) = &mut self.child else { return };
        if let Some(group) = rustix::process::Pid::from_raw(child.id() as i32) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = child.wait();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill();
        }
    }
}

/// Starts a worker, whose standard input is the other end of the stream.
fn start(python: &PathBuf) -> Result<(UnixStream, Option<Child>), String> {
    let package = sources::unpacked()?;
    let failed = |error: io::Error| {
        let name = python.display();
        format!("can't start Python as `{name}` ({error}): OPTBENCH_PYTHON=… names a Python that has torch")
    };
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    // What the code prints isn't output of this program.
    let output = io::stderr().as_fd().try_clone_to_owned().map_err(failed)?;
    let child = Command::new(python)
        .args(["-u", "-c", sources::BOOT])
        .arg(package)
        .envs(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"].map(|name| (name, "1")))
        .stdin(OwnedFd::from(theirs))
        .stdout(output)
        // Ctrl-C is for this program, and what the process starts ends with it.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    Ok((ours, Some(child)))
}
