//! Threads to work with, where the system gives them.

use miette::Diagnostic;
use thiserror::Error;

use crate::exit::{Exit, Failure};

/// The system starts no more threads.
#[derive(Debug, Error, Diagnostic)]
#[error("can't start {wanted} {}", if *.wanted == 1 { "thread" } else { "threads" })]
#[diagnostic(help(
    "use --jobs to ask for fewer, or raise the limit (`ulimit -u`, the pids limit of a container or a cluster's task)"
))]
pub struct NoThreads {
    /// How many were to be started.
    wanted: usize,
    /// What the system says.
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Failure for NoThreads {
    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

impl NoThreads {
    pub(crate) fn new(wanted: usize, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { wanted, source: Box::new(error) }
    }
}

/// So many threads that compute.
///
/// # Errors
/// If they can't be started.
pub(crate) fn pool(jobs: usize) -> Result<rayon::ThreadPool, NoThreads> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
        .start_handler(|_| tch::set_num_threads(1))
        .build()
        .map_err(|error| NoThreads::new(jobs, error))
}
