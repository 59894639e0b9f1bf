//! How commands end: what they found, and errors that know what they are.

use miette::{Diagnostic, Report};

use crate::config::ConfigError;
use crate::plan::PlanError;

/// How a command ended; `cli` makes the exit code of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing is wrong.
    Fine,
    /// It ran and found failed cells or a regression, or the system refused a file or a thread.
    Failed,
    /// The input is wrong.
    WrongInput,
    /// A signal stopped it.
    Stopped,
}

/// What a command returns.
pub(crate) type Outcome = Result<Exit, CommandError>;

/// An error that ends a command.
pub(crate) trait Failure: Diagnostic + Send + Sync + 'static {
    /// How the command ends by it.
    fn exit(&self) -> Exit {
        Exit::WrongInput
    }
}

impl Failure for ConfigError {}
impl Failure for PlanError {}

/// Any error that ends a command.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) exit: Exit,
    pub(crate) report: Report,
}

impl<E: Failure> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self { exit: error.exit(), report: Report::new(error) }
    }
}
