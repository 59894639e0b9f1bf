//! Remedies for the causes that were found, and running every one of them.

mod losses;
mod run;
mod training;

use causes::{Cause, Finding, FixResult};
use optimizers::{Optimizer, Schedule};

use super::fit::Fit;
use super::probe::{Probes, Progress};
use super::setup::Setup;
use config::diagnose::Case;
use engine::LaneResult;

/// A remedy, and how to run it.
struct Candidate {
    name: String,
    /// What to do, in words.
    change: String,
    /// The causes that it is for.
    addresses: Vec<Cause>,
    how: How,
}

enum How {
    Train(Box<Training>),
    /// By L-BFGS.
    Lbfgs,
    /// The author's way from several starts, one after another.
    Restarts(Vec<Vec<f64>>),
}

/// Training in another way than the author's.
struct Training {
    /// Another loss, start or target.
    fit: Option<Fit>,
    /// In float64, whatever the author has.
    double: bool,
    optimizer: Optimizer,
    schedule: Schedule,
    rates: Rates,
}

/// Which rates are tried.
#[derive(Clone, Copy, PartialEq)]
enum Rates {
    /// The author's, and 10⁻³ … 10⁵ times it.
    Multiples,
    /// The author's, and 10⁻³ … 1 times it.
    Smaller,
    /// The author's, and those that suit steps of the length of the rate.
    Lengths,
    /// Other rates than the author's only.
    Others,
    /// The author's only.
    Own,
}

/// A fix, what became of it, and the run to show.
pub(super) struct Outcome {
    pub tried: FixResult,
    pub run: Option<LaneResult>,
}

/// Runs every remedy for these findings.
pub(super) fn try_all(
    case: &Case,
    setup: &Setup,
    probes: &Probes,
    findings: &[Finding],
    progress: Progress,
) -> Vec<Outcome> {
    let causes: Vec<Cause> = findings.iter().map(|finding| finding.cause).collect();
    let candidates = training::candidates(case, setup, probes, &causes)
        .into_iter()
        .chain(losses::candidates(case, setup, probes, &causes));
    let mut outcomes = Vec::new();
    for candidate in candidates {
        progress(&format!("the fix `{}`", candidate.name));
        outcomes.extend(run::run(case, setup, probes, &candidate));
    }
    outcomes
}
